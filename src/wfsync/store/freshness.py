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


def changed_since(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, snapshot: str) -> list[str]:
    """Ids of the tenant's workflows with a definition or version row written by a transaction that ``snapshot`` missed.

    ``snapshot`` is the text of ``pg_current_snapshot()``. May name a few that did not change; never misses one.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    parts = [
        f"SELECT {alias}.workflow_id::text FROM {table.qualified} {alias}, {_NOW}"
        f" WHERE {scope.where(alias)} AND {_WRITTEN_BY.format(a=alias)} >= 3"
        f" AND NOT pg_catalog.pg_visible_in_snapshot({_WRITTEN_BY.format(a=alias)}::text::xid8,"
        " %(snapshot)s::pg_snapshot)"
        for table, alias in ((definitions, "d"), (versions, "v"))
    ]
    return [row[0] for row in conn.execute(" UNION ".join(parts), scope.params(snapshot=snapshot))]
