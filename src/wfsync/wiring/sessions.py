"""A database that was named or started, and an open connection to it with the instance behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wfsync.config import DatabaseChoice
from wfsync.errors import DatabaseError

if TYPE_CHECKING:
    from wfsync.plan.model import TargetRef
    from wfsync.store.connection import Connection
    from wfsync.store.layout import InstanceLayout, Tenant
    from wfsync.store.target import Target

__all__ = ["Session", "embedded_root", "lacks_tables", "open_session", "open_target", "renewed"]


    from wfsync.store.target import Target

    if choice.kind == "named":
        return Target("named", choice.conninfo or "")
    from wfsync.store.embedded import EmbeddedServer

    root = embedded_root(repository_root())
    announce(f"no database is named: using the embedded PostgreSQL in {root}")
    return Target("embedded", EmbeddedServer(root).start().conninfo())


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection, the shape of the instance behind it, and whose rows are meant."""

    conn: Connection
    target: Target
    layout: InstanceLayout
    tenant: Tenant | None
    future_tenant: str | None = None
    """Where tables are absent: whose rows those would be that `wfsync db upgrade` makes room for."""

    def reference(self) -> TargetRef:
        """How a plan names this target."""
        from wfsync.plan.model import TargetRef

        tenant = self.tenant.value if self.tenant is not None else self.future_tenant
        target = self.target
        return TargetRef(target.display(), tenant, self.layout.name, target.kind, target.environment)


def lacks_tables(target: Target) -> bool:
    """True when ``target`` is the embedded server and its tables are missing or behind this wfsync."""
    if target.kind != "embedded":
        return False
    from wfsync.store.connection import connect
    from wfsync.store.migrate import pending

    with connect(target, read_only=True) as conn:
        return bool(pending(conn))


def _require_current(behind: tuple[str, ...]) -> None:
    if behind:
        raise DatabaseError(
            f"the tables are older than this wfsync: {', '.join(behind)} not applied",
            code="TABLES_OUTDATED",
            hint="run `wfsync db upgrade`; a named database is never migrated without being asked",
            details={"migrations": list(behind)},
        )


@contextmanager
def open_session(
    target: Target, tenant: str | None, *, lock_timeout: float, for_write: bool = False, upgrade: bool = False
) -> Iterator[Session]:
    """Connect to ``target`` and find out what it is; no wait for a lock takes longer than ``lock_timeout`` seconds.

    ``for_write`` wants tables to write to; ``upgrade`` creates or migrates them first where the server is the embedded
    one (a named database is never migrated without `wfsync db upgrade`).
    """
    from wfsync.store.connection import connect
    from wfsync.store.migrate import pending
    from wfsync.store.migrate import upgrade as migrate

    conn = connect(target, read_only=not (for_write or upgrade), lock_timeout=lock_timeout)
    try:
        if upgrade and target.kind == "embedded" and pending(conn):
            migrate(conn, lock_timeout=lock_timeout)
        yield _examined(conn, target, tenant, for_write=for_write)
    finally:
        conn.close()


def renewed(session: Session, *, for_write: bool = False) -> Session:
    """``session`` on the same connection and for the same tenant, with the instance as it is by now: somebody may have
    upgraded it.
    """
    tenant = session.tenant.value if session.tenant is not None else session.future_tenant
    return _examined(session.conn, session.target, tenant, for_write=for_write)


def _examined(conn: Connection, target: Target, tenant: str | None, *, for_write: bool) -> Session:
    from wfsync.store.layout import detect, future_tenant, resolve_tenant
    from wfsync.store.migrate import pending

    layout = detect(conn)
    layout.require_readable()
    if for_write and layout.name == "wfsync":
        _require_current(pending(conn))
    # A plan for a database without tables must be the one that is applied once they are there
    future = future_tenant(tenant) if layout.name == "absent" else None
    return Session(conn, target, layout, resolve_tenant(conn, layout, tenant, for_write=for_write), future)
