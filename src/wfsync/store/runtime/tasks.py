"""The inbox of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.queue import ask_for_turn
from wfsync.store.session import Connection

__all__ = ["Task", "complete", "find_task", "tasks"]


@dataclass(frozen=True, slots=True)
class Task:
    """One task, open or not."""

    id: str
    run_id: str
    workflow: str
    step_path: str
    task_type: str
    title: str
    description: str | None
    context: Any
    status: str
    answer: Any
    answered_by: str | None
    created_at: datetime
    completed_at: datetime | None


_TASK: Final = """
    SELECT t.task_id::text, t.run_id::text, coalesce(d.key, d.workflow_id::text), t.step_path, t.task_type, t.title,
        t.description, t.context_json, t.status, t.answer_json, t.answered_by, t.created_at, t.completed_at
    FROM workflow_tasks t
    JOIN workflow_runs r ON r.tenant = t.tenant AND r.run_id = t.run_id
    JOIN workflow_definitions d ON d.tenant = r.tenant AND d.workflow_id = r.workflow_id
    WHERE t.tenant = %(tenant)s AND r.tenant = %(tenant)s AND d.tenant = %(tenant)s
"""


def tasks(conn: Connection, place: Place, *, everything: bool = False, run_id: str | None = None) -> Sequence[Task]:
    """The open tasks, oldest first; ``everything``: those that are closed, too."""
    rows = conn.execute(
        f"{_TASK} AND (%(all)s OR t.status = 'OPEN') AND (%(run)s::uuid IS NULL OR t.run_id = %(run)s::uuid)"
        " ORDER BY t.created_at, t.task_id LIMIT 10000",
        {"tenant": place.tenant, "all": everything, "run": run_id},
    )
    return [Task(*row) for row in rows]


def find_task(conn: Connection, place: Place, prefix: str) -> Sequence[Task]:
    """The tasks whose ids begin with ``prefix``, at most three."""
    rows = conn.execute(
        f"{_TASK} AND pg_catalog.starts_with(t.task_id::text, %(prefix)s) ORDER BY t.task_id LIMIT 3",
        {"tenant": place.tenant, "prefix": prefix.lower()},
    )
    return [Task(*row) for row in rows]


def complete(conn: Connection, place: Place, task: Task, answer: Any, who: str) -> bool:
    """Answer an open task and wake its run, in one transaction; False when it is not open any more."""
    names = {"tenant": place.tenant, "task": task.id, "answer": as_jsonb(answer), "who": who}
    with conn.transaction():
        resolved = conn.execute(
            "UPDATE workflow_run_waits SET status = 'RESOLVED', payload_json = %(answer)s,"
            " resolved_at = pg_catalog.clock_timestamp()"
            " WHERE tenant = %(tenant)s AND wait_id = %(task)s AND status = 'WAITING'",
            names,
        )
        if resolved.rowcount != 1:
            return False
        conn.execute(
            "UPDATE workflow_tasks SET status = 'COMPLETED', answer_json = %(answer)s, answered_by = %(who)s,"
            " completed_at = pg_catalog.clock_timestamp() WHERE tenant = %(tenant)s AND task_id = %(task)s",
            names,
        )
        ask_for_turn(conn, place, task.run_id, f"answer {task.id}")
    return True
