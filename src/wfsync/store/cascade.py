"""What a delete of definitions takes with it, counted before anything is deleted (`database.md`, *Writing*).

One read-only statement, built from the foreign keys (`cascade_sql`): no temporary table, so it works in a READ ONLY
transaction and on a standby. Foreign keys act whatever the tenant of the referring row, and so does the count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from wfsync.errors import Problem
from wfsync.store.cascade_sql import Query, RowSet, compose, compose_versions
from wfsync.store.foreign_keys import ForeignKey, reachable
from wfsync.store.layout import InstanceLayout, Table, Tenant
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["Cascade", "Cascades", "Effect", "count", "count_versions"]

Effect: TypeAlias = Literal["deleted", "detached", "blocked"]

LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Cascade:
    """Rows of one table that a delete takes along, cuts loose, or is refused for."""

    table: str
    """With its schema where that is not the instance's."""
    effect: Effect
    rows: int
    capped: bool
    """There are (or may be) more than ``rows``: counting stopped."""
    via: tuple[str, ...]
    """The foreign keys that lead here."""
    indexed: bool
    """False when one of them has no index: the delete reads the whole table for each row."""


@dataclass(frozen=True, slots=True)
class Cascades:
    """What deleting a set of workflows means for other tables; only what has rows."""

    totals: tuple[Cascade, ...] = ()
    """Each row counted once."""
    by_workflow: Mapping[str, tuple[Cascade, ...]] = field(default_factory=dict)
    """The same for each ``workflow_id``; a row that hangs on two of them counts for both."""
    problems: tuple[Problem, ...] = ()
    """Foreign keys without an index (warnings), and tables that could not be counted (notes)."""


def count(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    ids: Collection[str],
    *,
    limit: int = LIMIT,
) -> Cascades:
    """Count what deleting the definitions ``ids`` with their versions would take, by table, up to ``limit`` each.

    CASCADE is followed through any number of tables, diamonds and cycles; SET NULL and SET DEFAULT give ``detached``,
    RESTRICT and NO ACTION ``blocked``, both without rows that go anyway. Reads only.
    """
    definitions = layout.definitions
    if definitions is None or not ids:
        return Cascades()
    tables = [definitions] + ([layout.versions] if layout.versions else [])
    keys = reachable(conn, [t.oid for t in tables], layout.tenant.name if layout.tenant else None)
    query = compose(definitions, layout.versions, keys, Scope.of(layout, tenant), limit)
    return _counted(conn, definitions, query, query.scope.params(ids=list(ids)), limit)


def count_versions(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    numbers: Mapping[str, Collection[int]],
    *,
    limit: int = LIMIT,
) -> Cascades:
    """The same for deleting single versions, ``workflow_id`` → numbers, of workflows that stay; those are not counted
    themselves.
    """
    versions = layout.versions
    pairs = [(workflow_id, number) for workflow_id, of_it in numbers.items() for number in of_it]
    if versions is None or not pairs:
        return Cascades()
    keys = reachable(conn, [versions.oid], layout.tenant.name if layout.tenant else None)
    if not keys:
        return Cascades()
    query = compose_versions(versions, keys, Scope.of(layout, tenant), limit)
    params = query.scope.params(ids=[i for i, _ in pairs], numbers=[n for _, n in pairs])
    return _counted(conn, versions, query, params, limit)


def _counted(conn: Connection, root: Table, query: Query, params: Mapping[str, Any], limit: int) -> Cascades:
    totals: dict[int, int] = {}
    of_workflow: dict[str, dict[int, int]] = {}
    # Compiling the statement would take longer than running it. Local to the transaction, or to nothing outside of one.
    conn.execute("SELECT pg_catalog.set_config('jit', 'off', true)")
    for number, workflow_id, rows in conn.execute(query.sql, params):
        if workflow_id is None:
            totals[number] = rows
        else:
            of_workflow.setdefault(workflow_id, {})[number] = rows
    capped = _capped(query, of_workflow.values(), limit)
    sets = {s.number: s for s in query.sets if s.reported}
    return Cascades(
        totals=_cascades(sets, totals, capped, limit, root),
        by_workflow={w: _cascades(sets, counts, capped, limit, root) for w, counts in of_workflow.items()},
        problems=(*_unindexed(query, totals, root), *_uncounted(query, totals, root)),
    )


def _capped(query: Query, of_workflows: Iterable[Mapping[int, int]], limit: int) -> frozenset[int]:
    """The sets that may not be complete: those that reached the limit, and all that are derived from them.

    A set is cut by its rows, and a row that hangs on two workflows is in it twice.
    """
    rows: Counter[int] = Counter()
    for counts in of_workflows:
        rows.update(counts)
    capped = {number for number, found in rows.items() if found > limit}
    while True:
        derived = {s.number for s in query.sets if not capped.isdisjoint(s.parents)}
        if derived <= capped:
            return frozenset(capped)
        capped |= derived


def _cascades(
    sets: Mapping[int, RowSet], counts: Mapping[int, int], capped: frozenset[int], limit: int, definitions: Table
) -> tuple[Cascade, ...]:
    found = [
        Cascade(
            table=_name(sets[number], definitions),
            effect=sets[number].effect,
            rows=min(rows, limit),
            capped=number in capped,
            via=tuple(key.name for key in sets[number].keys),
            indexed=all(key.indexed for key in sets[number].keys),
        )
        for number, rows in counts.items()
        if rows and number in sets
    ]
    return tuple(sorted(found, key=lambda c: (_ORDER.index(c.effect), c.table)))


_ORDER: Final[tuple[Effect, ...]] = ("blocked", "deleted", "detached")


def _unindexed(query: Query, totals: Mapping[int, int], definitions: Table) -> Iterable[Problem]:
    for key in query.keys:
        parent = query.deleted_from.get(key.parent)
        if key.indexed or parent is None or not totals.get(parent):
            continue
        table = _of(key, definitions)
        columns = ", ".join(key.child_columns)
        yield Problem(
            code="FOREIGN_KEY_WITHOUT_INDEX",
            message=f"the foreign key {key.name} of {table} has no index: a delete reads the whole table for every row",
            severity="warning",
            hint=f"Create an index on {table} ({columns}).",
            details={"table": table, "constraint": key.name, "columns": list(key.child_columns)},
        )


def _uncounted(query: Query, totals: Mapping[int, int], definitions: Table) -> Iterable[Problem]:
    for key in query.keys:
        parent = query.deleted_from.get(key.parent)
        if parent is None or not totals.get(parent) or (key.child.readable and not key.child.row_security):
            continue
        table = _of(key, definitions)
        reason = "row-level security may hide rows of it" if key.child.readable else "this role may not read it"
        yield Problem(
            code="CASCADE_UNKNOWN",
            message=f"what a delete does to {table} (by {key.name}) is not known: {reason}",
            severity="note",
            hint=f"GRANT SELECT ON {key.child.qualified} to this role." if not key.child.readable else None,
            details={"table": table, "constraint": key.name},
        )


def _of(key: ForeignKey, definitions: Table) -> str:
    return key.child.name if key.child.schema == definitions.schema else f"{key.child.schema}.{key.child.name}"


def _name(row_set: RowSet, definitions: Table) -> str:
    relation = row_set.relation
    return relation.name if relation.schema == definitions.schema else f"{relation.schema}.{relation.name}"
