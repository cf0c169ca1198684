"""An instance whose runs a test carries on turn by turn, without a worker: what is asked of the engine's queue is taken
out of it and done here and now, so that nothing waits for a clock or for a poll.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from databases import Database
from servers import Server
from wfsync.runtime.engine.services import Services
from wfsync.runtime.engine.turn import take_turn
from wfsync.runtime.events import Sent, send
from wfsync.runtime.plugins import installed
from wfsync.runtime.registry import Action, PayloadSchema, Registry
from wfsync.runtime.runs import start
from wfsync.runtime.worker import install
from wfsync.store.instance import NIL_TENANT
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import Pool

Row = dict[str, Any]
Steps = Sequence[Row]


@dataclass(slots=True)
class RunningDatabases:
    """Databases with wfsync's tables and the engine's, from one template."""

    server: Server
    make: Callable[..., Database]
    _template: str | None = None
    _made: list[str] = field(default_factory=list)

    def __call__(self, *, kept: bool = False) -> Database:
        """A fresh database; ``kept`` is the caller's to `remove`, `drop` leaves it alone."""
        if self._template is None:
            base = self.make("wfsync")
            self._template = f"runtime_{uuid.uuid4().hex[:8]}"
            self.server.execute(f'CREATE DATABASE "{self._template}" TEMPLATE "{base.name}"')
            install(Place(Database(self._template, "wfsync", self.server).target, "public", NIL_TENANT))
        name = f"r_{uuid.uuid4().hex[:10]}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        if not kept:
            self._made.append(name)
        return Database(name, "wfsync", self.server)

    def remove(self, name: str) -> None:
        self.server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def drop(self) -> None:
        while self._made:
            self.remove(self._made.pop())


class Instance:
    """Workflows and runs in one database."""

    def __init__(self, database: Database, *actions: Action, schemas: Sequence[PayloadSchema] = ()) -> None:
        self.database = database
        self.place = Place(database.target, "public", NIL_TENANT)
        self.pool = Pool(self.place)
        self.registry = Registry.of(actions, schemas=schemas).over(installed())
        self.conn = database.connect()
        self.conn.row_factory = dict_row  # type: ignore[assignment]

    def close(self) -> None:
        self.pool.close()
        self.conn.close()

    # -- workflows -----------------------------------------------------------------------------------------------

    def define(self, key: str, steps: Steps, *, version: int = 1, schema: Any = None, **columns: Any) -> str:
        """Write a workflow with one published version, or a further version of it; its id."""
        definition = {"id": key, "version": version, "name": key, "payloadSchemaRef": "p", "steps": list(steps)}
        columns = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in columns.items()}
        names = "".join(f", {name}" for name in columns)
        values = "".join(f", %({name})s" for name in columns)
        found = self.rows("SELECT workflow_id::text FROM workflow_definitions WHERE key = %(key)s", key=key)
        workflow_id = found[0]["workflow_id"] if found else str(uuid.uuid4())
        if not found:
            self.execute(
                f"INSERT INTO workflow_definitions (workflow_id, key, name, draft_definition, status{names})"
                f" VALUES (%(id)s, %(key)s, %(key)s, %(definition)s, 'published'{values})",
                id=workflow_id,
                key=key,
                definition=Jsonb(definition),
                **columns,
            )
        self.execute(
            "INSERT INTO workflow_definition_versions (workflow_id, version, definition_json, payload_schema_json)"
            " VALUES (%(id)s, %(version)s, %(definition)s, %(schema)s)",
            id=workflow_id,
            version=version,
            definition=Jsonb(definition),
            schema=None if schema is None else Jsonb(schema),
        )
        return workflow_id

    # -- runs ----------------------------------------------------------------------------------------------------

    def start(self, key: str, payload: Any = None, version: int | None = None) -> str:
        return start(self.pool, self.registry, key, {} if payload is None else payload, version)[0]

    def send(self, name: str, payload: Any = None, key: str | None = None, run: str | None = None) -> Sent:
        return send(self.pool, self.registry, name, {} if payload is None else payload, key, run)

    def run(self, key: str, payload: Any = None) -> Row:
        """Start a run and carry it on as far as it goes."""
        run_id = self.start(key, payload)
        self.work()
        return self.the(run_id)

    def services(self) -> Services:
        return Services(self.pool, self.registry, environ={})

    def turns(self) -> list[str]:
        """The runs for which a turn is wanted now, oldest first; they are taken out of the queue."""
        return [
            row["queue_partition_key"]
            for row in self.rows(
                "WITH due AS (DELETE FROM wfsync_engine.workflow_status WHERE status = 'ENQUEUED'"
                " OR (status = 'DELAYED'"
                " AND delay_until_epoch_ms <= extract(epoch FROM clock_timestamp()) * 1000)"
                " RETURNING queue_partition_key, created_at, workflow_uuid)"
                " SELECT queue_partition_key FROM due ORDER BY created_at, workflow_uuid"
            )
        ]

    def work(self) -> int:
        """Take every turn that is wanted, until none is; how many those were."""
        services, taken = self.services(), 0
        while wanted := self.turns():
            for run_id in wanted:
                taken += take_turn(services, run_id)
        return taken

    def pass_time(self, seconds: float) -> None:
        """Let everything that waits for time be so much nearer."""
        self.execute("UPDATE workflow_run_waits SET due_at = due_at - make_interval(secs => %(s)s)", s=seconds)
        self.execute(
            "UPDATE wfsync_engine.workflow_status SET delay_until_epoch_ms = delay_until_epoch_ms - %(ms)s"
            " WHERE status = 'DELAYED'",
            ms=int(seconds * 1000),
        )

    # -- rows ----------------------------------------------------------------------------------------------------

    def execute(self, statement: str, **params: Any) -> None:
        self.conn.execute(statement, params)

    def rows(self, statement: str, **params: Any) -> list[Row]:
        return list(self.conn.execute(statement, params).fetchall())  # type: ignore[arg-type]

    def the(self, run_id: str) -> Row:
        return self.rows("SELECT * FROM workflow_runs WHERE run_id = %(run)s", run=run_id)[0]

    def steps(self, run_id: str) -> list[tuple[str, str, int, str]]:
        return [
            (row["step_id"], row["iteration"], row["attempt"], row["status"])
            for row in self.rows(
                "SELECT * FROM workflow_run_steps WHERE run_id = %(run)s"
                " ORDER BY started_at, step_path, iteration, attempt",
                run=run_id,
            )
        ]

    def waits(self, run_id: str) -> list[tuple[str, str]]:
        return [
            (row["wait_type"], row["status"])
            for row in self.rows(
                "SELECT * FROM workflow_run_waits WHERE run_id = %(run)s ORDER BY created_at, wait_id", run=run_id
            )
        ]

    def events(self, run_id: str) -> list[str]:
        return [
            row["type"]
            for row in self.rows(
                "SELECT event ->> 'type' AS type FROM workflow_run_history WHERE run_id = %(run)s ORDER BY seq",
                run=run_id,
            )
        ]


# -- steps ----------------------------------------------------------------------------------------------------------


def call(step_id: str, action: str = "t.echo", given: Any = None, **fields: Any) -> Row:
    config = {"actionId": action, "version": 1, "inputMapping": given or {}, "saveAs": step_id}
    config |= {name: fields.pop(name) for name in ("idempotencyKey", "saveAs") if name in fields}
    return {"id": step_id, "type": "action.call", "config": config, **fields}


def expr(text: str) -> Row:
    return {"$expr": text}


def assign(step_id: str, **values: Any) -> Row:
    return {
        "id": step_id,
        "type": "transform.assign",
        "config": {"assign": {f"vars.{name}": value for name, value in values.items()}},
    }


def wait_for(step_id: str, event: str, key: Any = "k", **config: Any) -> Row:
    return {"id": step_id, "type": "event.wait", "config": {"eventName": event, "correlationKey": key, **config}}


def sleep(step_id: str, milliseconds: float) -> Row:
    return {"id": step_id, "type": "time.wait", "config": {"mode": "duration", "durationMs": milliseconds}}
