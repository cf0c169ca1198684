"""Transactions: one snapshot to read, one transaction to write, and a commit without doubt.

Two kinds of transaction exist (`database.md`, *Reading* and *Writing*): `snapshot` reads at REPEATABLE READ READ ONLY,
`write_transaction` writes at READ COMMITTED. Only ``apply/execute.py`` and ``store/migrate.py`` open the second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wfsync.store.commit import begin, commit, leave
from wfsync.store.faults import translate
from wfsync.store.raw_json import raw_json
from wfsync.store.session import Connection, connect, target_of

if TYPE_CHECKING:
    from wfsync.store.instance import InstanceLayout, Tenant

__all__ = [
    "Connection",
    "advisory_lock",
    "connect",
    "lock_key",
    "raw_json",
    "snapshot",
    "target_of",
    "write_transaction",
]


@contextmanager
def snapshot(conn: Connection) -> Iterator[Connection]:
    """One REPEATABLE READ READ ONLY transaction: everything read inside belongs to one moment. Works on a standby."""
    with translate(target_of(conn), "reading"):
        conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield conn
        finally:
            leave(conn)


@contextmanager
def write_transaction(
    conn: Connection, lock_timeout: float, on_commit: Callable[[], None] = lambda: None
) -> Iterator[Connection]:
    """One READ COMMITTED transaction with a ``lock_timeout`` in seconds; commits at the end, rolls back on any error.

    Any driver error inside becomes a `DatabaseError`; a server or role that only reads is refused before the block runs
    (``READ_ONLY_SERVER``). If the connection is lost during COMMIT, a new one asks the server what became of the
    transaction: committed returns as if nothing had happened, rolled back raises ``CONNECTION_LOST``, and
    `CommitUnknown` is raised only if nobody can tell. ``on_commit`` is called as soon as it is known that the
    transaction is committed; it must not fail.
    """
    target = target_of(conn)
    with translate(target, "writing"):
        pending = begin(conn, lock_timeout)
        try:
            yield conn
        except BaseException:
            leave(conn)
            raise
        commit(conn, pending, on_commit)


def advisory_lock(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> None:
    """Wait for the lock that one apply per (database, tenant) holds, until the end of the transaction.

    Raises `LockTimeout` when the transaction's ``lock_timeout`` passes.
    """
    del layout  # the lock space is the database; the layout adds nothing that two clients could not see differently
    with translate(target_of(conn), "waiting for another apply"):
        conn.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [lock_key("apply", tenant.value if tenant else "")])


def lock_key(purpose: str, name: str = "") -> int:
    """The 64-bit advisory lock key for ``purpose`` and ``name``.

    PostgreSQL keeps advisory locks per database, so the database is part of the lock without being part of the key
    (its name must not be: behind a pooler two clients may know one database by two names).
    """
    digest = hashlib.sha256(f"wfsync\0{purpose}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
