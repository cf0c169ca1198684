"""Changing and deleting rows that exist: overwrite in place, delete, relink (`database.md`, *Writing*).

As in `writer`, ``conn`` is inside a write transaction whose locks are held, and no statement leaves the tenant out or
sets it. Statements are pipelined, one row each: they run for the few workflows that changed.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from wfsync.bundle.model import METADATA_FIELDS, Json
from wfsync.errors import DatabaseError
from wfsync.store.copy_format import as_text
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted
from wfsync.store.new_rows import NewVersion
from wfsync.store.scope import Scope
from wfsync.store.writer import metadata_values, writable

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["Deleted", "Relink", "UpdateWorkflow", "Updated", "delete", "relink", "update"]

_ROWS_AT_ONCE: Final = 100
_VALIDATION: Final = ("validation_status", "validation_errors", "validation_warnings", "validated_at")


@dataclass(frozen=True, slots=True)
class UpdateWorkflow:
    """What a workflow shall be after ``--overwrite update``; all of its versions, equal ones too."""

    workflow_id: str
    metadata: Mapping[str, Json]
    draft_version: int
    draft: bytes
    """Canonical text; ``id`` is the ``workflow_id``, calls name ids."""
    versions: tuple[NewVersion, ...]


@dataclass(frozen=True, slots=True)
class Relink:
    """New text for the definitions of one stored caller, whose callee has a new id."""

    workflow_id: str
    draft: bytes | None
    """None leaves the draft as it is."""
    versions: tuple[tuple[int, bytes], ...] = ()
    """Version number → text, for those that change."""


@dataclass(frozen=True, slots=True)
class Updated:
    """How many rows `update` touched."""

    workflows: int = 0
    versions_inserted: int = 0
    versions_rewritten: int = 0
    versions_deleted: int = 0


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows `delete` deleted itself; what went by cascade is not in it."""

    workflows: int = 0
    versions: int = 0


def update(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, rows: Iterable[UpdateWorkflow]) -> Updated:
    """Overwrite in place: the id, the key, runs, ``payload_schema_provenance`` and equal version rows stay.

    The definition gets all portable columns, its status, ``updated_at = now()``, no validation result and no
    ``updated_by`` (nobody of the instance did it). Versions that differ are rewritten under their own id and
    ``published_at``, missing ones inserted with ``now()``, others deleted. Raises `DatabaseError` (``ROW_GONE``) when a
    definition is not there, or not to be seen.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    statements = _UpdateStatements(definitions, versions, scope)
    total = Updated()
    pending = iter(rows)
    while chunk := list(islice(pending, _ROWS_AT_ONCE)):
        done = statements.run(conn, chunk)
        total = Updated(
            total.workflows + done.workflows,
            total.versions_inserted + done.versions_inserted,
            total.versions_rewritten + done.versions_rewritten,
            total.versions_deleted + done.versions_deleted,
        )
    return total


def delete(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Collection[str]) -> Deleted:
    """Delete the versions of ``ids``, then the definitions; what hangs on them goes by its foreign keys.

    Raises `DatabaseError` (``ROW_GONE``) when a definition is not there, or not to be seen.
    """
    definitions, versions = layout.require_writable()
    if not ids:
        return Deleted()
    scope = Scope.of(layout, tenant)
    params = scope.params(ids=list(ids))
    # Explicitly: not every layout has the foreign key, and not every foreign key cascades.
    of_versions = conn.execute(
        f"DELETE FROM {versions.qualified} v WHERE {scope.where('v')} AND {scope.ids(versions, 'v')}", params
    ).rowcount
    of_definitions = conn.execute(
        f"DELETE FROM {definitions.qualified} d WHERE {scope.where('d')} AND {scope.ids(definitions, 'd')}", params
    ).rowcount
    _require(of_definitions, len(set(ids)), "deleted")
    left = _count(conn, versions, scope, ids)
    if left:
        raise _dropped(f"{left} published version{'s' * (left != 1)} outlived the delete of their workflow")
    return Deleted(of_definitions, of_versions)


def relink(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, changes: Iterable[Relink]) -> int:
    """Write new text into callers' definitions, draft or version; returns how many documents were written.

    Everything else of the rows stays, validation results too. Raises `DatabaseError` (``ROW_GONE``) when one of the
    rows is not there, or not to be seen.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    draft = (
        f"UPDATE {definitions.qualified} d SET {_set(definitions, {'draft_definition': '%(document)s'})}"
        f" WHERE {scope.where('d')} AND {_is_workflow('d', definitions)}"
    )
    version = (
        f"UPDATE {versions.qualified} v SET {_set(versions, {'definition_json': '%(document)s'})}"
        f" WHERE {scope.where('v')} AND {_is_workflow('v', versions)} AND v.version = %(version)s"
    )
    written = 0
    pending = iter(changes)
    while chunk := list(islice(pending, _ROWS_AT_ONCE)):
        drafts = [
            scope.params(workflow_id=c.workflow_id, document=as_text(c.draft, "jsonb"))
            for c in chunk
            if c.draft is not None
        ]
        published = [
            scope.params(workflow_id=c.workflow_id, version=number, document=as_text(text, "jsonb"))
            for c in chunk
            for number, text in c.versions
        ]
        _require(_each(conn, draft, drafts), len(drafts), "relinked")
        _require(_each(conn, version, published), len(published), "relinked")
        written += len(drafts) + len(published)
    return written


class _UpdateStatements:
    """The four statements of an overwrite in place."""

    def __init__(self, definitions: Table, versions: Table, scope: Scope) -> None:
        self.scope, self.versions = scope, versions
        self.fields = [f for f in METADATA_FIELDS if f.column in definitions.columns]
        of_definition = {f.column: f"%({f.column})s" for f in self.fields}
        of_definition |= {name: f"%({name})s" for name in ("draft_definition", "draft_version", "status")}
        of_definition |= dict.fromkeys((*_VALIDATION, "updated_by"), "NULL")
        self.definition = (
            f"UPDATE {definitions.qualified} d SET {_set(definitions, of_definition)}"
            f" WHERE {scope.where('d')} AND {_is_workflow('d', definitions)}"
        )
        this = f"{scope.where('v')} AND {_is_workflow('v', versions)}"
        surplus = "(v.version IS NULL OR v.version <> ALL (%(versions)s::bigint[]))"
        self.surplus = f"DELETE FROM {versions.qualified} v WHERE {this} AND {surplus}"
        documents = [name for name in ("definition_json", "payload_schema_json") if name in versions.columns]
        of_version = {name: f"%({name})s" for name in documents} | dict.fromkeys(_VALIDATION, "NULL")
        # As jsonb: a column of another type (json) has no equality, and numbers must compare by value.
        differs = " OR ".join(f"v.{name}::jsonb IS DISTINCT FROM %({name})s::jsonb" for name in documents)
        differing = f"{this} AND v.version = %(version)s AND ({differs})"
        self.rewritten = f"UPDATE {versions.qualified} v SET {_set(versions, of_version)} WHERE {differing}"
        self.differing = f"SELECT count(*) FROM {versions.qualified} v WHERE {differing}"
        values = {"workflow_id": f"%(workflow_id)s::{versions.columns['workflow_id']}"}
        values |= {"version": "%(version)s::integer"}
        values |= {name: f"%({name})s::{versions.columns[name]}" for name in documents}
        values |= dict.fromkeys(("published_at", "created_at", "updated_at"), "now()")
        values["version_id"] = "gen_random_uuid()"
        if scope.column is not None:
            values[scope.column] = f"%(tenant)s::{scope.type}"
        values = {name: sql for name, sql in values.items() if name in writable(versions)}
        self.inserted = (
            f"INSERT INTO {versions.qualified} ({', '.join(map(quoted, values))}) SELECT {', '.join(values.values())}"
            f" WHERE NOT EXISTS (SELECT FROM {versions.qualified} v WHERE {this} AND v.version = %(version)s)"
        )

    def run(self, conn: Connection, chunk: Sequence[UpdateWorkflow]) -> Updated:
        """Overwrite the workflows of ``chunk``: definitions, surplus versions, differing ones, new ones."""
        _require(_each(conn, self.definition, [self._definition(row) for row in chunk]), len(chunk), "updated")
        surplus = [
            self.scope.params(workflow_id=row.workflow_id, versions=[v.version for v in row.versions]) for row in chunk
        ]
        versions = [self._version(row.workflow_id, v) for row in chunk for v in row.versions]
        deleted = _each(conn, self.surplus, surplus)
        # Asked only where somebody's trigger or rule could make an UPDATE do nothing: the documents are sent once more
        expected = _sum(conn, self.differing, versions) if _has_hooks(conn, self.versions) else None
        rewritten = _each(conn, self.rewritten, versions)
        inserted = _each(conn, self.inserted, versions)
        left = _count(conn, self.versions, self.scope, [row.workflow_id for row in chunk])
        if left != len(versions) or expected not in (None, rewritten):
            raise _dropped("published versions could not be made what the files say")
        return Updated(len(chunk), inserted, rewritten, deleted)

    def _definition(self, row: UpdateWorkflow) -> dict[str, Any]:
        values = {
            field.column: as_text(value, field.kind)
            for field, value in zip(self.fields, metadata_values(row.metadata, self.fields), strict=True)
        }
        return self.scope.params(
            workflow_id=row.workflow_id,
            draft_definition=as_text(row.draft, "jsonb"),
            draft_version=str(row.draft_version),
            status="published" if row.versions else "draft",
            **values,
        )

    def _version(self, workflow_id: str, version: NewVersion) -> dict[str, Any]:
        return self.scope.params(
            workflow_id=workflow_id,
            version=version.version,
            definition_json=as_text(version.definition, "jsonb"),
            payload_schema_json=as_text(version.payload_schema, "jsonb"),
        )


def _set(table: Table, values: Mapping[str, str]) -> str:
    """The assignments of an UPDATE for the columns that the table has; ``updated_at`` always."""
    present = {name: sql for name, sql in values.items() if name in writable(table)}
    if "updated_at" in writable(table):
        present["updated_at"] = "now()"
    return ", ".join(f"{quoted(name)} = {sql}" for name, sql in present.items())


def _is_workflow(alias: str, table: Table) -> str:
    return f"{alias}.workflow_id = %(workflow_id)s::{table.columns['workflow_id']}"


def _each(conn: Connection, statement: str, params: Sequence[Mapping[str, Any]]) -> int:
    """Run ``statement`` once per element of ``params``, pipelined; the number of rows touched in all."""
    if not params:
        return 0
    with conn.cursor() as cursor:
        cursor.executemany(statement, params)
        return cursor.rowcount


def _sum(conn: Connection, statement: str, params: Sequence[Mapping[str, Any]]) -> int:
    """Run ``statement``, which gives one number, once per element of ``params``, pipelined; the sum."""
    total = 0
    if params:
        with conn.cursor() as cursor:
            cursor.executemany(statement, params, returning=True)
            for result in cursor.results():
                row = result.fetchone()
                total += row[0] if row else 0
    return total


def _count(conn: Connection, versions: Table, scope: Scope, ids: Collection[str]) -> int:
    """How many published versions the workflows ``ids`` have."""
    row = conn.execute(
        f"SELECT count(DISTINCT (v.workflow_id, v.version)) FROM {versions.qualified} v"
        f" WHERE {scope.where('v')} AND {scope.ids(versions, 'v')}",
        scope.params(ids=list(ids)),
    ).fetchone()
    return int(row[0]) if row else 0


def _has_hooks(conn: Connection, table: Table) -> bool:
    """True when somebody's triggers or rules stand between a statement and the rows of ``table``."""
    row = conn.execute(
        "SELECT c.relhasrules OR EXISTS (SELECT FROM pg_catalog.pg_trigger t"
        " WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) FROM pg_catalog.pg_class c WHERE c.oid = %s",
        [table.oid],
    ).fetchone()
    return row is not None and bool(row[0])


def _dropped(what: str) -> DatabaseError:
    return DatabaseError(
        f"{what}: the server dropped a change and raised no error",
        code="ROW_DROPPED",
        hint="Nothing was written. Check the triggers and rules on the workflow tables.",
    )


def _require(touched: int, expected: int, what: str) -> None:
    if touched != expected:
        raise DatabaseError(
            f"{expected - touched} of {expected} rows could not be {what}: they are gone, or hidden from this role",
            code="ROW_GONE",
            hint="Make a new plan; check row-level security and triggers on the workflow tables.",
        )
