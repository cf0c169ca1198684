"""The managed keys of one tenant: read in the plan's snapshot, written by the apply's transaction.

Rows are plain tuples: `wfsync.state.managed` makes the values of `wfsync.plan.managed` of them, which this room does
not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, LiteralString, TypeAlias

from wfsync.store.faults import translate
from wfsync.store.ledger.access import look, tenant_text
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.instance import Tenant
    from wfsync.store.session import Connection

__all__ = ["ManagedRow", "forget", "hmac_key", "read", "read_keys", "total", "write", "written_at"]

ManagedRow: TypeAlias = tuple[str, str, str, str, str, str, str | None, str | None]
"""key, source, origin, workflow_id, digest, policy, held, held_policy."""

_NAMES: Final = ("key", "source", "origin", "workflow_id", "digest", "policy", "held")
_LATER: Final = "held_policy"
"""A column that a ledger lacks which only its owner may migrate: then it is neither read nor written."""
_COLUMNS: Final = ", ".join(_NAMES)
_CHUNK: Final = 5000


def read(conn: Connection, tenant: Tenant | None) -> list[ManagedRow] | None:
    """Every managed key of ``tenant``; None where there is no ledger, or this role may not read it."""
    if not look(conn).may_read("managed"):
        return None
    with translate(target_of(conn), "reading the ledger"):
        return conn.execute(_READ, [tenant_text(tenant)]).fetchall()


def read_keys(conn: Connection, tenant: Tenant | None, keys: Collection[str]) -> list[ManagedRow]:
    """Those of ``keys`` that are managed, where it is known that the ledger can be read."""
    return conn.execute(f"{_READ} AND key = ANY (%s)", [tenant_text(tenant), list(keys)]).fetchall() if keys else []


def written_at(conn: Connection, tenant: Tenant | None, keys: Collection[str]) -> dict[str, datetime]:
    """When we last wrote what is managed of those of ``keys`` that are, by the server's clock."""
    if not keys:
        return {}
    statement = "SELECT key, updated_at FROM wfsync.managed WHERE tenant = %s AND key = ANY (%s)"
    return dict(conn.execute(statement, [tenant_text(tenant), list(keys)]).fetchall())


# A column that may not be there is a member of the row as JSON; only few rows are held, so that costs nothing
_READ: Final = f"""
    SELECT {_COLUMNS}, CASE WHEN held IS NOT NULL THEN pg_catalog.to_jsonb(managed) ->> '{_LATER}' END
    FROM wfsync.managed WHERE tenant = %s"""  # noqa: S608 - names from above


def total(conn: Connection, tenant: Tenant | None) -> str:
    """One text for all that `read` reads: it moves when that does. For who is known to be able to read it."""
    with translate(target_of(conn), "reading the ledger"):
        row = conn.execute(
            "SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.bit_xor(m.h), pg_catalog.sum(m.h))"  # noqa: S608 - ours
            f" FROM (SELECT pg_catalog.hash_record_extended(r, 0) AS h FROM ({_READ}) r) m",
            [tenant_text(tenant)],
        ).fetchone()
    return "" if row is None else str(row[0])


def write(conn: Connection, tenant: Tenant | None, rows: Iterable[ManagedRow]) -> int:
    """Insert or replace managed keys in bulk; how many there were.

    One JSON document for some thousand rows: as fast as COPY here, and it replaces, which COPY cannot, and works where
    row-level security forbids COPY.
    """
    import orjson

    remaining = iter(rows)
    written = 0
    names: tuple[str, ...] = ()
    while chunk := list(islice(remaining, _CHUNK)):
        names = names or ((*_NAMES, _LATER) if _has_later(conn) else _NAMES)
        document = orjson.dumps([dict(zip(names, row, strict=False)) for row in chunk]).decode()
        conn.execute(_write(names), [tenant_text(tenant), document])
        written += len(chunk)
    return written


def _has_later(conn: Connection) -> bool:
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'wfsync.managed'::pg_catalog.regclass"
        " AND attname = %s AND NOT attisdropped)",
        [_LATER],
    ).fetchone()
    return row is not None and bool(row[0])


def _write(names: tuple[str, ...]) -> LiteralString:
    # The clock's time, not the transaction's: what a trigger says of our own writing is not later than this
    columns: Any = ", ".join(names)
    typed: Any = ", ".join(f"{name} text" for name in names)
    renewed: Any = ", ".join(f"{name} = excluded.{name}" for name in (*names[1:], "updated_at"))
    statement: LiteralString = f"""
        INSERT INTO wfsync.managed (tenant, {columns}, updated_at)
        SELECT %s, {columns}, pg_catalog.clock_timestamp()
        FROM pg_catalog.json_to_recordset(%s::pg_catalog.json) AS new ({typed})
        ON CONFLICT (tenant, key) DO UPDATE SET {renewed}
    """  # noqa: S608 - names from above
    return statement


def forget(conn: Connection, tenant: Tenant | None, keys: Collection[str]) -> None:
    """Remove managed keys: they were deleted by us, or are no longer to be managed."""
    if keys:
        conn.execute(
            "DELETE FROM wfsync.managed WHERE tenant = %s AND key = ANY (%s::pg_catalog.text[])",
            [tenant_text(tenant), sorted(keys)],
        )


def hmac_key(conn: Connection) -> bytes | None:
    """The random key of this instance, for digests that leave it; None where there is no ledger that can be read."""
    if not look(conn).may_read("instance"):
        return None
    with translate(target_of(conn), "reading the ledger"):
        row = conn.execute("SELECT hmac_key FROM wfsync.instance").fetchone()
    return None if row is None else bytes(row[0])
