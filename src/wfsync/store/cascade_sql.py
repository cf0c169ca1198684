"""The statement that counts a cascade: one common table expression for each set of rows. Pure.

A set of rows to be deleted has the columns ``root`` (the workflow whose delete causes it), ``t`` and ``c`` (tableoid
and ctid: the row's identity) and those that other tables refer to. It is a join of its parents' sets with its table, so
the planner may choose an index or a hash, whichever fits the number of rows; a UNION of such joins where several
foreign keys lead to a table (diamonds), and recursive where it refers to itself. Tables that refer to each other in a
circle share one recursive expression over row identities, which finds each next row by an index.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wfsync.store.foreign_keys import ForeignKey, Relation
from wfsync.store.layout import Table, quoted
from wfsync.store.scope import Scope
from wfsync.store.strong_components import strong_components

__all__ = ["Query", "RowSet", "compose", "compose_versions"]


@dataclass(frozen=True, slots=True)
class RowSet:
    """One counted set: rows of one table with one effect."""

    number: int
    relation: Relation
    effect: Literal["deleted", "detached", "blocked"]
    keys: tuple[ForeignKey, ...]
    """The foreign keys that lead to it."""
    parents: frozenset[int]
    """Numbers of the sets that it is derived from."""
    reported: bool = True
    """False for the rows that are deleted on purpose, which are counted only because others depend on it."""


@dataclass(frozen=True, slots=True)
class Query:
    """The statement: rows of (number of the set, workflow_id or NULL for the total, rows)."""

    sql: str
    scope: Scope
    sets: tuple[RowSet, ...]
    """Parents before their children."""
    keys: tuple[ForeignKey, ...]
    deleted_from: dict[int, int]
    """Oid of a table that loses rows → number of its set."""


def compose(definitions: Table, versions: Table | None, keys: Iterable[ForeignKey], scope: Scope, limit: int) -> Query:
    """The statement for deleting the definitions of the parameter ``ids``, and their versions (explicitly).

    Tables that this role may not read are left out, with what hangs on them; `Query.keys` still names them.
    """
    return _Composer(definitions, versions, tuple(keys), scope, limit, scope.ids(definitions, "x")).query()


def compose_versions(versions: Table, keys: Iterable[ForeignKey], scope: Scope, limit: int) -> Query:
    """Likewise for deleting single versions: those of the parameters ``ids`` and ``numbers``, which go in pairs."""
    chosen = (
        f"(x.workflow_id, x.version::bigint) IN (SELECT * FROM ROWS FROM ("
        f"pg_catalog.unnest(%(ids)s::{versions.columns['workflow_id']}[]), pg_catalog.unnest(%(numbers)s::bigint[])))"
    )
    return _Composer(versions, None, tuple(keys), scope, limit, chosen).query()


@dataclass(slots=True)
class _Node:
    """A table that loses rows."""

    relation: Relation
    incoming: list[ForeignKey] = field(default_factory=list)
    """Cascading foreign keys of this table, to tables that lose rows."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Column that others refer to → its name in the set."""


class _Composer:
    def __init__(
        self,
        root: Table,
        versions: Table | None,
        keys: tuple[ForeignKey, ...],
        scope: Scope,
        limit: int,
        chosen: str,
    ) -> None:
        self.root, self.scope = root, scope
        self.chosen = chosen
        """A condition on the rows ``x`` of ``root`` that are deleted on purpose."""
        self.all_keys = keys
        self.keys = [k for k in keys if k.child.readable]
        if versions is not None:
            # wfsync deletes them itself: a foreign key that would refuse never gets to it.
            between = [k for k in self.keys if k.child.oid == versions.oid and k.parent == root.oid]
            if not any(k.on_delete == "cascade" for k in between):
                self.keys = [k for k in self.keys if k not in between]
                self.keys.append(_explicit(root, versions, scope, between))
        self.rows = limit + 1
        self.limit = f"LIMIT {self.rows:d}"
        self.nodes: dict[int, _Node] = {root.oid: _Node(_relation(root))}
        self.numbers: dict[int, int] = {}
        self.shared: dict[int, bool] = {}
        """Whether a row of a table's set may belong to two workflows, and so needs a DISTINCT to be counted once."""
        self.expressions: list[str] = []
        self.sets: list[RowSet] = []

    def query(self) -> Query:
        self._find_nodes()
        graph = {oid: {k.child.oid for k in self._leaving(oid, "cascade")} for oid in self.nodes}
        for component in strong_components(graph):  # parents first
            self._deleted(component)
        self._kept("detach", "detached")
        self._kept("refuse", "blocked")
        counts = [part for row_set in self.sets for part in self._counts(row_set)]
        sql = f"WITH RECURSIVE {', '.join(self.expressions)} {' UNION ALL '.join(counts)}"
        return Query(sql, self.scope, tuple(self.sets), self.all_keys, dict(self.numbers))

    def _find_nodes(self) -> None:
        pending = [self.root.oid]
        while pending:
            oid = pending.pop()
            for key in self._leaving(oid, "cascade"):
                if key.child.oid not in self.nodes:
                    self.nodes[key.child.oid] = _Node(key.child)
                    pending.append(key.child.oid)
                self.nodes[key.child.oid].incoming.append(key)
        for key in self.keys:
            if key.parent in self.nodes:
                aliases = self.nodes[key.parent].aliases
                for column in key.parent_columns:
                    aliases.setdefault(column, f"k{len(aliases)}")

    def _leaving(self, oid: int, on_delete: str) -> list[ForeignKey]:
        return [k for k in self.keys if k.parent == oid and k.on_delete == on_delete]

    def _deleted(self, component: Sequence[int]) -> None:
        """Add the expressions of tables that lose rows and depend on each other (most often one table)."""
        for oid in component:
            self.numbers[oid] = len(self.numbers)
        inside = set(component)
        entering = [k for oid in component for k in self.nodes[oid].incoming if k.parent not in inside]
        parents = frozenset(self.numbers[k.parent] for k in entering)
        if len(component) > 1:  # what cuts one of them short, cuts all
            parents |= {self.numbers[oid] for oid in component}
        circular = any(k.parent in inside for oid in component for k in self.nodes[oid].incoming)
        shared = circular or any(
            len(self.nodes[oid].incoming) > 1 or any(self.shared[k.parent] for k in entering) for oid in component
        )
        if len(component) == 1:
            self._one_table(component[0])
        else:
            self._circle(component)
        for oid in component:
            node, number = self.nodes[oid], self.numbers[oid]
            self.shared[oid] = shared
            is_root = oid == self.root.oid
            self.sets.append(
                RowSet(
                    number, node.relation, "deleted", tuple(node.incoming), parents, not is_root or bool(node.incoming)
                )
            )

    def _one_table(self, oid: int) -> None:
        node, name = self.nodes[oid], f"d{self.numbers[oid]}"
        entering = [self._joined(k) for k in node.incoming if k.parent != oid]
        if oid == self.root.oid:
            entering.insert(0, self._base(self._columns(oid, "x")))
        own = [k for k in node.incoming if k.parent == oid]
        if own:
            # A column of its own parent is read from the set itself: one reference to it, as recursion wants.
            on = " OR ".join(f"({self._condition(k, 'p')})" for k in own)
            again = f"SELECT p.root, x.tableoid, x.ctid{self._columns(oid, 'x')} FROM r{name} p"
            again += f" JOIN {node.relation.qualified} x ON {on}"
            self.expressions.append(f"r{name} AS ({_union(entering)} UNION {again})")
            entering = [f"SELECT * FROM r{name} {self.limit}"]
        self.expressions.append(f"{name} AS MATERIALIZED ({_union(entering)})")

    def _circle(self, component: Sequence[int]) -> None:
        inside = set(component)
        first = self.numbers[component[0]]
        start = [self._base(f", {self.numbers[oid]} AS node") for oid in component if oid == self.root.oid]
        start += [
            self._joined(k, f", {self.numbers[oid]} AS node")
            for oid in component
            for k in self.nodes[oid].incoming
            if k.parent not in inside
        ]
        steps = [
            f"SELECT x.tableoid AS t, x.ctid AS c, {self.numbers[oid]} AS node"
            f" FROM {self.nodes[k.parent].relation.qualified} p JOIN {self.nodes[oid].relation.qualified} x"
            f" ON {_equal(k)} WHERE s.node = {self.numbers[k.parent]} AND p.ctid = s.c AND p.tableoid = s.t"
            for oid in component
            for k in self.nodes[oid].incoming
            if k.parent in inside
        ]
        self.expressions.append(
            f"s{first} AS ({_union(start)} UNION SELECT s.root, e.t, e.c, e.node FROM s{first} s"
            f" CROSS JOIN LATERAL ({' UNION ALL '.join(steps)}) e)"
        )
        # So many that, when it cuts, at least one of the tables is over the limit, which marks them all.
        found = f"(SELECT * FROM s{first} LIMIT {self.rows * len(component):d})"
        for oid in component:
            table, number = self.nodes[oid].relation.qualified, self.numbers[oid]
            self.expressions.append(
                f"d{number} AS MATERIALIZED (SELECT s.root, s.t, s.c{self._columns(oid, 'x')} FROM {found} s"
                f" JOIN {table} x ON x.ctid = s.c AND x.tableoid = s.t WHERE s.node = {number})"
            )

    def _base(self, more: str) -> str:
        """The rows that are deleted on purpose."""
        return (
            f"SELECT x.workflow_id AS root, x.tableoid AS t, x.ctid AS c{more} FROM {self.root.qualified} x"
            f" WHERE {self.scope.where('x')} AND {self.chosen}"
        )

    def _joined(self, key: ForeignKey, more: str | None = None) -> str:
        """Rows of ``key.child`` whose parent is deleted."""
        columns = self._columns(key.child.oid, "x") if more is None else more
        return (
            f"SELECT p.root, x.tableoid AS t, x.ctid AS c{columns} FROM d{self.numbers[key.parent]} p"
            f" JOIN {key.child.qualified} x ON {self._condition(key, 'p')} {self.limit}"
        )

    def _condition(self, key: ForeignKey, parent: str) -> str:
        aliases = self.nodes[key.parent].aliases
        pairs = zip(key.child_columns, key.parent_columns, strict=True)
        return " AND ".join(f"x.{quoted(child)} = {parent}.{aliases[column]}" for child, column in pairs)

    def _columns(self, oid: int, alias: str) -> str:
        return "".join(f", {alias}.{quoted(column)} AS {name}" for column, name in self.nodes[oid].aliases.items())

    def _kept(self, on_delete: str, effect: Literal["detached", "blocked"]) -> None:
        """Add the sets of rows that stay, cut loose or in the way; rows that are deleted anyway are not among them."""
        by_table: defaultdict[int, list[ForeignKey]] = defaultdict(list)
        for oid in self.nodes:
            for key in self._leaving(oid, on_delete):
                by_table[key.child.oid].append(key)
        for oid, keys in by_table.items():
            number = len(self.sets)
            parents = {self.numbers[k.parent] for k in keys}
            stays = ""
            if oid in self.numbers:
                parents.add(self.numbers[oid])
                stays = (
                    f" WHERE NOT EXISTS (SELECT FROM d{self.numbers[oid]} g WHERE g.t = x.tableoid AND g.c = x.ctid)"
                )
            arms = [
                f"SELECT p.root, x.tableoid AS t, x.ctid AS c FROM d{self.numbers[k.parent]} p"
                f" JOIN {k.child.qualified} x ON {self._condition(k, 'p')}{stays} {self.limit}"
                for k in keys
            ]
            self.expressions.append(f"d{number} AS MATERIALIZED ({_union(arms)})")
            self.sets.append(RowSet(number, keys[0].child, effect, tuple(keys), frozenset(parents)))

    def _counts(self, row_set: RowSet) -> Iterable[str]:
        number = row_set.number
        rows = f"d{number}"
        if row_set.relation.oid == self.root.oid and row_set.effect == "deleted":
            if not row_set.reported:
                yield f"SELECT {number}, NULL::text, count(*) FROM {rows}"
                return
            # Only rows that go along, not those that were asked for.
            asked = f"SELECT FROM ({self._base('')}) b WHERE b.t = x.t AND b.c = x.c"
            rows = f"(SELECT * FROM {rows} x WHERE NOT EXISTS ({asked}))"
        yield f"SELECT {number}, root::text, count(*) FROM {rows} n GROUP BY root"
        once = f"(SELECT DISTINCT t, c FROM {rows} n)" if self._may_be_shared(row_set) else rows
        yield f"SELECT {number}, NULL::text, count(*) FROM {once} n"

    def _may_be_shared(self, row_set: RowSet) -> bool:
        if row_set.effect == "deleted":
            return self.shared[row_set.relation.oid]
        return len(row_set.keys) > 1 or any(self.shared[k.parent] for k in row_set.keys)


def _union(arms: Sequence[str]) -> str:
    """Arms have a LIMIT of their own, so each needs its parentheses. One arm alone has no duplicates."""
    return " UNION ".join(f"({arm})" for arm in arms)


def _equal(key: ForeignKey) -> str:
    pairs = zip(key.child_columns, key.parent_columns, strict=True)
    return " AND ".join(f"x.{quoted(child)} = p.{quoted(column)}" for child, column in pairs)


def _relation(table: Table) -> Relation:
    return Relation(table.oid, table.schema, table.name, readable=True, row_security=False)


def _explicit(definitions: Table, versions: Table, scope: Scope, between: Sequence[ForeignKey]) -> ForeignKey:
    """The versions' delete as if it were a cascade, under its foreign key's name if there is one."""
    columns = ("workflow_id",) if scope.column is None else (scope.column, "workflow_id")
    return ForeignKey(
        name=between[0].name if between else "workflow_id",
        child=_relation(versions),
        parent=definitions.oid,
        child_columns=columns,
        parent_columns=columns,
        on_delete="cascade",
        indexed=between[0].indexed if between else True,
    )
