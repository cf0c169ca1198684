"""What `wfsync db status` tells, and what `wfsync db upgrade` does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfsync.errors import DatabaseError, Problem
from wfsync.store.connection import connect
from wfsync.store.layout import InstanceLayout, detect
from wfsync.store.ledger.repair import repair
from wfsync.store.ledger.schema import ensure
from wfsync.store.ledger.summary import LedgerSummary, summarise
from wfsync.store.migrate import pending
from wfsync.store.migrate import upgrade as upgrade_tables
from wfsync.store.target import Target

if TYPE_CHECKING:
    from wfsync.store.embedded import EmbeddedServer, ServerStatus

__all__ = ["DatabaseStatus", "Upgraded", "describe", "upgrade"]


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """One database, as far as it can be looked at without changing or starting anything."""

    display: str
    """Without a password."""
    kind: str
    origin: str
    """What named it."""
    server: ServerStatus | None = None
    """Of the embedded server."""
    server_version: str | None = None
    """None when it does not run."""
    layout: InstanceLayout | None = None
    pending: tuple[str, ...] = field(default=())
    """Migrations that `wfsync db upgrade` would apply."""
    ledger: LedgerSummary | None = None


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did."""

    tables: tuple[str, ...]
    """Migrations of the instance's tables."""
    ledger: tuple[str, ...]
    """Migrations of the ledger."""
    problems: tuple[Problem, ...] = ()
    """Warnings."""
    repaired: tuple[str, ...] = ()
    """Tables of the ledger that were lost and are made anew, empty."""


def upgrade(target: Target, lock_timeout: float) -> Upgraded:
    """Create or migrate wfsync's own tables and the ledger; in somebody else's instance only the ledger.

    Raises `DatabaseError` as `wfsync.store.migrate.upgrade` and `wfsync.store.ledger.schema.ensure`, and
    ``PERMISSION_DENIED`` when the ledger was all that could be made, and may not be.
    """
    with connect(target, lock_timeout=lock_timeout) as conn:
        tables = upgrade_tables(conn, lock_timeout=lock_timeout)
        repaired = repair(conn, lock_timeout)
        access, ledger = ensure(conn, lock_timeout)
        unavailable = access.unavailable()
        if unavailable is not None and detect(conn).name != "wfsync":
            raise DatabaseError(
                f"the user {access.user} may not create or use the ledger, and the other tables are not wfsync's own",
                code="PERMISSION_DENIED",
                hint=unavailable.hint,
            )
    return Upgraded(tables, ledger, () if unavailable is None else (unavailable,), repaired)


def describe(target: Target | None, origin: str, server: EmbeddedServer | None) -> DatabaseStatus:
    """Look at ``target``; None is the embedded ``server``, which is not started. Raises `DatabaseError`."""
    status = server.status() if server is not None else None
    if target is None:
        if server is None or status is None or status.state != "running":
            display = str(status.data_dir) if status is not None else "embedded"
            return DatabaseStatus(display, "embedded", origin, status)
        target = Target("embedded", server.start().conninfo())
    with connect(target, read_only=True) as conn:
        layout = detect(conn)
        version = conn.info.parameter_status("server_version")
        behind, ledger = pending(conn), summarise(conn)
        return DatabaseStatus(target.display(), target.kind, origin, status, version, layout, behind, ledger)
