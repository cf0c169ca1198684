"""Databases for tests: the four layouts in the wild and wfsync's own, made fresh from a template (18 ms each).

The DDL of the foreign layouts is written here from `database.md`, as somebody else's tables: nothing of wfsync has a
part in it, except for the layout ``wfsync``, which `wfsync.store.migrate.upgrade` makes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeAlias

import psycopg

from servers import Server
from wfsync.store.target import Target

LayoutName: TypeAlias = Literal["wfsync", "A", "A½", "B", "B-Citus", "empty"]

FOREIGN_LAYOUTS: tuple[LayoutName, ...] = ("A", "A½", "B", "B-Citus")
LAYOUTS: tuple[LayoutName, ...] = ("wfsync", *FOREIGN_LAYOUTS)

TENANT = "11111111-1111-4111-8111-111111111111"
"""A tenant for the layouts that need one; text that is a uuid fits all of them."""
OTHER_TENANT = "22222222-2222-4222-8222-222222222222"

_DEFINITIONS = """
    workflow_id uuid NOT NULL DEFAULT gen_random_uuid(),
    key text,
    name text NOT NULL,
    description text,
    payload_schema_ref text,
    payload_schema_mode text NOT NULL DEFAULT 'pinned',
    pinned_payload_schema_ref text,
    payload_schema_provenance text,
    trigger jsonb,
    draft_definition jsonb NOT NULL,
    draft_version integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published')),
    is_system boolean NOT NULL DEFAULT false,
    is_paused boolean NOT NULL DEFAULT false,
    auto_pause_on_failure boolean NOT NULL DEFAULT false,
    is_visible boolean NOT NULL DEFAULT true,
    concurrency_limit integer,
    failure_rate_threshold numeric(5,2) DEFAULT 0.5,
    failure_rate_min_runs integer DEFAULT 10,
    retention_policy_override jsonb,
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validated_at timestamptz,
    created_by uuid,
    updated_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
"""

_VERSIONS = """
    version_id uuid NOT NULL DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    definition_json jsonb NOT NULL,
    payload_schema_json jsonb,
    published_by uuid,
    published_at timestamptz,
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validated_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
"""

_RUNS = """
    run_id uuid NOT NULL DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL,
    workflow_version integer NOT NULL,
    parent_run_id uuid,
    status text NOT NULL,
    error_json jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
"""

_BELOW_RUNS = {
    "workflow_run_steps": (
        "step_id uuid NOT NULL DEFAULT gen_random_uuid(), run_id uuid NOT NULL, step_path text, status text"
    ),
    "workflow_run_waits": "wait_id uuid NOT NULL DEFAULT gen_random_uuid(), run_id uuid NOT NULL, event_name text",
    "workflow_run_snapshots": (
        "snapshot_id uuid NOT NULL DEFAULT gen_random_uuid(), run_id uuid NOT NULL, envelope_json jsonb"
    ),
    "workflow_run_logs": (
        "log_id uuid NOT NULL DEFAULT gen_random_uuid(), run_id uuid NOT NULL, step_id uuid, message text"
    ),
    "workflow_action_invocations": (
        "invocation_id uuid NOT NULL DEFAULT gen_random_uuid(), run_id uuid NOT NULL, action_id text,"
        " idempotency_key text"
    ),
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one layout differs."""

    tenant: str = ""
    """The tenant column's definition, first in every table."""
    composite: bool = False
    """The tenant is first in every primary and foreign key, as Citus wants it."""
    key_index: str = ""
    more_definitions: str = ""
    """Columns that wfsync does not know."""


_SHAPES = {
    "A": _Shape(key_index="ALTER TABLE workflow_definitions ADD CONSTRAINT workflow_definitions_key_key UNIQUE (key)"),
    "A½": _Shape(
        tenant="tenant_id text NOT NULL",
        key_index="CREATE UNIQUE INDEX workflow_definitions_tenant_key ON workflow_definitions (tenant_id, key)"
        " WHERE key IS NOT NULL",
        more_definitions=", folder_id uuid, tags text[] NOT NULL DEFAULT '{}', \"Sort Order\" integer DEFAULT 0",
    ),
    "B": _Shape(tenant="tenant uuid"),
    "B-Citus": _Shape(
        tenant="tenant uuid NOT NULL",
        composite=True,
        key_index="CREATE UNIQUE INDEX workflow_definitions_tenant_key ON workflow_definitions (tenant, key)"
        " WHERE key IS NOT NULL",
    ),
}


def layout_ddl(layout: LayoutName) -> list[str]:
    """The statements that make a foreign layout in the current schema."""
    shape = _SHAPES[layout]
    column = f"{shape.tenant}, " if shape.tenant else ""
    tenant = f"{shape.tenant.split()[0]}, " if shape.composite else ""

    def table(name: str, columns: str, key: str) -> str:
        return f"CREATE TABLE {name} ({column}{columns}, PRIMARY KEY ({tenant}{key}))"

    def below(child: str, column: str, parent: str, key: str) -> list[str]:
        return [
            (
                f"ALTER TABLE {child} ADD CONSTRAINT {child}_{column}_fkey FOREIGN KEY ({tenant}{column})"
                f" REFERENCES {parent} ({tenant}{key}) ON DELETE CASCADE"
            ),
            f"CREATE INDEX ON {child} ({tenant}{column})",
        ]

    statements = [
        table("workflow_definitions", _DEFINITIONS + shape.more_definitions, "workflow_id"),
        table("workflow_definition_versions", _VERSIONS, "version_id"),
        f"ALTER TABLE workflow_definition_versions ADD UNIQUE ({tenant}workflow_id, version)",
        table("workflow_runs", _RUNS, "run_id"),
        *below("workflow_definition_versions", "workflow_id", "workflow_definitions", "workflow_id"),
        *below("workflow_runs", "workflow_id", "workflow_definitions", "workflow_id"),
        # a self-reference, and with the logs below a diamond: each row must be counted once
        *below("workflow_runs", "parent_run_id", "workflow_runs", "run_id"),
    ]
    for name, columns in _BELOW_RUNS.items():
        statements.append(table(name, columns, columns.split()[0]))
        statements += below(name, "run_id", "workflow_runs", "run_id")
    statements += below("workflow_run_logs", "step_id", "workflow_run_steps", "step_id")
    if shape.key_index:
        statements.append(shape.key_index)
    return statements


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a test; its layout and how to reach it."""

    name: str
    layout: LayoutName
    server: Server

    @property
    def conninfo(self) -> str:
        return self.server.conninfo(self.name)

    @property
    def target(self) -> Target:
        return Target("named", self.conninfo)

    @property
    def tenant_column(self) -> str | None:
        """``tenant``, ``tenant_id`` or None."""
        return {"A": None, "A½": "tenant_id", "empty": None}.get(self.layout, "tenant")

    @property
    def tenant(self) -> str | None:
        """The tenant to ask for: None where there is no such column."""
        return TENANT if self.tenant_column else None

    def connect(self) -> psycopg.Connection:
        """A plain psycopg session in autocommit mode, for what a test does behind wfsync's back."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def execute(self, *statements: str) -> None:
        """Run statements as superuser, each in a transaction of its own."""
        self.server.execute(*statements, database=self.name)


@dataclass(slots=True)
class Databases:
    """Makes databases on one server, from a template a layout, and drops those that it made."""

    server: Server
    _templates: dict[str, str] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Several of these may share a server."""

    def __call__(self, layout: LayoutName = "wfsync") -> Database:
        """A fresh database in ``layout``; ``"empty"`` has no tables."""
        template = self._templates.get(layout) or self._template(layout)
        name = f"t{self._token}_{next(self._numbers)}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return Database(name, layout, self.server)

    def drop(self) -> None:
        """Drop what `__call__` made since the last time."""
        while self._made:
            self.server.execute(f'DROP DATABASE IF EXISTS "{self._made.pop()}" WITH (FORCE)')

    def _template(self, layout: LayoutName) -> str:
        name = f"template {layout} {self._token}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        if layout == "wfsync":
            from wfsync.store.connection import connect
            from wfsync.store.migrate import upgrade

            with connect(Target("named", self.server.conninfo(name))) as conn:
                upgrade(conn)
        elif layout != "empty":
            self.server.execute(*layout_ddl(layout), database=name)
        self._templates[layout] = name
        return name
