"""Runs that are under way: QUEUED, RUNNING or WAITING (`database.md`, *Writing*: they block an apply)."""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["ACTIVE", "active_runs", "may_count_runs"]

ACTIVE: Final = ("QUEUED", "RUNNING", "WAITING")


def active_runs(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Collection[str]
) -> Mapping[str, Mapping[str, int]]:
    """Of the workflows ``ids``, those with active runs: ``workflow_id`` → status → number, in order of status.

    An instance without ``workflow_runs`` has none.
    """
    if layout.runs is None or not ids:
        return {}
    scope = Scope.of(layout, tenant)
    rows = conn.execute(
        f"SELECT r.workflow_id::text, r.status::text, count(*) FROM {layout.runs.qualified} r"
        f" WHERE {scope.where('r')} AND {scope.ids(layout.runs, 'r')} AND r.status::text = ANY (%(active)s)"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        scope.params(ids=list(ids), active=list(ACTIVE)),
    )
    found: dict[str, dict[str, int]] = {}
    for workflow_id, status, count in rows:
        found.setdefault(workflow_id, {})[status] = count
    return found


def may_count_runs(conn: Connection, layout: InstanceLayout) -> bool:
    """Whether this role may ask for `active_runs`: for who can do without them."""
    if layout.runs is None:
        return True
    row = conn.execute(
        "SELECT pg_catalog.has_table_privilege(%s::pg_catalog.regclass, 'SELECT')", [layout.runs.qualified]
    ).fetchone()
    return row is not None and bool(row[0])
