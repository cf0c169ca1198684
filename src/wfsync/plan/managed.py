"""What wfsync remembers of a key in the database: whose it is, and what it was when we last wrote it.

The values of the ledger's *managed* table (`wfsync.store.ledger` reads and writes it), without I/O. Everything that
asks "is this ours?" or "who changed it?" asks these: drift, prune, ownership, holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

__all__ = ["Hold", "Managed", "ManagedState", "Origin"]

Origin = Literal["created", "adopted"]
"""``created``: our apply inserted the key. ``adopted``: it existed, and was equal, overwritten, or taken over."""


class Hold(Struct, frozen=True):
    """What a rollback holds a key by."""

    digest: str
    """Of the file that it went behind; `wfsync.plan.ownership.NO_FILE` where there was none."""
    policy: str | None = None
    """Fingerprint under which the digest was made; None: not known."""


class Managed(Struct, frozen=True, gc=False):
    """One key that wfsync manages."""

    key: str
    source: str
    """Which repository and directory it comes from (``source:`` in wfsync.yaml, else derived from the remote)."""
    origin: Origin
    workflow_id: str
    """The row's id as our last apply left it."""
    digest: str
    """Of the row as our last apply left it: the base of a three-way comparison."""
    policy: str
    """Fingerprint of the field policies and the overlay under which ``digest`` was made; another one: base unknown."""
    held: str | None = None
    """Digest of the file that a rollback went behind: the key is left alone until its file has another one."""
    held_policy: str | None = None
    """Fingerprint under which ``held`` was made: under another one nobody can tell, and the hold stays. None: not
    known, and taken for the one in force."""


@dataclass(frozen=True, slots=True)
class ManagedState:
    """Everything that is managed for one tenant."""

    by_key: Mapping[str, Managed] = field(default_factory=dict)
    exists: bool = False
    """False where there is no ledger (yet), or this role may not read it: nothing is known then."""
