"""Giving rows back what no file says of them: columns that only their before-images have (`wfsync.store.row_images`).

After `writer` and `rewrite`, in the same write transaction. Content is not written here, nor what a row is found by,
nor ``updated_at`` and ``updated_by``: the row did change now, and whoever follows changes must see it.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg

from wfsync.bundle.model import METADATA_FIELDS
from wfsync.errors import Problem
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted
from wfsync.store.scope import Scope
from wfsync.store.writer import writable

if TYPE_CHECKING:
    from wfsync.store.row_images import Columns
    from wfsync.store.session import Connection

__all__ = ["Lost", "restore"]

_VALIDATION: Final = frozenset({"validation_status", "validation_errors", "validation_warnings", "validated_at"})
_CONTENT: Final = frozenset(
    {field.column for field in METADATA_FIELDS}
    | {"workflow_id", "key", "draft_definition", "draft_version", "status", "updated_at", "updated_by"}
    | {"version", "definition_json", "payload_schema_json"}
)
"""Columns that the writer fills, or that name the row."""
_REFUSED: Final = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
"""What a server says to values that do not fit any more; the transaction lives on behind a savepoint."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One workflow that was written again, and what its rows held beside its content."""

    key: str
    workflow_id: str
    """The id that it has now."""
    definition: Columns = field(repr=False)
    versions: Mapping[int, Columns] = field(repr=False)
    """Those whose rows were written again."""
    row_is_new: bool
    """False where the row was never lost: only its validation result was, which belongs to the content."""


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    params: Mapping[str, Any]


def restore(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, rows: Iterable[Lost]
) -> tuple[Problem, ...]:
    """Write the columns of ``rows`` that the tables still have; a warning for each workflow whose values do not fit.

    (Another type by now, a foreign key whose row has gone, a column that this role may not write.) Driver errors of
    other kinds pass through.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    problems = []
    for row in rows:
        statements = list(_statements(row, definitions, versions, scope))
        if not statements:
            continue
        conn.execute("SAVEPOINT wfsync_restore")
        try:
            for statement in statements:
                conn.execute(statement.sql, statement.params)
        except _REFUSED as error:
            conn.execute("ROLLBACK TO SAVEPOINT wfsync_restore")
            problems.append(_not_restored(row, error))
        conn.execute("RELEASE SAVEPOINT wfsync_restore")
    return tuple(problems)


def _statements(row: Lost, definitions: Table, versions: Table, scope: Scope) -> Iterator[_Statement]:
    chosen = _columns(definitions, row.definition, scope) if row.row_is_new else _VALIDATION
    found = _update(definitions, row.definition, chosen, scope)
    if found is not None:
        sql, document = found
        yield _Statement(sql, scope.params(workflow_id=row.workflow_id, image=document))
    for number, columns in sorted(row.versions.items()):
        found = _update(versions, columns, _columns(versions, columns, scope), scope)
        if found is not None:
            sql, document = found
            params = scope.params(workflow_id=row.workflow_id, image=document, version=number)
            yield _Statement(f"{sql} AND d.version = %(version)s", params)


def _columns(table: Table, columns: Columns, scope: Scope) -> Collection[str]:
    return columns.keys() - _CONTENT - {scope.column} - set(table.primary_key)


def _update(table: Table, columns: Columns, chosen: Collection[str], scope: Scope) -> tuple[str, str] | None:
    """An UPDATE that sets those of ``chosen`` that the table has and the image knows, with the image of just them."""
    names = [name for name in table.columns if name in chosen and name in columns and name in writable(table)]
    if not names:
        return None
    document = "{" + ",".join(f"{_quoted_json(name)}:{bytes(columns[name]).decode()}" for name in names) + "}"
    values = ", ".join(f"r.{quoted(name)}" for name in names)
    sql = (
        f"UPDATE {table.qualified} d SET ({', '.join(map(quoted, names))}) = ROW({values})"
        f" FROM pg_catalog.json_populate_record(NULL::{table.qualified}, %(image)s::pg_catalog.json) r"
        f" WHERE {scope.where('d')} AND d.workflow_id = %(workflow_id)s::{table.columns['workflow_id']}"
    )
    return sql, document


def _quoted_json(name: str) -> str:
    import orjson

    return orjson.dumps(name).decode()


def _not_restored(row: Lost, error: psycopg.Error) -> Problem:
    # The server's own words may quote a value, and nobody knows what those columns hold
    about = error.diag.constraint_name or error.diag.column_name
    reason = f"{f'{about}: ' if about else ''}{type(error).__name__} ({error.sqlstate})"
    return Problem(
        code="COLUMNS_NOT_RESTORED",
        severity="warning",
        message=f"its content is what it was, but the columns that no file holds could not be restored: {reason}",
        key=row.key,
        hint="set them in the instance; their values are in the image of the apply, in wfsync.apply_changes",
    )
