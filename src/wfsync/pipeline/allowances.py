"""Entries of ``policy.secrets_allowed`` that excuse nothing: a real secret may come to stand there."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from wfsync.bundle.load import LoadOptions
from wfsync.bundle.parse import read_document
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.source_map import pointer
from wfsync.errors import Place, Problem, WfsyncError
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Source

__all__ = ["unused_allowances"]

_OF_OVERLAYS = "/metadata"
"""How pointers into an overlay begin; those into a file begin with ``/workflows``."""


def unused_allowances(source: Source, options: LoadOptions, config: str) -> Iterator[Problem]:
    """A note for each entry that excuses no value of ``source``, which must be all files of the configuration whose
    label is ``config``. Reads only files that an entry is about; says nothing where one of them cannot be read.
    """
    from wfsync.bundle.rules.secrets import check  # its patterns take milliseconds to compile

    remaining = [a for a in dict.fromkeys(options.secrets.allowed) if not a.partition("#")[2].startswith(_OF_OVERLAYS)]
    everything = SecretPolicy()
    for entry in source.entries:
        about = [allowance for allowance in remaining if fnmatchcase(key_of(entry.path), allowance.partition("#")[0])]
        if not about:
            continue
        try:
            tree: Any = read_document(source.read(entry), syntax_of(entry.path), entry.label).tree
            found = [
                (workflow["key"], pointer(("workflows", index, *fault.path)))
                for index, workflow in enumerate(tree["workflows"])
                for fault in check(workflow, everything, ("workflows", index))
            ]
        except (WfsyncError, LookupError, TypeError, AttributeError):
            return  # another fault, and validate names it
        used = {a for a in about if any(SecretPolicy(allowed=(a,)).allows(key, where) for key, where in found)}
        remaining = [allowance for allowance in remaining if allowance not in used]
    for allowance in remaining:
        yield Problem(
            code="SECRET_ALLOWANCE_UNUSED",
            severity="note",
            message=f"policy.secrets_allowed lists {allowance!r}, which excuses no value of any file",
            place=Place(config),
            hint="remove it, or correct the key or the pointer",
        )
