"""Which tables and columns an instance has, and whose rows are meant (`database.md`, *Layouts in the wild*).

`detect` reads the catalog once, for the first schema of the role's ``search_path`` that has ``workflow_definitions``;
the other tables are looked for in that schema only. A temporary table in the way is not seen; a view is a problem.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from wfsync.errors import ConfigError, DatabaseError
from wfsync.store.column_types import column_faults, generated_faults
from wfsync.store.faults import as_identifier, explain, translate
from wfsync.store.instance import (
    DEFINITIONS,
    NIL_TENANT,
    RUNS,
    VERSIONS,
    InstanceLayout,
    LayoutName,
    Table,
    Tenant,
    TenantColumn,
    quoted,
)
from wfsync.store.session import Connection, target_of

__all__ = [
    "NIL_TENANT",
    "InstanceLayout",
    "LayoutName",
    "Table",
    "Tenant",
    "TenantColumn",
    "detect",
    "future_tenant",
    "quoted",
    "resolve_tenant",
]

BOOKKEEPING: Final = "wfsync_migrations"
"""The table that says that wfsync made the others."""

_MOST_TENANTS_NAMED: Final = 10
_KINDS: Final = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "c": "a type"}


def detect(conn: Connection) -> InstanceLayout:
    """Read the catalog and say which layout the instance has. Reads only; raises `DatabaseError` for driver faults."""
    with translate(target_of(conn), "reading the catalog"):
        relations = _relations(conn)
        if DEFINITIONS not in relations:
            return _absent(conn)
        indexes = conn.execute(_INDEXES, [relations[DEFINITIONS].oid]).fetchall()
    return _describe(relations, indexes)


@dataclass(frozen=True, slots=True)
class _Relation:
    """A row of the catalog query: a table and what must not be a table."""

    oid: int
    kind: str
    table: Table
    row_security: bool


# A domain counts as the type below it. `character` in a cast would mean one character; `bpchar` means any length.
_RELATIONS: Final = """
    WITH place AS (
        SELECT n.oid, n.nspname
        FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s (name, position)
        JOIN pg_catalog.pg_namespace n ON n.nspname = s.name
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
        WHERE c.relname = 'workflow_definitions' AND c.relpersistence <> 't'
          AND c.relkind = ANY ('{r,p,v,m,f}')
        ORDER BY s.position
        LIMIT 1
    )
    SELECT c.relname, place.nspname, c.oid::pg_catalog.int8, c.relkind::text, pg_catalog.row_security_active(c.oid),
        coalesce((SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
            FROM pg_catalog.pg_index i,
                 pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, position),
                 pg_catalog.pg_attribute a
            WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum
              AND k.position <= i.indnkeyatts), '{}'),
        (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                a.attname, CASE base.type WHEN 'character'::pg_catalog.regtype THEN 'bpchar'
                    ELSE pg_catalog.format_type(base.type, NULL) END, a.attnotnull,
                a.attgenerated <> '' OR a.attidentity = 'a') ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            CROSS JOIN LATERAL (SELECT CASE t.typtype WHEN 'd' THEN (
                WITH RECURSIVE below AS (
                    SELECT t.typbasetype AS oid
                    UNION ALL
                    SELECT d.typbasetype FROM below JOIN pg_catalog.pg_type d ON d.oid = below.oid AND d.typtype = 'd')
                SELECT below.oid FROM below JOIN pg_catalog.pg_type b ON b.oid = below.oid AND b.typtype <> 'd')
                ELSE t.oid END AS type) base
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
    FROM place JOIN pg_catalog.pg_class c ON c.relnamespace = place.oid
    WHERE c.relname = ANY (%s) AND c.relpersistence <> 't' AND c.relkind = ANY ('{r,p,v,m,f}')
"""

_INDEXES: Final = """
    SELECT coalesce(pg_catalog.array_agg(a.attname::text ORDER BY k.position), '{}'),
        pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, position)
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = %s::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
      AND i.indexprs IS NULL AND k.position <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indpred, i.indrelid
"""

_ELSEWHERE: Final = """
    SELECT n.nspname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.current_setting('search_path'), current_user::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'workflow_definitions' AND c.relpersistence <> 't' AND c.relkind = ANY ('{r,p,v,m,f}')
    ORDER BY 1
"""


def _relations(conn: Connection) -> dict[str, _Relation]:
    found = {}
    for name, schema, oid, kind, secured, primary_key, columns in conn.execute(
        _RELATIONS, [[DEFINITIONS, VERSIONS, RUNS, BOOKKEEPING]]
    ):
        table = Table(
            schema=schema,
            name=name,
            oid=oid,
            columns={column: kind_of for column, kind_of, _, _ in columns or ()},
            not_null=frozenset(column for column, _, not_null, _ in columns or () if not_null),
            generated=frozenset(column for column, _, _, generated in columns or () if generated),
            primary_key=tuple(primary_key),
        )
        found[name] = _Relation(oid, kind, table, secured)
    return found


def _absent(conn: Connection) -> InstanceLayout:
    """No table is to be seen: because there is none, because it is elsewhere, or (an error) because it is closed."""
    elsewhere = conn.execute(_ELSEWHERE).fetchall()
    closed = [schema for schema, usable, path, user in elsewhere if not usable and schema in _schemas(path, user)]
    if closed:
        user = str(elsewhere[0][3])
        raise DatabaseError(
            f"{DEFINITIONS} is in the schema {closed[0]}, which the user {user} may not use",
            code="PERMISSION_DENIED",
            hint=f"Let the owner run: GRANT USAGE ON SCHEMA {quoted(closed[0])} TO {as_identifier(user)};",
            details={"kind": "schema", "name": closed[0]},
        )
    if not elsewhere:
        return InstanceLayout("absent", notes=("the database has no workflow tables; they are read as empty",))
    schemas = tuple(schema for schema, *_ in elsewhere)
    note = f"{DEFINITIONS} is in the schema {', '.join(schemas)}, which is not in this role's search_path"
    return InstanceLayout("absent", elsewhere=schemas, notes=(f"{note}; it is read as empty",))


def _schemas(path: str, user: str) -> frozenset[str]:
    """The names in a setting of ``search_path``."""
    names = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', path)
    listed = {folded.lower() or exact.replace('""', '"') for exact, folded in names}
    return frozenset(user if name == "$user" else name for name in listed)


def _describe(relations: Mapping[str, _Relation], indexes: Iterable[tuple[Any, ...]]) -> InstanceLayout:
    problems = [f"{name} is {_KINDS[found.kind]}" for name, found in relations.items() if found.kind in _KINDS]
    definitions = relations[DEFINITIONS].table
    tenant = _tenant(definitions)
    for name in (DEFINITIONS, VERSIONS, RUNS):
        if name in relations:
            problems += column_faults(relations[name].table, tenant)
    notes = tuple(
        f"{name} does not exist in the schema {definitions.schema}; it is read as empty"
        for name in (VERSIONS, RUNS)
        if name not in relations
    )
    return InstanceLayout(
        name=_name(definitions, tenant, own=BOOKKEEPING in relations),
        definitions=definitions,
        versions=relations[VERSIONS].table if VERSIONS in relations else None,
        runs=relations[RUNS].table if RUNS in relations else None,
        tenant=tenant,
        key_is_unique=any(_forbids_equal_keys(columns, predicate, tenant) for columns, predicate in indexes),
        row_security_active=any(found.row_security for found in relations.values()),
        problems=tuple(problems),
        notes=notes,
        unwritable=tuple(
            fault
            for name in (DEFINITIONS, VERSIONS)
            if name in relations
            for fault in generated_faults(relations[name].table, tenant)
        ),
    )


def _tenant(definitions: Table) -> TenantColumn | None:
    for name in ("tenant", "tenant_id"):
        if name in definitions.columns:
            return TenantColumn(name, definitions.columns[name], name not in definitions.not_null)
    return None


def _name(definitions: Table, tenant: TenantColumn | None, *, own: bool) -> LayoutName:
    if tenant is None:
        return "A" if definitions.primary_key == ("workflow_id",) else "unknown"
    if tenant.name == "tenant_id":
        return "A½"
    distributable = not tenant.nullable and definitions.primary_key == (tenant.name, "workflow_id")
    if own and distributable:
        return "wfsync"
    if distributable:
        return "B-Citus"
    return "B" if definitions.primary_key == ("workflow_id",) else "unknown"


def _forbids_equal_keys(columns: Iterable[str], predicate: str | None, tenant: TenantColumn | None) -> bool:
    """Does a valid, immediate unique index over ``columns`` forbid two equal keys of one tenant?

    A partial index does only if all it leaves out are rows without a key (or without a tenant): those never conflict.
    """
    allowed = {"key", tenant.name} if tenant else {"key"}
    covered = set(columns)
    if "key" not in covered or not covered <= allowed:
        return False
    if predicate is None:
        return True
    terms = re.findall(r"\(?(\w+) IS NOT NULL\)?", predicate)
    canonical = " AND ".join(f"({term} IS NOT NULL)" for term in terms)
    return set(terms) <= allowed and predicate in (canonical, f"({canonical})")


def resolve_tenant(
    conn: Connection, layout: InstanceLayout, requested: str | None, *, for_write: bool
) -> Tenant | None:
    """Whose rows are meant: the tenant that was requested, wfsync's default, or the only one in the table.

    None where the instance has no tenant column, and for a read where it has no tables. Raises `ConfigError`:
    ``TENANT_UNSUPPORTED`` (requested without a tenant column), ``TENANT_INVALID`` (not a value of the column's type),
    ``TENANT_REQUIRED`` (none or several in the table; an empty table needs one for reading too, since a plan against
    it would not say whose rows it creates). For a write, tables that are absent raise `DatabaseError`.
    """
    if for_write:
        layout.require_writable()
    if layout.definitions is None:
        return None
    column = layout.tenant
    if column is None:
        if requested is None:
            return None
        raise ConfigError(
            "a tenant was given, but this instance has no tenant column",
            code="TENANT_UNSUPPORTED",
            hint="Leave --tenant (WFSYNC_TENANT, `tenant:` in wfsync.yaml) out for this database.",
        )
    if requested is not None:
        return Tenant(_cast(conn, requested, column), column)
    if layout.name == "wfsync":
        return Tenant(NIL_TENANT, column)
    return Tenant(_only_tenant(conn, layout.definitions, column), column)


def future_tenant(requested: str | None) -> str:
    """The tenant that `resolve_tenant` will give in tables that wfsync is yet to make; a text that is no UUID stays."""
    if requested is None:
        return NIL_TENANT
    try:
        return str(uuid.UUID(requested))
    except ValueError:
        return requested


def _cast(conn: Connection, requested: str, column: TenantColumn) -> str:
    """``requested`` in the server's spelling; `ConfigError` if the column's type does not take it."""
    fault = ConfigError(
        f"the tenant {requested[:60]!r} is not a valid {column.type}",
        code="TENANT_INVALID",
        hint=f"The column {column.name} of {DEFINITIONS} has the type {column.type}.",
    )
    if "\0" in requested or not requested.strip():
        raise fault
    try:
        # A type name cannot be a parameter; this one comes from the catalog's format_type, quoted where needed.
        row = conn.execute(
            f"SELECT CAST(%s::pg_catalog.text AS {column.type})::pg_catalog.text", [requested]
        ).fetchone()
    except psycopg.DataError:
        raise fault from None
    except psycopg.Error as error:
        raise explain(error, target_of(conn), "reading the tenant") from None
    return str(row[0]) if row else requested


def _only_tenant(conn: Connection, definitions: Table, column: TenantColumn) -> str:
    name = quoted(column.name)
    with translate(target_of(conn), "reading the tenants"):
        rows = conn.execute(
            f"SELECT DISTINCT {name}::pg_catalog.text FROM {definitions.qualified}"  # noqa: S608 - quoted, from the catalog
            f" WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {_MOST_TENANTS_NAMED + 1}"
        ).fetchall()
    if len(rows) == 1:
        return str(rows[0][0])
    if not rows:
        raise ConfigError(
            f"no row of {DEFINITIONS} has a tenant yet, so nobody can tell whose workflows are meant",
            code="TENANT_REQUIRED",
            hint="Give the tenant: --tenant, WFSYNC_TENANT, or `tenant:` of the environment in wfsync.yaml.",
        )
    tenants = [str(value) for (value,) in rows[:_MOST_TENANTS_NAMED]]
    more = ", …" if len(rows) > _MOST_TENANTS_NAMED else ""
    raise ConfigError(
        f"the database holds the workflows of several tenants: {', '.join(tenants)}{more}",
        code="TENANT_REQUIRED",
        hint="Say which: --tenant, WFSYNC_TENANT, or `tenant:` of the environment in wfsync.yaml.",
        details={"tenants": tenants},
    )
