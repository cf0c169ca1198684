"""The ledger's tables: created by the first apply and by `wfsync db upgrade`, kept up to date by numbered migrations.

Migrations live in ``migrations/NNNN_name.sql`` of this package and are never edited once released. Unlike the
instance's tables they have one fixed place, the schema ``wfsync``, whatever the role's search_path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from wfsync import __version__
from wfsync.store.connection import lock_key, write_transaction
from wfsync.store.faults import translate
from wfsync.store.ledger.access import Access, checksum, known_migrations, look
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["ensure"]

_BOOKKEEPING: Final = """
    CREATE TABLE wfsync.migrations (
        name text CONSTRAINT migrations_pkey PRIMARY KEY,
        checksum text NOT NULL,
        wfsync text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
    )
"""


def ensure(conn: Connection, lock_timeout: float) -> tuple[Access, tuple[str, ...]]:
    """Create or migrate the ledger where this role may; what it may do now, and the migrations that were applied.

    A transaction of its own, under the lock of migrations: two first applies do the work once. Nothing is opened when
    nothing is to be done, and nothing raised for a missing right: `Access.unavailable` says it. Raises `DatabaseError`
    (``LEDGER_TOO_NEW``, ``READ_ONLY_SERVER``) and `LockTimeout`.
    """
    access = look(conn)
    access.require_known()
    if not _is_to_be_done(access):
        return access, ()
    with write_transaction(conn, lock_timeout), translate(target_of(conn), "creating the ledger"):
        conn.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [lock_key("migrate")])
        access = look(conn)
        access.require_known()
        applied = _migrate(conn, access) if _is_to_be_done(access) else ()
    return look(conn), applied


def _is_to_be_done(access: Access) -> bool:
    """Whether a migration is pending, and this role could apply it as far as can be told."""
    if not access.exists:
        return access.unavailable() is None
    may = access.may_create_tables and access.owns_tables and not access.missing
    return bool(access.migrations and access.pending and may)


def _migrate(conn: Connection, access: Access) -> tuple[str, ...]:
    # Whatever a migration names without a schema is meant to be the server's, not somebody's of the same name
    conn.execute("SET LOCAL search_path TO pg_catalog, pg_temp")
    if not access.schema_exists:
        conn.execute("CREATE SCHEMA wfsync")
    if not access.exists:
        conn.execute(_BOOKKEEPING)
    pending = access.pending
    for name in pending:
        text = known_migrations()[name]
        conn.execute(text)
        conn.execute(
            "INSERT INTO wfsync.migrations (name, checksum, wfsync) VALUES (%s, %s, %s)",
            [name, checksum(text), __version__],
        )
    conn.execute("INSERT INTO wfsync.instance (hmac_key) VALUES (%s) ON CONFLICT DO NOTHING", [os.urandom(32)])
    return pending
