"""The inbox of people: what is open, and answering it.

The form of a type of task is the JSON Schema that the registry has under ``task.<taskType>`` (``schemas:`` of
``registry.yaml``, or a plugin). Where there is none, every JSON value is an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json
from wfsync.errors import ConfigError, Conflict, InputError, Problem
from wfsync.runtime.payloads import schema_faults
from wfsync.runtime.registry import Registry
from wfsync.store.runtime import tasks as rows
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.tasks import Task

if TYPE_CHECKING:
    from wfsync.store.runtime.place import Place
    from wfsync.store.session import Connection

__all__ = ["complete", "form_of", "the_task"]


def form_of(registry: Registry, task_type: str) -> Schema | None:
    """The JSON Schema of answers to tasks of this type; None where every answer is one."""
    entry = registry.schemas.get(f"task.{task_type}")
    return None if entry is None else entry.schema


def the_task(conn: Connection, place: Place, prefix: str) -> Task:
    """The task whose id begins with ``prefix``. Raises `ConfigError` (``UNKNOWN_TASK``, ``AMBIGUOUS_TASK``)."""
    found = rows.find_task(conn, place, prefix) if prefix.strip() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"there is no task {prefix!r}",
            code="UNKNOWN_TASK",
            hint="`wfsync tasks list` shows those that are open",
        )
    raise ConfigError(
        f"several tasks begin with {prefix}: {', '.join(task.id for task in found)}",
        code="AMBIGUOUS_TASK",
        hint="give more of the id",
    )


def complete(pool: Pool, registry: Registry, prefix: str, answer: Json, who: str) -> Task:
    """Answer a task: its run goes on with that. The task as it stood.

    Raises as `the_task`; `Conflict` (``TASK_CLOSED``); `InputError` (``INVALID_ANSWER``) with every fault of an answer
    that its form does not take.
    """
    with pool.session() as conn:
        task = the_task(conn, pool.place, prefix)
        if task.status != "OPEN":
            raise _closed(task)
        form = form_of(registry, task.task_type)
        faults = () if form is None else schema_faults(form, answer)
        if faults:
            raise InputError(
                f"the answer does not fit the form of tasks of type {task.task_type}",
                code="INVALID_ANSWER",
                hint=f"the registry has the form as the schema task.{task.task_type}",
                problems=[Problem(code="INVALID_ANSWER", message=fault) for fault in faults],
            )
        if not rows.complete(conn, pool.place, task, answer, who):
            raise _closed(task)
    return task


def _closed(task: Task) -> Conflict:
    return Conflict(f"the task {task.id} is not open any more", code="TASK_CLOSED")
