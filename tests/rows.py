"""Rows for tests of the store: workflows, sessions on a layout, and what stands in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from databases import TENANT, Database, Databases, LayoutName
from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import Workflow
from wfsync.store.connection import Connection, connect, snapshot, write_transaction
from wfsync.store.layout import InstanceLayout, Tenant, detect
from wfsync.store.mapping import to_workflow
from wfsync.store.new_rows import NewVersion, NewWorkflow
from wfsync.store.reader import StoredWorkflow, read_ids, stream
from wfsync.store.writer import insert

METADATA: dict[str, Any] = {
    "name": "Name",
    "description": None,
    "payloadSchemaRef": "payload.Ticket.v1",
    "payloadSchemaMode": "pinned",
    "pinnedPayloadSchemaRef": None,
    "trigger": None,
    "isSystem": False,
    "isVisible": True,
    "isPaused": False,
    "concurrencyLimit": None,
    "autoPauseOnFailure": False,
    "failureRateThreshold": 0.5,
    "failureRateMinRuns": 10,
    "retentionPolicyOverride": None,
}


def workflow_id(number: int) -> str:
    """A UUID that sorts by ``number``."""
    return str(UUID(int=number << 80, version=4))


def new(number: int, *, key: str | None = None, versions: Sequence[int] = (1, 2), **metadata: Any) -> NewWorkflow:
    """A small workflow; its documents say who they are."""
    identity = workflow_id(number)

    def text(name: str) -> bytes:
        return compact_bytes({"id": identity, "version": 1, "name": f"{name} of {number}", "steps": []})

    return NewWorkflow(
        identity,
        f"flow-{number}" if key is None else key,
        METADATA | metadata,
        1,
        text("draft"),
        tuple(NewVersion(v, text(f"version {v}"), b'{"type":"object"}' if v % 2 else None) for v in versions),
    )


@dataclass(frozen=True)
class Session:
    """One session on a database, seen as one tenant."""

    conn: Connection
    layout: InstanceLayout
    tenant: Tenant | None

    def as_tenant(self, value: str) -> Session:
        """The same session for another tenant; itself where there are none."""
        column = self.layout.tenant
        return Session(self.conn, self.layout, Tenant(value, column)) if column else self

    def write(self, *rows: NewWorkflow) -> None:
        with write_transaction(self.conn, 5):
            insert(self.conn, self.layout, self.tenant, rows)

    def read(self, **options: Any) -> list[StoredWorkflow]:
        with snapshot(self.conn):
            return list(stream(self.conn, self.layout, self.tenant, **options))

    def workflows(self) -> list[Workflow]:
        stored = self.read()
        with snapshot(self.conn):
            keys = {i: k for i, k in read_ids(self.conn, self.layout, self.tenant) if k is not None}
        return [to_workflow(row, keys) for row in stored]

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """What ``sql`` says, outside of any transaction."""
        return self.conn.execute(sql, params).fetchall()


@contextmanager
def session(database: Database, tenant: str = TENANT) -> Iterator[Session]:
    with connect(database.target) as conn:
        layout = detect(conn)
        yield Session(conn, layout, Tenant(tenant, layout.tenant) if layout.tenant else None)


@contextmanager
def kept(databases: Databases, layout: LayoutName) -> Iterator[Database]:
    """A database that several tests share: the fixture ``database``, which drops its own after each test, leaves it."""
    made = databases(layout)
    databases._made.remove(made.name)
    try:
        yield made
    finally:
        databases.server.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')
