"""Rows of one tenant, streamed: definitions with their versions, documents as the server's text.

Specification: `database.md`, *Reading*. One statement gives both tables, merged by ``workflow_id`` on the server, and
its rows arrive while they are worked on: the server makes text of the next documents while the client parses the last
ones. Chunks are small on purpose: a socket holds some 200 KB, and a client that turns away for longer lets the server
idle. Measured with 10 000 workflows of 12 KB and a client that works 55 µs on each: 62 µs in chunks of 20 rows, 90 in
chunks of 100; two cursors with FETCH take 62 µs before the client does anything, and its work comes on top.

Nothing here parses a document; `mapping` does.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from psycopg import capabilities
from psycopg.types.numeric import Int8BinaryLoader

from wfsync.bundle.model import METADATA_FIELDS, MetadataField
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted
from wfsync.store.moment import Moment
from wfsync.store.raw_json import raw_json
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["DEFAULTS", "StoredVersion", "StoredWorkflow", "count_null_tenants", "read_ids", "read_touched", "stream"]

_CHUNK: Final = 20
_TIMES: Final = ("timestamp with time zone", "timestamp without time zone")
_CASTS: Final = {"text": "text", "jsonb": "json", "numeric": "numeric"}
"""Kinds whose loader depends on the column's type; a column of another type (varchar, an enum, real) is cast. What is
json stays json: a cast to jsonb would fail, for all rows, where one has a text that jsonb does not take."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "payloadSchemaMode": "pinned",
    "isSystem": False,
    "isVisible": True,
    "isPaused": False,
    "autoPauseOnFailure": False,
    "failureRateThreshold": "0.5",
    "failureRateMinRuns": 10,
}
"""What a layout's missing column means: the column's default in `database.md`, else NULL."""

_NULL: Final = b"null"
_METADATA_NAMES: Final = frozenset(f.name for f in METADATA_FIELDS)
_DEFINITION_COLUMNS: Final = 6
"""Where a definition's own columns begin in a row; before them stand those that both tables share."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One row of ``workflow_definition_versions``."""

    version_id: str
    """Empty where the layout has no such column."""
    version: int
    definition: bytes
    """The document's text; JSON's null for NULL, which a foreign instance may allow."""
    payload_schema: bytes | None
    published_at: Moment | None

    def __reduce__(self) -> tuple[type[StoredVersion], tuple[object, ...]]:
        # Every row goes to a worker process, and what dataclass does for slots by itself is several times slower
        return StoredVersion, (self.version_id, self.version, self.definition, self.payload_schema, self.published_at)


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """One row of ``workflow_definitions`` with its versions."""

    workflow_id: str
    key: str | None
    metadata: Mapping[str, Any]
    """By the names of a bundle; jsonb as bytes, numeric as Decimal (text for a default); not normalised."""
    draft_version: int | None
    """None for NULL, which a foreign instance may allow."""
    draft: bytes
    """The document's text; JSON's null for NULL."""
    status: str
    updated_at: Moment | None
    updated_by: str | None
    versions: tuple[StoredVersion, ...]
    """In ascending order of their number."""

    def __reduce__(self) -> tuple[type[StoredWorkflow], tuple[object, ...]]:
        return StoredWorkflow, tuple(getattr(self, name) for name in self.__slots__)


def read_ids(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> list[tuple[str, str | None]]:
    """``(workflow_id, key)`` of every definition of the tenant, in order of id; NULL and invalid keys included."""
    if layout.definitions is None:
        return []
    scope = Scope.of(layout, tenant)
    rows = conn.execute(
        f"SELECT d.workflow_id::text, d.key::text FROM {layout.definitions.qualified} d"
        f" WHERE {scope.where('d')} ORDER BY d.workflow_id",
        scope.params(),
    )
    return rows.fetchall()


def read_touched(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Collection[str]
) -> dict[str, tuple[Moment | None, str | None]]:
    """When and by whom the definitions of ``ids`` were last written, by ``workflow_id``, as `stream` gives it."""
    if layout.definitions is None or not ids:
        return {}
    scope = Scope.of(layout, tenant)
    columns = dict(_definition_columns(layout.definitions))
    with conn.cursor(binary=True) as cursor:
        _adapt(cursor)
        rows = cursor.execute(
            f"SELECT d.workflow_id::text, {columns['updated_at']}, {columns['updated_by']}"
            f" FROM {layout.definitions.qualified} d"
            f" WHERE {scope.where('d')} AND {scope.ids(layout.definitions, 'd')}",
            scope.params(ids=list(ids)),
        )
        return {workflow_id: (moment, who) for workflow_id, moment, who in rows}


def count_null_tenants(conn: Connection, layout: InstanceLayout) -> int:
    """How many definitions belong to no tenant: they are reported and never touched. 0 where none can."""
    if layout.definitions is None or layout.tenant is None or not layout.tenant.nullable:
        return 0
    row = conn.execute(
        f"SELECT count(*) FROM {layout.definitions.qualified} WHERE {quoted(layout.tenant.name)} IS NULL"
    ).fetchone()
    return int(row[0]) if row else 0


def stream(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    *,
    ids: Collection[str] | None = None,
    batch: int = 500,
) -> Iterator[StoredWorkflow]:
    """Every workflow of the tenant, or those of ``ids``, in order of id, holding one (or ``batch``) at a time.

    Without ``ids`` the connection is **busy until the iterator ends**: another statement on it would wait for ever, and
    an iterator given up early cancels the statement, which ends the transaction. With ``ids`` (distinct, valid for the
    column's type; unknown ones are left out) rows are fetched ``batch`` workflows at a time and the connection is free
    between two items. Versions whose definition is missing or another tenant's are not seen. Works in a snapshot, on a
    standby, and inside a write transaction after its locks. Driver errors pass through: the transaction's context
    translates them.
    """
    if layout.definitions is None:
        return
    scope = Scope.of(layout, tenant)
    columns = _definition_columns(layout.definitions)
    if ids is None:
        statement = _statement(layout.definitions, layout.versions, scope, columns, by_id=False)
        with conn.cursor(binary=True) as cursor:
            _adapt(cursor)
            size = _CHUNK if capabilities.has_stream_chunked() else 1
            with closing(cursor.stream(statement, scope.params(), binary=True, size=size)) as rows:  # type: ignore[type-var]
                yield from _workflows(rows, columns)
        return
    statement = _statement(layout.definitions, layout.versions, scope, columns, by_id=True)
    wanted = list(ids)
    for start in range(0, len(wanted), batch):
        with conn.cursor(binary=True) as cursor:
            _adapt(cursor)
            fetched = cursor.execute(statement, scope.params(ids=wanted[start : start + batch])).fetchall()
        yield from _workflows(iter(fetched), columns)


def _adapt(cursor: Any) -> None:
    """Values as the server sends them: jsonb as text in bytes, times as numbers (any time, infinity too)."""
    raw_json(cursor)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    cursor.adapters.register_loader("timestamp", Int8BinaryLoader)


def _definition_columns(table: Table) -> tuple[tuple[str, str], ...]:
    """What is read of a definition: name in the result → SQL, for the columns that the layout has."""
    own = (
        ("key", "d.key::text"),
        ("draft_version", "d.draft_version"),
        ("status", "d.status::text" if "status" in table.columns else "NULL::text"),
        ("updated_at", _time(table, "d", "updated_at")),
        ("updated_by", "d.updated_by::text" if "updated_by" in table.columns else "NULL::text"),
    )
    return own + tuple((f.name, _value(table, f)) for f in METADATA_FIELDS if f.column in table.columns)


def _value(table: Table, field: MetadataField) -> str:
    column = f"d.{quoted(field.column)}"
    found = table.columns[field.column]
    wanted = _CASTS.get(field.kind)
    as_it_is = wanted in (None, found) or (field.kind, found) == ("jsonb", "jsonb")
    return column if as_it_is else f"{column}::{wanted}"


def _time(table: Table, alias: str, column: str) -> str:
    return f"{alias}.{column}" if table.columns.get(column) in _TIMES else "NULL::timestamptz"


def _json(table: Table, alias: str, column: str, wanted: str) -> str:
    if column not in table.columns:
        return f"NULL::{wanted}"
    return f"{alias}.{column}" + ("" if table.columns[column] == wanted else f"::{wanted}")


def _document_type(definitions: Table, versions: Table | None) -> str:
    """The type of the documents in the result: jsonb, unless one of the columns is not."""
    types = {definitions.columns["draft_definition"]}
    if versions:
        names = {"definition_json", "payload_schema_json"} & versions.columns.keys()
        types |= {versions.columns[name] for name in names}
    return "jsonb" if types == {"jsonb"} else "json"


def _statement(
    definitions: Table, versions: Table | None, scope: Scope, columns: tuple[tuple[str, str], ...], *, by_id: bool
) -> str:
    """Definitions (``version`` is NULL) and versions in one result, in order of id; casts stand above the sort."""
    values = "".join(f", {sql} AS {quoted(name)}" for name, sql in columns)
    document = _document_type(definitions, versions)
    time_type = (versions.columns.get("published_at") if versions else None) or "timestamptz"
    rows = (
        f"SELECT d.workflow_id, NULL::bigint AS version, {_json(definitions, 'd', 'draft_definition', document)}"
        f" AS document, NULL::{document} AS payload_schema, NULL::text AS version_id,"
        f" NULL::{time_type if time_type in _TIMES else 'timestamptz'} AS published_at{values}"
        f" FROM {definitions.qualified} d WHERE {scope.where('d')}"
    )
    if by_id:
        rows += f" AND {scope.ids(definitions, 'd')}"
    if versions:
        version_id = "v.version_id::text" if "version_id" in versions.columns else "''::text"
        rows += (
            f" UNION ALL SELECT v.workflow_id, coalesce(v.version, 0)::bigint,"
            f" {_json(versions, 'v', 'definition_json', document)},"
            f" {_json(versions, 'v', 'payload_schema_json', document)},"
            f" {version_id}, {_time(versions, 'v', 'published_at')}{', NULL' * len(columns)}"
            f" FROM {versions.qualified} v WHERE {scope.where('v')}"
        )
        if by_id:
            rows += f" AND {scope.ids(versions, 'v')}"
    names = ", ".join(f"u.{quoted(name)}" for name, _ in columns)
    return (
        "SELECT u.workflow_id::text, u.version, u.document, u.payload_schema, u.version_id, u.published_at,"
        f" {names} FROM ({rows}) u ORDER BY u.workflow_id"
    )


def _workflows(rows: Iterator[tuple[Any, ...]], columns: tuple[tuple[str, str], ...]) -> Iterator[StoredWorkflow]:
    metadata = tuple(
        (name, position) for position, (name, _) in enumerate(columns, _DEFINITION_COLUMNS) if name in _METADATA_NAMES
    )
    missing = {f.name: DEFAULTS.get(f.name) for f in METADATA_FIELDS} if len(metadata) < len(METADATA_FIELDS) else {}
    for workflow_id, group in groupby(rows, itemgetter(0)):
        definition = None
        versions = []
        for row in group:
            if row[1] is None:
                definition = row
            else:
                versions.append(StoredVersion(row[4], row[1], row[2] or _NULL, row[3], row[5]))
        if definition is None:  # an orphan, or its definition is another tenant's
            continue
        if len(versions) > 1:
            versions.sort(key=_number)
        key, draft_version, status, updated_at, updated_by = definition[_DEFINITION_COLUMNS : _DEFINITION_COLUMNS + 5]
        values = {name: definition[position] for name, position in metadata}
        yield StoredWorkflow(
            workflow_id,
            key,
            {**missing, **values} if missing else values,
            draft_version,
            definition[2] or _NULL,
            status or ("published" if versions else "draft"),
            updated_at,
            updated_by,
            tuple(versions),
        )


def _number(version: StoredVersion) -> tuple[int, str]:
    return version.version, version.version_id
