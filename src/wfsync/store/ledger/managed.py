"""The managed keys of one tenant: read in the plan's snapshot, written by the apply's transaction.

Rows are plain tuples: `wfsync.state.managed` makes the values of `wfsync.plan.managed` of them, which this room does
not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from wfsync.store.faults import translate
from wfsync.store.ledger.access import look, tenant_text
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.instance import Tenant
    from wfsync.store.session import Connection

__all__ = ["ManagedRow", "forget", "hmac_key", "read", "read_keys", "write", "written_at"]

ManagedRow: TypeAlias = tuple[str, str, str, str, str, str, str | None]
"""key, source, origin, workflow_id, digest, policy, held."""

_NAMES: Final = ("key", "source", "origin", "workflow_id", "digest", "policy", "held")
_COLUMNS: Final = ", ".join(_NAMES)
_CHUNK: Final = 5000


def read(conn: Connection, tenant: Tenant | None) -> list[ManagedRow] | None:
    """Every managed key of ``tenant``; None where there is no ledger, or this role may not read it."""
    if not look(conn).is_readable:
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


_READ: Final = f"SELECT {_COLUMNS} FROM wfsync.managed WHERE tenant = %s"  # noqa: S608 - names from above


def write(conn: Connection, tenant: Tenant | None, rows: Iterable[ManagedRow]) -> int:
    """Insert or replace managed keys in bulk; how many there were.

    One JSON document for some thousand rows: as fast as COPY here, and it replaces, which COPY cannot, and works where
    row-level security forbids COPY.
    """
    import orjson

    remaining = iter(rows)
    written = 0
    while chunk := list(islice(remaining, _CHUNK)):
        document = orjson.dumps([dict(zip(_NAMES, row, strict=True)) for row in chunk]).decode()
        conn.execute(_WRITE, [tenant_text(tenant), document])
        written += len(chunk)
    return written


# The clock's time, not the transaction's: what a trigger says of our own writing is not later than this
_WRITE: Final = f"""
    INSERT INTO wfsync.managed (tenant, {_COLUMNS}, updated_at)
    SELECT %s, {_COLUMNS}, pg_catalog.clock_timestamp() FROM pg_catalog.json_to_recordset(%s::pg_catalog.json) AS new
        (key text, source text, origin text, workflow_id text, digest text, policy text, held text)
    ON CONFLICT (tenant, key) DO UPDATE SET source = excluded.source, origin = excluded.origin,
        workflow_id = excluded.workflow_id, digest = excluded.digest, policy = excluded.policy, held = excluded.held,
        updated_at = excluded.updated_at
"""  # noqa: S608 - names from above


def forget(conn: Connection, tenant: Tenant | None, keys: Collection[str]) -> None:
    """Remove managed keys: they were deleted by us, or are no longer to be managed."""
    if keys:
        conn.execute(
            "DELETE FROM wfsync.managed WHERE tenant = %s AND key = ANY (%s::pg_catalog.text[])",
            [tenant_text(tenant), sorted(keys)],
        )


def hmac_key(conn: Connection) -> bytes | None:
    """The random key of this instance, for digests that leave it; None where there is no ledger that can be read."""
    if not look(conn).is_readable:
        return None
    with translate(target_of(conn), "reading the ledger"):
        row = conn.execute("SELECT hmac_key FROM wfsync.instance").fetchone()
    return None if row is None else bytes(row[0])
