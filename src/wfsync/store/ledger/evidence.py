"""Evidence that rows did not change: fingerprints of where they lie and who wrote them, instead of what they hold.

A row that was written again has another ``xmin`` or another ``ctid``. That alone is unsound where content changes
without rows moving, so everything that can do that is in the *guard*: another cluster or database, tables that were
made anew or rewritten, columns that came, went or changed, labels of enums, and transaction ids that ran backwards (a
restore) or wrapped around. Anything doubtful is no evidence (`None`), and then rows are read. Tried on 15 and 18.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wfsync.bundle.model import METADATA_FIELDS
from wfsync.store.ledger.access import tenant_text
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.layout import InstanceLayout, Table, Tenant
    from wfsync.store.session import Connection

__all__ = [
    "Guarded",
    "Header",
    "fingerprints",
    "guard",
    "is_later",
    "is_usable",
    "read_header",
    "read_rows",
    "server_life",
    "settle",
    "total",
    "write",
]

_WRAPAROUND: Final = 2**31
_PLAIN_TYPES: Final = {"text": "text", "jsonb": "jsonb", "int": "integer", "numeric": "numeric", "bool": "boolean"}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What must be as it was for fingerprints to mean anything."""

    guard: str
    xid: int
    """The next transaction's id (64 bits)."""
    cluster: str
    """Which database of which cluster this is; in ``guard``, too."""
    is_literal: bool
    """What is written is what will be read: no trigger or rule, and no column of a type that changes values, as one
    does that rounds."""


@dataclass(frozen=True, slots=True)
class Header:
    """What evidence there is, without its rows."""

    rules: str
    guard: str
    xid: int
    total: str | None
    """Of all rows, where all of them are known; None where some are not."""

    def holds(self, now: Guarded, rules: str) -> bool:
        """True when nothing happened that makes fingerprints meaningless."""
        return self.rules == rules and self.guard == now.guard and is_later(now.xid, self.xid)


def is_later(xid: int, before: int) -> bool:
    """Whether a row's ``xmin`` can tell what was written since ``before``: no restore and no wraparound between."""
    return before <= xid and xid - before < _WRAPAROUND


_GUARD: Final = """
    SELECT pg_catalog.concat_ws(' ', s.system_identifier, d.oid, pg_catalog.md5(pg_catalog.string_agg(
            pg_catalog.concat_ws(' ', c.oid, pg_catalog.pg_relation_filenode(c.oid), c.relkind, c.relam,
                c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, columns.described), E'\\n' ORDER BY c.oid))),
        pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text,
        pg_catalog.concat_ws(' ', s.system_identifier, d.oid),
        pg_catalog.bool_and(c.relkind = 'r' AND a.amname = 'heap' AND c.relpersistence = 'p' AND NOT c.relrowsecurity
            AND NOT c.relhassubclass AND NOT c.relispartition AND NOT columns.virtual
            AND pg_catalog.has_table_privilege(c.oid, 'SELECT')), -- rights on columns do not reach xmin and ctid
        pg_catalog.bool_or(c.relhasrules OR columns.rounds OR EXISTS (SELECT FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')),
        EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'citus')
    FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d, pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
    LEFT JOIN LATERAL (
        SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', att.attnum, pg_catalog.quote_ident(att.attname),
                att.atttypid, att.atttypmod, att.attisdropped, att.atthasmissing, att.attmissingval::text,
                att.attgenerated, att.attcollation, labels.listed), ',' ORDER BY att.attnum) AS described,
            coalesce(pg_catalog.bool_or(att.attgenerated = 'v'), FALSE) AS virtual,
            coalesce(pg_catalog.bool_or(att.attname = 'failure_rate_threshold' AND (type.typtype = 'd'
                OR att.atttypmod <> ALL ('{-1,327686}'))), FALSE) AS rounds -- but for numeric and numeric(5,2)
        FROM pg_catalog.pg_attribute att LEFT JOIN pg_catalog.pg_type type ON type.oid = att.atttypid
        LEFT JOIN LATERAL (
            SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', e.oid, e.enumsortorder,
                pg_catalog.quote_ident(e.enumlabel)), ' ' ORDER BY e.oid) AS listed
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = att.atttypid) labels ON TRUE
        WHERE att.attrelid = c.oid AND att.attnum > 0) columns ON TRUE
    WHERE d.datname = pg_catalog.current_database() AND c.oid = ANY (%s::pg_catalog.oid[])
    GROUP BY s.system_identifier, d.oid HAVING pg_catalog.count(*) = 2
"""

_MAY_IDENTIFY: Final = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
_MAY: Final = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'wfsync' AND c.relname = 'evidence' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
            AND (NOT %s OR (pg_catalog.has_table_privilege(c.oid, 'INSERT')
                AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'))))
"""


def is_usable(conn: Connection, *, write: bool = False) -> bool:
    """Whether this role can read evidence here (``write``: and write it). Asks the catalog only."""
    return bool(_one(conn, _MAY, [write])[0])


def guard(conn: Connection, layout: InstanceLayout) -> Guarded | None:
    """What holds now; None where fingerprints prove nothing.

    For plain, permanent heap tables without row security only: not Citus, not partitioned, foreign or inherited ones,
    none with a virtual column (what it says is written in no row), and only where the role may ask which cluster this
    is.
    """
    definitions, versions = layout.definitions, layout.versions
    if definitions is None or versions is None or layout.row_security_active:
        return None
    if not _one(conn, _MAY_IDENTIFY, None)[0]:
        return None
    row = conn.execute(_GUARD, [[definitions.oid, versions.oid]]).fetchone()
    if row is None:
        return None
    text, xid, cluster, is_plain, changes_values, has_citus = row
    if not is_plain or has_citus:
        return None
    return Guarded(text, int(xid), cluster, not changes_values and _is_literal(definitions, versions))


def _is_literal(definitions: Table, versions: Table) -> bool:
    """Whether every column holds exactly what is written to it."""
    expected = {field.column: _PLAIN_TYPES[field.kind] for field in METADATA_FIELDS}
    expected |= {"key": "text", "draft_definition": "jsonb", "draft_version": "integer"}
    of_version = {"definition_json": "jsonb", "payload_schema_json": "jsonb", "version": "integer"}
    return all(
        table.columns.get(column, kind) == kind and column not in table.generated
        for table, columns in ((definitions, expected), (versions, of_version))
        for column, kind in columns.items()
    )


def _one(conn: Connection, statement: str, parameters: Any) -> tuple[Any, ...]:
    row = conn.execute(statement, parameters).fetchone()
    assert row is not None  # noqa: S101 - each of these has exactly one row
    return row


def _moves(layout: InstanceLayout, scope: Scope) -> tuple[str, str]:
    """Both tables as queries that give ``workflow_id`` and ``h``, a hash of where each row lies and who wrote it."""
    definitions, versions = layout.definitions, layout.versions
    if definitions is None or versions is None:
        raise ValueError("`guard` gives no evidence where tables are missing")
    of_definitions = f"""
        SELECT d.workflow_id, pg_catalog.hash_record_extended(ROW(d.workflow_id, d.xmin, d.ctid), 0) AS h
        FROM {definitions.qualified} d WHERE {scope.where("d")}"""
    of_versions = f"""
        SELECT v.workflow_id, pg_catalog.hash_record_extended(ROW(v.workflow_id, v.version, v.xmin, v.ctid), 1) AS h
        FROM {versions.qualified} v WHERE {scope.where("v")}"""
    return of_definitions, of_versions


def total(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> str:
    """One text for all rows of the tenant; it moves when any of them does."""
    scope = Scope.of(layout, tenant)
    rows = " UNION ALL ".join(f"(SELECT h FROM ({moves}) m)" for moves in _moves(layout, scope))
    return str(
        _one(
            conn,
            "SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.bit_xor(r.h), pg_catalog.sum(r.h))"
            f" FROM ({rows}) r",
            scope.params(),
        )[0]
    )


def fingerprints(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> dict[str, int]:
    """One number for each workflow, its versions included, by ``workflow_id``."""
    scope = Scope.of(layout, tenant)
    definitions, versions = _moves(layout, scope)
    found = conn.execute(
        "SELECT d.workflow_id::text, pg_catalog.hash_record_extended(ROW(d.h, v.n, v.x, v.s), 0)"
        f" FROM ({definitions}) d LEFT JOIN (SELECT m.workflow_id, pg_catalog.count(*) AS n,"
        f" pg_catalog.bit_xor(m.h) AS x, pg_catalog.sum(m.h) AS s FROM ({versions}) m GROUP BY m.workflow_id) v"
        " ON v.workflow_id = d.workflow_id",
        scope.params(),
        binary=True,
    )
    return dict(found.fetchall())


def server_life(conn: Connection) -> str:
    """What is another text whenever the server may hand out transaction ids and places of rows once more, for other
    rows. Who keeps fingerprints outside of the database needs it; inside they share the fate of the rows.

    A copy of its files needs a start. A crash, which may lose asynchronous commits, need not be one: but it makes the
    server forget its statistics, and note when.
    """
    return str(
        _one(
            conn,
            "SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_postmaster_start_time(),"
            " pg_catalog.pg_stat_get_bgwriter_stat_reset_time())",
            None,
        )[0]
    )


def settle(conn: Connection) -> None:
    """Let deferred triggers of this transaction run now: they may write once more to rows that are fingerprinted."""
    conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


def read_header(conn: Connection, tenant: Tenant | None) -> Header | None:
    """What evidence there is; for after `guard`, which knows whether it may be read."""
    row = conn.execute(
        "SELECT rules, guard, xid, total FROM wfsync.evidence WHERE tenant = %s", [tenant_text(tenant)]
    ).fetchone()
    return None if row is None else Header(row[0], row[1], int(row[2]), row[3])


def read_rows(conn: Connection, tenant: Tenant | None) -> bytes:
    """What was written with the header, as `write` was given it."""
    row = conn.execute(
        "SELECT rows FROM wfsync.evidence WHERE tenant = %s", [tenant_text(tenant)], binary=True
    ).fetchone()
    return b"" if row is None else bytes(row[0])


def write(conn: Connection, tenant: Tenant | None, header: Header, rows: bytes) -> None:
    """Replace the evidence, in the caller's transaction and under the lock of applies."""
    conn.execute(
        "INSERT INTO wfsync.evidence (tenant, rules, guard, xid, total, rows) VALUES (%s, %s, %s, %s, %s, %b)"
        " ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules, guard = excluded.guard, xid = excluded.xid,"
        " total = excluded.total, rows = excluded.rows, written_at = pg_catalog.now()",
        [tenant_text(tenant), header.rules, header.guard, str(header.xid), header.total, rows],
    )
