"""One leader a target: a session's advisory lock.

Whoever holds the lock writes on the very session that holds it. A session that ends, however it ends, takes both with
it: the server rolls its transaction back before it gives the lock to anybody else. So there is no moment at which two
leaders can commit, and no lease that could run out in the middle of a write.
"""

from __future__ import annotations

from wfsync.store.connection import Connection, lock_key
from wfsync.store.faults import translate
from wfsync.store.instance import Tenant
from wfsync.store.session import target_of

__all__ = ["leads", "try_lead"]

_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND (classid::bigint << 32 | objid::bigint) = %s::bigint
    )
"""
"""A session that goes through a pooler may be another one by now: then the lock is not there."""


def leads(conn: Connection, tenant: Tenant | None) -> bool:
    """Whether this very session holds the lock. Raises `DatabaseError` when it is gone."""
    with translate(target_of(conn), "asking who leads"):
        row = conn.execute(_HELD, [_key(tenant)]).fetchone()
    return bool(row and row[0])


def try_lead(conn: Connection, tenant: Tenant | None) -> bool:
    """Take the lead of (database, tenant) unless somebody else has it; True when this session leads.

    Asking again is free: the lock is taken once a session. Raises `DatabaseError` when the session is gone.
    """
    if leads(conn, tenant):
        return True
    with translate(target_of(conn), "taking the lead"):
        row = conn.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [_key(tenant)]).fetchone()
    return bool(row and row[0])


def _key(tenant: Tenant | None) -> int:
    return lock_key("watch", tenant.value if tenant is not None else "")
