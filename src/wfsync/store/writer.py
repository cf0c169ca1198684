"""Locks, and new rows in bulk (`database.md`, *Writing*). `rewrite` changes and deletes rows that exist.

Nothing here opens or ends a transaction: ``conn`` is inside `connection.write_transaction`, and the order of the calls
(advisory lock, table lock, row locks, only then reading and writing) is the caller's, `apply/execute.py`.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import METADATA_FIELDS, Json, MetadataField
from wfsync.bundle.structure import DEFAULT_SCHEMA_MODE
from wfsync.errors import DatabaseError
from wfsync.store.bulk import BATCH_BYTES, Batch, copy_in
from wfsync.store.column_types import MAKES_IDS, TIMES
from wfsync.store.copy_format import Column, Kind, RowFormat, as_text
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted
from wfsync.store.new_rows import NewVersion, NewWorkflow
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = [
    "Inserted",
    "existing_keys",
    "insert",
    "lock_definitions",
    "lock_table_if_needed",
    "metadata_values",
    "writable",
]

_TIME_COLUMNS: Final = frozenset({"created_at", "updated_at", "published_at"})
_ROWS_AT_ONCE: Final = 100
"""Workflows per round of plain INSERTs."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """How many rows `insert` wrote."""

    workflows: int
    versions: int


def lock_table_if_needed(conn: Connection, layout: InstanceLayout) -> bool:
    """Lock ``workflow_definitions`` against other writers where no unique index guards the key; True if it was needed.

    The instance's own user interface takes no advisory lock, so only this keeps two equal keys apart.
    """
    definitions, _ = layout.require_writable()
    if layout.key_is_unique:
        return False
    conn.execute(f"LOCK TABLE {definitions.qualified} IN SHARE ROW EXCLUSIVE MODE")
    return True


def lock_definitions(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Collection[str]
) -> frozenset[str]:
    """Lock the definitions of ``ids``, then their versions, FOR UPDATE in order of id. Returns the ids that exist."""
    definitions, versions = layout.require_writable()
    if not ids:
        return frozenset()
    scope = Scope.of(layout, tenant)
    params = scope.params(ids=list(ids))
    rows = conn.execute(
        f"SELECT d.workflow_id::text FROM {definitions.qualified} d"
        f" WHERE {scope.where('d')} AND {scope.ids(definitions, 'd')} ORDER BY d.workflow_id FOR UPDATE",
        params,
    ).fetchall()
    conn.execute(
        f"SELECT count(*) FROM (SELECT FROM {versions.qualified} v WHERE {scope.where('v')}"
        f" AND {scope.ids(versions, 'v')} ORDER BY v.workflow_id, v.version FOR UPDATE) locked",
        params,
    )
    return frozenset(workflow_id for (workflow_id,) in rows)


def existing_keys(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, keys: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Which of ``keys`` the tenant has, with the ids of their rows (two where the layout allows it), in order of id.

    To find conflicts, read it after the locks: at READ COMMITTED it then sees everything that was committed before.
    """
    definitions, _ = layout.require_writable()
    if not keys:
        return {}
    scope = Scope.of(layout, tenant)
    wanted = frozenset(keys)
    found: dict[str, tuple[str, ...]] = {}
    for key, workflow_id in conn.execute(
        f"SELECT d.key::text, d.workflow_id::text FROM {definitions.qualified} d"
        f" WHERE {scope.where('d')} AND d.key = ANY (%(keys)s::{definitions.columns['key']}[]) ORDER BY d.workflow_id",
        scope.params(keys=list(keys)),
    ):
        if key in wanted:  # citext and some collations take another key for an equal one
            found[key] = (*found.get(key, ()), workflow_id)
    return found


def insert(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, rows: Iterable[NewWorkflow]) -> Inserted:
    """Write new workflows with their versions, in bulk and with bounded memory; definitions before versions.

    ``rows`` may be endless and slow: it is iterated while the server writes, must not use ``conn``, and what it raises
    comes out of here. Columns that the layout lacks are not written, those that wfsync does not know get their default.
    Uses COPY; plain INSERTs where row-level security is active for the role, which forbids COPY. Raises `DatabaseError`
    (``ROW_DROPPED``) when the server took fewer rows than it was given.
    """
    writing = _Writing.of(conn, layout, Scope.of(layout, tenant))
    if layout.row_security_active:
        taken = _insert_plainly(conn, writing, iter(rows))
    else:
        taken = copy_in(conn, writing.batches(rows))
    given = writing.workflows + writing.written_versions
    if taken != given:
        raise DatabaseError(
            f"{given - taken} of {given} new rows were dropped by the server, which raised no error",
            code="ROW_DROPPED",
            hint="Nothing was written. Check the triggers and rules on the workflow tables.",
        )
    return Inserted(writing.workflows, writing.written_versions)


def metadata_values(metadata: Mapping[str, Json], fields: Sequence[MetadataField]) -> list[Any]:
    """The values of ``fields`` as `copy_format` wants them: documents as canonical bytes, the mode never None."""
    values = [metadata[field.name] for field in fields]
    for position, field in enumerate(fields):
        value = values[position]
        if field.kind == "jsonb" and value is not None and not isinstance(value, bytes):
            values[position] = compact_bytes(value)
        elif value is None and field.name == "payloadSchemaMode":
            values[position] = DEFAULT_SCHEMA_MODE
    return values


class _Writing:
    """The statements of one `insert`, and what it has written so far."""

    def __init__(self, definitions: Table, versions: Table, scope: Scope, now: int) -> None:
        self.definitions, self.versions = definitions, versions
        self.workflows = self.written_versions = 0
        self.fields = [f for f in METADATA_FIELDS if f.column in writable(definitions)]
        shared: list[tuple[str, Kind, Any]] = [("created_at", "time", now), ("updated_at", "time", now)]
        if scope.column is not None:
            shared.insert(0, (scope.column, "uuid" if scope.type == "uuid" else "text", scope.value))
        of_definition: list[tuple[str, Kind]] = [("workflow_id", "uuid"), ("key", "text"), ("draft_version", "int")]
        of_definition += [("draft_definition", "jsonb"), ("status", "text")]
        self.has_status = "status" in writable(definitions)
        self.has_version_id = "version_id" in writable(versions)
        of_version: list[tuple[str, Kind]] = [("workflow_id", "uuid"), ("version", "int"), ("definition_json", "jsonb")]
        of_version += [("payload_schema_json", "jsonb"), ("version_id", "uuid")]
        self.has_schema = "payload_schema_json" in writable(versions)
        self.definition_rows = _format(
            definitions, shared, [*of_definition, *((f.column, f.kind) for f in self.fields)]
        )
        self.version_rows = _format(versions, [*shared, ("published_at", "time", now)], of_version)

    @classmethod
    def of(cls, conn: Connection, layout: InstanceLayout, scope: Scope) -> _Writing:
        definitions, versions = layout.require_writable()
        row = conn.execute(
            "SELECT (extract(epoch FROM now() - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint"
        ).fetchone()
        return cls(definitions, versions, scope, row[0] if row else 0)

    def definition(self, row: NewWorkflow) -> list[Any]:
        values: list[Any] = [row.workflow_id, row.key, row.draft_version, row.draft]
        if self.has_status:
            values.append("published" if row.versions else "draft")
        values += metadata_values(row.metadata, self.fields)
        self.workflows += 1
        return values

    def version(self, row: NewWorkflow, version: NewVersion) -> list[Any]:
        values: list[Any] = [row.workflow_id, version.version, version.definition]
        if self.has_schema:
            values.append(version.payload_schema)
        if self.has_version_id:
            values.append(_random_uuid())
        self.written_versions += 1
        return values

    def batches(self, rows: Iterable[NewWorkflow]) -> Iterator[Batch]:
        """The rows as pairs of COPY, definitions first."""
        definitions: list[bytes] = []
        versions: list[bytes] = []
        size = 0
        for row in rows:
            definitions.append(self.definition_rows.row(self.definition(row)))
            published = [self.version_rows.row(self.version(row, v)) for v in row.versions]
            versions += published
            size += len(definitions[-1]) + sum(map(len, published))
            if size >= BATCH_BYTES:
                yield self._batch(definitions, versions)
                definitions, versions, size = [], [], 0
        if definitions:
            yield self._batch(definitions, versions)

    def _batch(self, definitions: list[bytes], versions: list[bytes]) -> Batch:
        batch = [_copy(self.definitions, self.definition_rows, definitions)]
        if versions:
            batch.append(_copy(self.versions, self.version_rows, versions))
        return tuple(batch)


def _insert_plainly(conn: Connection, writing: _Writing, rows: Iterator[NewWorkflow]) -> int:
    taken = 0
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        for table, form, values in (
            (writing.definitions, writing.definition_rows, [writing.definition(row) for row in chunk]),
            (writing.versions, writing.version_rows, [writing.version(row, v) for row in chunk for v in row.versions]),
        ):
            if values:
                with conn.cursor() as cursor:
                    cursor.executemany(_insert(table, form), [_as_texts(form, row) for row in values])
                    taken += cursor.rowcount
    return taken


def writable(table: Table) -> frozenset[str]:
    """The columns of ``table`` that wfsync may write: neither generated nor of a type that their values do not fit."""
    unfit = {name for name in _TIME_COLUMNS & table.columns.keys() if table.columns[name] not in TIMES}
    if table.columns.get("version_id") not in MAKES_IDS:
        unfit.add("version_id")
    return frozenset(table.columns) - table.generated - unfit


def _format(table: Table, constants: list[tuple[str, Kind, Any]], varying: list[tuple[str, Kind]]) -> RowFormat:
    written = writable(table)
    present = [(name, kind, value) for name, kind, value in constants if name in written]
    columns = [Column(name, kind, table.columns[name]) for name, kind, _ in present]
    columns += [Column(name, kind, table.columns[name]) for name, kind in varying if name in written]
    return RowFormat(columns, [value for _, _, value in present])


def _names(form: RowFormat) -> str:
    return ", ".join(quoted(c.name) for c in form.columns)


def _copy(table: Table, form: RowFormat, rows: list[bytes]) -> tuple[str, bytes]:
    statement = f"COPY {table.qualified} ({_names(form)}) FROM STDIN {form.options}"
    return statement, b"".join((form.header, *rows, form.trailer))


def _insert(table: Table, form: RowFormat) -> str:
    return f"INSERT INTO {table.qualified} ({_names(form)}) VALUES ({', '.join(['%s'] * len(form.columns))})"


def _as_texts(form: RowFormat, row: Sequence[Any]) -> list[str | None]:
    values = (*form.constants, *row)
    return [as_text(value, column.kind) for value, column in zip(values, form.columns, strict=True)]


def _random_uuid() -> str:
    """A version 4 UUID; a fraction of the cost of `uuid.uuid4`, and there are two a workflow."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
