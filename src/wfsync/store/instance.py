"""What an instance looks like, as values: tables, tenant column, layout; `wfsync.store.layout` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from wfsync.errors import DatabaseError

__all__ = [
    "DEFINITIONS",
    "NIL_TENANT",
    "RUNS",
    "VERSIONS",
    "InstanceLayout",
    "LayoutName",
    "Table",
    "Tenant",
    "TenantColumn",
    "quoted",
]

LayoutName: TypeAlias = Literal["wfsync", "A", "A½", "B", "B-Citus", "unknown", "absent"]

DEFINITIONS: Final = "workflow_definitions"
VERSIONS: Final = "workflow_definition_versions"
RUNS: Final = "workflow_runs"
NIL_TENANT: Final = "00000000-0000-0000-0000-000000000000"
"""The tenant of those who have only one (`database.md`)."""


@dataclass(frozen=True, slots=True)
class TenantColumn:
    """The column that says whose row it is: ``tenant`` or ``tenant_id``."""

    name: str
    type: str
    """As the server writes it, to be used in a cast: ``uuid``, ``text``."""
    nullable: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant: the value to filter on, in the server's own spelling, and the column that holds it."""

    value: str
    column: TenantColumn


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the instance, as the catalog describes it."""

    schema: str
    name: str
    oid: int
    columns: Mapping[str, str] = field(hash=False)
    """Column name → type without modifier (``numeric``, ``uuid``, ``timestamp with time zone``), in table order."""
    not_null: frozenset[str]
    generated: frozenset[str]
    """Columns that no statement may write: GENERATED ALWAYS, stored or identity."""
    primary_key: tuple[str, ...]

    @property
    def qualified(self) -> str:
        """The quoted, schema-qualified name, ready for SQL text."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class InstanceLayout:
    """The shape of one instance. ``problems`` make it unusable; ``notes`` are worth saying."""

    name: LayoutName
    definitions: Table | None = None
    versions: Table | None = None
    runs: Table | None = None
    tenant: TenantColumn | None = None
    key_is_unique: bool = False
    """An index forbids two equal keys of a tenant. Where it is False, a writer must lock the table."""
    row_security_active: bool = False
    """Row-level security may hide rows from this role."""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """Where tables are absent: schemas outside of the search_path that have them."""
    unwritable: tuple[str, ...] = ()
    """Why the tables can be read and not be written."""

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key of ``workflow_definitions``; empty where there is none."""
        return self.definitions.primary_key if self.definitions else ()

    def require_readable(self) -> None:
        """Raise `DatabaseError` (``LAYOUT_UNSUPPORTED``) that names every problem. Absent tables are readable."""
        if self.problems:
            raise DatabaseError(
                f"the instance's tables cannot be used: {'; '.join(self.problems)}",
                code="LAYOUT_UNSUPPORTED",
                hint="Upgrade the instance, or name another database; `wfsync db status` shows what was found.",
                details={"problems": list(self.problems)},
            )

    def require_writable(self) -> tuple[Table, Table]:
        """The tables to write, definitions and versions; `DatabaseError` where one is missing or unusable."""
        self.require_readable()
        if self.definitions is None or self.versions is None:
            missing = [
                name for name, table in ((DEFINITIONS, self.definitions), (VERSIONS, self.versions)) if not table
            ]
            raise DatabaseError(
                f"the database has no table {' and no table '.join(missing)}",
                code="TABLES_MISSING",
                hint=self._where_tables_are(),
                details={"tables": missing},
            )
        if self.unwritable:
            raise DatabaseError(
                f"the instance's tables cannot be written: {'; '.join(self.unwritable)}",
                code="LAYOUT_UNSUPPORTED",
                hint="plan and export work here; to apply, wfsync must decide these values.",
                details={"problems": list(self.unwritable)},
            )
        return self.definitions, self.versions

    def _where_tables_are(self) -> str:
        if self.definitions is not None:
            return "Half an instance is there: restore the table, or name another database."
        if self.elsewhere:
            schema = self.elsewhere[0]
            return (
                f"They are in the schema {', '.join(self.elsewhere)}: let the role find it, with"
                f" ALTER ROLE … SET search_path TO {quoted(schema)}, or in the URL:"
                f" ?options=-c%20search_path%3D{quote(schema, safe='')}"
            )
        return "Run `wfsync db upgrade` to create wfsync's own tables, or name an existing instance's database."


def quoted(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
