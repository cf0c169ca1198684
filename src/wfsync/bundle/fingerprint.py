"""The digest of a workflow: equal workflows have equal digests, and only they (spec: bundle.md "Canonical bytes and
digest").
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.model import Workflow
from wfsync.bundle.steps import Walked
from wfsync.bundle.structure import to_tree

__all__ = ["digest"]


def digest(workflow: Workflow, walked: Iterable[Walked] | None = None) -> str:
    """SHA-256, as 64 lower-case hex digits, of the canonical workflow object.

    Dependencies derived, references as they are in ``workflow`` (keys), no ``definition.id``, no ``exportedAt``.
    ``walked`` are the steps of ``workflow.definitions()``, for callers that have them already.
    """
    return sha256(canonical_bytes(to_tree(workflow, None, walked))).hexdigest()
