"""What there is of a ledger, for `wfsync db status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfsync.store.faults import translate
from wfsync.store.ledger.access import Access, look
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["LedgerSummary", "summarise"]


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """The ledger of one database, of all its tenants."""

    state: str
    """``none``, ``yes``, or what is wrong with it."""
    version: str | None = None
    """The last migration that was applied."""
    applies: int | None = None
    """None where it cannot be read."""
    managed: int | None = None
    """Managed workflows, likewise."""


def summarise(conn: Connection) -> LedgerSummary:
    """Look at the ledger; reads only. Raises `DatabaseError` for driver faults."""
    access = look(conn)
    version = access.migrations[-1] if access.migrations else None
    if not access.is_readable:
        return LedgerSummary(_state(access), version)
    with translate(target_of(conn), "reading the ledger"):
        row = conn.execute(
            "SELECT (SELECT count(*) FROM wfsync.applies), (SELECT count(*) FROM wfsync.managed)"
        ).fetchone()
    applies, managed = row if row is not None else (None, None)
    return LedgerSummary(_state(access), version, applies, managed)


def _state(access: Access) -> str:
    if not access.exists:
        return "none" if access.unavailable() is None else f"none, and {access.user} may not create it"
    if access.newer:
        return "made by a newer wfsync"
    if access.missing:
        return f"damaged: no table {', '.join(access.lost)}"
    if access.lost:
        return f"without {', '.join(access.lost)}: `wfsync db upgrade` makes it anew"
    if not access.is_readable:
        return f"closed to {access.user}"
    if not access.is_writable:
        return f"read-only for {access.user}"
    return f"behind: {', '.join(access.pending)} not applied" if access.pending else "yes"
