"""One published version more, and what the definition's row says of it (`database.md`, *Tables*).

As in `writer`, ``conn`` is inside a write transaction whose locks are held, and no statement leaves the tenant out or
sets it. Columns that a layout lacks are not written.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from wfsync.errors import DatabaseError
from wfsync.store.copy_format import as_text
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted
from wfsync.store.new_rows import NewVersion
from wfsync.store.scope import Scope
from wfsync.store.writer import writable

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["Draft", "Validation", "add_version"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft whose numbers follow those of its versions."""

    number: int
    definition: bytes
    """Canonical text; ``id`` is the ``workflow_id``, calls name ids."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What the validation columns say, of the definition and of the version."""

    status: Literal["valid", "warning"]
    errors: bytes
    """JSON text: a list."""
    warnings: bytes


_NOW: Final = dict.fromkeys(("published_at", "created_at", "updated_at"), "now()")


def add_version(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    workflow_id: str,
    version: NewVersion,
    draft: Draft | None,
    validation: Validation,
) -> None:
    """Insert ``version`` of ``workflow_id``, whose row is locked, and say in that row that it is published.

    ``draft`` None leaves the draft as it is. Raises `DatabaseError` (``ROW_DROPPED``) when the server does less.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    checked = {
        "validation_status": "%(status)s",
        "validation_errors": "%(errors)s",
        "validation_warnings": "%(warnings)s",
        "validated_at": "now()",
    }
    params = scope.params(
        workflow_id=workflow_id,
        version=version.version,
        definition_json=as_text(version.definition, "jsonb"),
        payload_schema_json=as_text(version.payload_schema, "jsonb"),
        status=validation.status,
        errors=as_text(validation.errors, "jsonb"),
        warnings=as_text(validation.warnings, "jsonb"),
        draft_version=None if draft is None else draft.number,
        draft_definition=None if draft is None else as_text(draft.definition, "jsonb"),
    )
    values = {"workflow_id": "%(workflow_id)s", "version": "%(version)s", "version_id": "gen_random_uuid()"}
    values |= {"definition_json": "%(definition_json)s", "payload_schema_json": "%(payload_schema_json)s"}
    values |= checked | _NOW
    if scope.column is not None:
        values[scope.column] = "%(tenant)s"
    columns, sql = _typed(versions, values)
    inserted = conn.execute(
        f"INSERT INTO {versions.qualified} ({', '.join(columns)}) VALUES ({', '.join(sql)})", params
    ).rowcount
    changes = {"status": "'published'", "updated_by": "NULL", "updated_at": "now()", **checked}
    if draft is not None:
        changes |= {"draft_version": "%(draft_version)s", "draft_definition": "%(draft_definition)s"}
    columns, sql = _typed(definitions, changes)
    assignments = ", ".join(f"{column} = {value}" for column, value in zip(columns, sql, strict=True))
    updated = conn.execute(
        f"UPDATE {definitions.qualified} d SET {assignments}"
        f" WHERE {scope.where('d')} AND d.workflow_id = %(workflow_id)s::{definitions.columns['workflow_id']}",
        params,
    ).rowcount
    if (inserted, updated) != (1, 1):
        raise DatabaseError(
            "the version could not be written: the server dropped a change and raised no error",
            code="ROW_DROPPED",
            hint="Nothing was written. Check the triggers and rules on the workflow tables.",
        )


def _typed(table: Table, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Columns and expressions of those ``values`` that the table takes; parameters are cast to the column's type."""
    present = {name: sql for name, sql in values.items() if name in writable(table)}
    casts = [f"{sql}::{table.columns[name]}" if sql.startswith("%(") else sql for name, sql in present.items()]
    return [quoted(name) for name in present], casts
