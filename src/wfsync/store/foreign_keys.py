"""The foreign keys that a delete of definitions can reach, from the catalog (`database.md`, *Writing*).

Reads only the catalog, which every role may. Constraints of partitions repeat their parent's and are left out, as are
those that the server does not enforce.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from wfsync.store.layout import quoted

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["ForeignKey", "OnDelete", "Relation", "reachable"]

OnDelete: TypeAlias = Literal["cascade", "detach", "refuse"]
"""What a delete of the referenced row does to those that refer to it: ON DELETE CASCADE; SET NULL or SET DEFAULT;
RESTRICT or NO ACTION."""

_ON_DELETE: Final[dict[str, OnDelete]] = {"c": "cascade", "n": "detach", "d": "detach", "r": "refuse", "a": "refuse"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table of any schema."""

    oid: int
    schema: str
    name: str
    readable: bool
    """This role may count its rows."""
    row_security: bool
    """Row-level security may hide rows of it from this role."""

    @property
    def qualified(self) -> str:
        """The quoted, schema-qualified name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key: rows of ``child`` refer to rows of the table ``parent``."""

    name: str
    child: Relation
    parent: int
    """The referenced table's oid."""
    child_columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    on_delete: OnDelete
    indexed: bool
    """The server finds the referring rows without reading the whole table."""


_QUERY: Final = """
    WITH RECURSIVE key AS (
        SELECT * FROM pg_catalog.pg_constraint c
        WHERE c.contype = 'f' AND c.conparentid = 0
          AND pg_catalog.to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false'
    ), reached (oid) AS (
        SELECT r.oid FROM pg_catalog.unnest(%(roots)s::pg_catalog.oid[]) AS r (oid)
        UNION
        SELECT key.conrelid FROM reached JOIN key ON key.confrelid = reached.oid WHERE key.confdeltype = 'c'
    )
    SELECT key.conname, key.confrelid::pg_catalog.int8, key.confdeltype::text,
        key.conrelid::pg_catalog.int8, n.nspname, t.relname,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(t.oid, 'SELECT'),
        pg_catalog.row_security_active(t.oid),
        (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
         FROM pg_catalog.unnest(key.conkey) WITH ORDINALITY AS k (attnum, position)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = key.conrelid AND a.attnum = k.attnum),
        (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
         FROM pg_catalog.unnest(key.confkey) WITH ORDINALITY AS k (attnum, position)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = key.confrelid AND a.attnum = k.attnum),
        (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
             pg_catalog.pg_get_expr(i.indpred, i.indrelid),
             (SELECT pg_catalog.json_agg(a.attname ORDER BY k.position)
              FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, position)
              LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.position <= i.indnkeyatts)))
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
         JOIN pg_catalog.pg_am m ON m.oid = x.relam
         WHERE i.indrelid = key.conrelid AND i.indisvalid AND m.amname IN ('btree', 'hash'))
    FROM reached JOIN key ON key.confrelid = reached.oid
    JOIN pg_catalog.pg_class t ON t.oid = key.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    ORDER BY n.nspname, t.relname, key.conname
"""


def reachable(conn: Connection, roots: Collection[int], tenant_column: str | None) -> tuple[ForeignKey, ...]:
    """Every foreign key that refers to a table of ``roots`` (oids), or to one that a delete from them cascades to.

    An index that only finds the rows of a whole tenant (``tenant_column``) does not count as an index of the key.
    """
    keys = []
    for row in conn.execute(_QUERY, {"roots": list(roots)}):
        name, parent, action, oid, schema, table, readable, secured, child_columns, parent_columns, indexes = row
        keys.append(
            ForeignKey(
                name=name,
                child=Relation(oid, schema, table, readable, secured),
                parent=parent,
                child_columns=tuple(child_columns),
                parent_columns=tuple(parent_columns),
                on_delete=_ON_DELETE[action],
                indexed=any(
                    _serves(columns, predicate, child_columns, tenant_column) for predicate, columns in indexes or ()
                ),
            )
        )
    return tuple(keys)


def _serves(index: Sequence[str | None], predicate: str | None, columns: Sequence[str], tenant: str | None) -> bool:
    """Can an index over ``index`` (None: an expression) find the rows with given ``columns``?"""
    if predicate is not None:
        # `column = $1` implies that the column is not null; nothing else can be relied on.
        terms = re.findall(r'"?(\w+)"? IS NOT NULL', predicate)
        if not terms or not set(terms) <= set(columns) or len(terms) != predicate.count(" IS "):
            return False
        if re.search(r"\bOR\b", predicate):
            return False
    leading: set[str] = set()
    for column in index:
        if column is None or column not in columns:
            break
        leading.add(column)
    return bool(leading - {tenant}) or (bool(leading) and set(columns) == {tenant})
