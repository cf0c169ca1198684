"""Which rows moved since a snapshot, without reading their documents."""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING

from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["changed_since"]

# A row carries the lower 32 bits of the transaction that wrote it; the epoch is that of now, or the one before. A row
# older than a whole epoch may look newer than it is: then it is looked at once more, which costs time and nothing else.
_WRITTEN_BY = (
    "((CASE WHEN {a}.xmin::text::bigint > now_.low THEN now_.epoch - 1 ELSE now_.epoch END << 32)"
    " | {a}.xmin::text::bigint)"
)
_NOW = (
    "(SELECT x >> 32 AS epoch, x & 4294967295 AS low FROM"
    " (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS x) now__) now_"
)
# 0 to 2 are no transactions: such a row is older than any.
_OLDEST = "GREATEST(3, pg_catalog.pg_snapshot_xmin(%(snapshot)s::pg_catalog.pg_snapshot)::text::bigint)"


def changed_since(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, snapshot: str) -> list[str]:
    """Ids of the tenant's workflows with a definition or version row written by a transaction that ``snapshot`` missed.

    ``snapshot`` is the text of ``pg_current_snapshot()``. Names every workflow of which a row was written by a
    transaction that had not ended when the oldest one running then began: more than did change, never less. (Which of
    those the snapshot saw cannot be told from its text: a row may carry the id of a subtransaction, after a SAVEPOINT,
    and a snapshot lists only the transactions around them.)
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    parts = [
        f"SELECT {alias}.workflow_id::text FROM {table.qualified} {alias}, {_NOW}"
        f" WHERE {scope.where(alias)} AND {_WRITTEN_BY.format(a=alias)} >= {_OLDEST}"
        for table, alias in ((definitions, "d"), (versions, "v"))
    ]
    return [row[0] for row in conn.execute(" UNION ".join(parts), scope.params(snapshot=snapshot))]
