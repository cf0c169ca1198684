"""Tables that the ledger has lost, made anew from its migrations: empty, so that what they knew stays lost.

Only `wfsync db upgrade` does it: an apply must not go on as if nothing had ever been known.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from wfsync.store.connection import lock_key, write_transaction
from wfsync.store.faults import translate
from wfsync.store.ledger.access import known_migrations, look
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["repair", "statements_of"]

_STATEMENT_ENDS: Final = re.compile(r";[ \t]*$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n", re.MULTILINE)


def repair(conn: Connection, lock_timeout: float) -> tuple[str, ...]:
    """Make the tables that are missing in a ledger, where this role may; their names.

    A transaction of its own, under the lock of migrations. Raises `DatabaseError` as `Access.require_known`, and
    `LockTimeout`. Other roles' rights on the tables are lost with them.
    """
    if not look(conn).is_repairable:
        return ()
    with write_transaction(conn, lock_timeout), translate(target_of(conn), "repairing the ledger"):
        conn.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [lock_key("migrate")])
        access = look(conn)
        access.require_known()
        lost = access.lost
        conn.execute("SET LOCAL search_path TO pg_catalog, pg_temp")
        for name in lost:
            for migration in access.migrations:
                for statement in statements_of(name, known_migrations()[migration]):
                    text: Any = statement
                    conn.execute(text)
        conn.execute("INSERT INTO wfsync.instance (hmac_key) VALUES (%s) ON CONFLICT DO NOTHING", [os.urandom(32)])
    return lost


def statements_of(table: str, migration: str) -> Iterator[str]:
    """The statements of ``migration`` that are about ``table``, in order."""
    about = re.compile(rf"\bwfsync\.{re.escape(table)}\b")
    for statement in _STATEMENT_ENDS.split(_COMMENT.sub("", migration)):
        if about.search(statement):
            yield statement.strip()
