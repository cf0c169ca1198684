"""The digest of a workflow: equal workflows have equal digests, and only they (spec: bundle.md "Canonical bytes and
digest").
"""

from __future__ import annotations

from hashlib import sha256

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.model import Workflow
from wfsync.bundle.structure import to_tree

__all__ = ["checksum", "digest", "of_creation"]


def digest(workflow: Workflow, dependencies: Dependencies | None = None) -> str:
    """SHA-256, as 64 lower-case hex digits, of the canonical workflow object.

    Dependencies derived, references as they are in ``workflow`` (keys), no ``definition.id``, no ``exportedAt``.
    ``dependencies`` are those that `derive` gives, for callers that have them already.
    """
    return sha256(canonical_bytes(to_tree(workflow, None, dependencies))).hexdigest()


def of_creation(digest: str, initial: str) -> str:
    """What tells one creation of a workflow from another: its ``digest``, where fields may be null that are not git's
    once it exists, and ``initial``, which stands for what these begin with; ``""`` where there are none.
    """
    return sha256(f"{digest} {initial}".encode("ascii")).hexdigest() if initial else digest


def checksum(data: bytes) -> int:
    """64 bits of ``data`` that hold within this run and the workers it forked; says nothing to anybody else.

    Python's own keyed hash of bytes: a fraction of SHA-256's cost, for a question that no adversary asks.
    """
    return hash(data)
