"""Runs as people look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection

__all__ = [
    "Call",
    "Log",
    "Run",
    "Step",
    "Wait",
    "calls",
    "children",
    "definition_hash_of",
    "find_runs",
    "history",
    "logs",
    "runs",
    "steps",
    "waits",
]

ACTIVE: Final = ("QUEUED", "RUNNING", "WAITING")


@dataclass(frozen=True, slots=True)
class Run:
    """One run."""

    id: str
    workflow: str
    """Its key, or its id where it has none."""
    version: int
    status: str
    trigger_type: str | None
    event_name: str | None
    correlation_key: str | None
    scheduled_at: datetime | None
    parent_run_id: str | None
    root_run_id: str | None
    replay_of_run_id: str | None
    admitted: bool
    cancel_requested: bool
    node_path: str | None
    payload: Any
    output: Any
    """The envelope that it ended with; None while it has not."""
    error: Any
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE


_RUN: Final = """
    SELECT r.run_id::text, coalesce(d.key, d.workflow_id::text), r.workflow_version, r.status, r.trigger_type,
        r.event_name, r.correlation_key, r.scheduled_at, r.parent_run_id::text, r.root_run_id::text,
        r.replay_of_run_id::text, r.admitted_at IS NOT NULL, r.cancel_requested_at IS NOT NULL, r.node_path,
        {documents}, r.error_json, r.created_at, r.started_at, r.completed_at
    FROM workflow_runs r JOIN workflow_definitions d ON d.tenant = r.tenant AND d.workflow_id = r.workflow_id
    WHERE r.tenant = %(tenant)s AND d.tenant = %(tenant)s
"""
_WHOLE: Final = _RUN.format(documents="r.input_json, r.output_json")
_SHORT: Final = _RUN.format(documents="NULL, NULL")


def runs(
    conn: Connection, place: Place, *, workflow: str | None = None, statuses: Sequence[str] = (), limit: int = 50
) -> list[Run]:
    """The newest runs first, without payloads and outputs."""
    rows = conn.execute(
        f"{_SHORT} AND (%(workflow)s::text IS NULL OR d.key = %(workflow)s OR d.workflow_id::text = %(workflow)s)"
        " AND (%(any)s OR r.status = ANY (%(statuses)s)) ORDER BY r.created_at DESC, r.run_id LIMIT %(limit)s",
        {
            "tenant": place.tenant,
            "workflow": workflow,
            "any": not statuses,
            "statuses": list(statuses),
            "limit": limit,
        },
    )
    return [Run(*row) for row in rows]


def find_runs(conn: Connection, place: Place, prefix: str) -> list[Run]:
    """The runs whose ids begin with ``prefix``, at most three."""
    rows = conn.execute(
        f"{_WHOLE} AND pg_catalog.starts_with(r.run_id::text, %(prefix)s) ORDER BY r.run_id LIMIT 3",
        {"tenant": place.tenant, "prefix": prefix.strip().lower()},
    )
    return [Run(*row) for row in rows]


def children(conn: Connection, place: Place, run_id: str) -> list[Run]:
    """The runs that a run has started, oldest first."""
    rows = conn.execute(
        f"{_SHORT} AND r.parent_run_id = %(run)s ORDER BY r.created_at, r.run_id",
        {"tenant": place.tenant, "run": run_id},
    )
    return [Run(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt of one step."""

    path: str
    iteration: str
    attempt: int
    id: str
    type: str
    status: str
    input: Any
    output: Any
    error: Any
    started_at: datetime
    completed_at: datetime | None


def steps(conn: Connection, place: Place, run_id: str) -> list[Step]:
    """Every attempt of every step, in the order in which they began."""
    rows = conn.execute(
        "SELECT step_path, iteration, attempt, step_id, coalesce(step_type, ''), status, input_json, output_json,"
        " error_json, started_at, completed_at FROM workflow_run_steps"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY started_at, step_path, iteration, attempt",
        {"tenant": place.tenant, "run": run_id},
    )
    return [Step(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that a run waits for, or has."""

    id: str
    path: str
    iteration: str
    type: str
    event_name: str | None
    correlation_key: str | None
    filters: Any
    due_at: datetime | None
    child_run_id: str | None
    status: str
    created_at: datetime
    resolved_at: datetime | None


def waits(conn: Connection, place: Place, run_id: str) -> list[Wait]:
    """Every wait of a run, oldest first."""
    rows = conn.execute(
        "SELECT wait_id::text, step_path, iteration, wait_type, event_name, correlation_key, filters, due_at,"
        " child_run_id::text, status, created_at, resolved_at FROM workflow_run_waits"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY created_at, wait_id",
        {"tenant": place.tenant, "run": run_id},
    )
    return [Wait(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an action with side effects."""

    path: str
    iteration: str
    attempt: int
    action: str
    version: int
    key: str
    status: str
    started_at: datetime
    completed_at: datetime | None


def calls(conn: Connection, place: Place, run_id: str) -> list[Call]:
    """The calls with side effects that a run made last under their keys, oldest first."""
    rows = conn.execute(
        "SELECT step_path, iteration, attempt, action_id, action_version, idempotency_key, status, started_at,"
        " completed_at FROM workflow_action_invocations"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY started_at, step_path",
        {"tenant": place.tenant, "run": run_id},
    )
    return [Call(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Log:
    """A line that an action wrote, or the engine."""

    path: str | None
    level: str
    message: str
    context: Any
    at: datetime


def logs(conn: Connection, place: Place, run_id: str) -> list[Log]:
    """The lines of a run, oldest first; the last ten thousand."""
    rows = conn.execute(
        "SELECT step_path, level, message, context_json, created_at FROM workflow_run_logs"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY created_at DESC, log_id LIMIT 10000",
        {"tenant": place.tenant, "run": run_id},
    ).fetchall()
    return [Log(*row) for row in reversed(rows)]


def history(conn: Connection, place: Place, run_id: str) -> list[Any]:
    """The events of a run, as JSON."""
    rows = conn.execute(
        "SELECT event FROM workflow_run_history WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY seq",
        {"tenant": place.tenant, "run": run_id},
    )
    return [event for (event,) in rows]


def definition_hash_of(conn: Connection, place: Place, run_id: str) -> str | None:
    """Which definition a run is pinned to; None where there is none."""
    row = conn.execute(
        "SELECT definition_hash FROM workflow_runs WHERE tenant = %(tenant)s AND run_id = %(run)s",
        {"tenant": place.tenant, "run": run_id},
    ).fetchone()
    return row[0] if row else None
