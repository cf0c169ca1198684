"""Random definitions end on the engine, turn by turn and taken over at each wait, as they end in one fold in memory."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from databases import Databases
from drawn_definitions import definitions
from machines import assign, definition
from running import Instance
from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.interpreter import Machine, begin
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    ChildEnded,
    Event,
    Failed,
    Failure,
    Fired,
    OpenTask,
    Pos,
    StartChild,
    Started,
    StepRecord,
    Succeeded,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Action, ActionContext, ActionFailed
from wfsync.runtime.tasks import complete
from wfsync.runtime.worker import install
from wfsync.store.connection import connect
from wfsync.store.instance import NIL_TENANT
from wfsync.store.migrate import upgrade
from wfsync.store.runtime import trial
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.tasks import tasks

AT = datetime(2026, 1, 25, 12, 0, tzinfo=UTC)
PAYLOAD = {"n": 1, "items": ["x", "y"]}
CHILD = definition(assign("c", a=5))


def chance(path: str, iteration: str, attempt: int, outcomes: int) -> int:
    """What becomes of a position, the same everywhere."""
    return hashlib.sha256(f"{path}#{iteration}#{attempt}".encode()).digest()[0] % outcomes


def outcome(path: str, iteration: str, attempt: int) -> Failure | Json:
    match chance(path, iteration, attempt, 5):
        case 0:
            return Failure("TransientError", "later", retryable=True)
        case 1:
            return Failure("ActionError", "never", "E1")
        case number:
            return {"v": number, "list": [attempt, path]}


def act(_given: Json, context: ActionContext) -> Json:
    path, _, iteration = context.idempotency_key.partition("/")[2].partition("#")
    result = outcome(path, iteration, context.attempt)
    if isinstance(result, Failure):
        raise ActionFailed(result.message, category=result.category, code=result.code, retryable=result.retryable)
    return result


def arrives(pos: Pos) -> bool:
    return chance(pos.path, pos.iteration, pos.attempt, 2) == 0


def sequential(steps: list[JsonObject]) -> list[JsonObject]:
    """The same with items one after the other: which of several failures comes first is chance."""
    for step in steps:
        if step["type"] == "control.forEach":
            step["concurrency"] = 1
        for block in ("then", "else", "body", "try", "catch"):
            sequential(step.get(block, []))
    return steps


# -- in one fold ----------------------------------------------------------------------------------------------------


def folded(tree: JsonObject, payload: Json, one: Instance) -> tuple[Machine, dict[Pos, StepRecord]]:
    at = AT
    machine, _ = begin(tree, Started(at, "r", "w", 1, payload), one.registry)
    steps = {record.pos: record for record in machine.steps}
    while not machine.done:
        event = answer(machine, at, one)
        at = max(at, event.at)
        machine.send(event)
        steps |= {record.pos: record for record in machine.steps}
    return machine, steps


def answer(machine: Machine, at: datetime, one: Instance) -> Event:
    command = machine.pending[0]
    match command:
        case CallAction(pos):
            result = outcome(pos.path, pos.iteration, pos.attempt)
            return Failed(at, pos, result) if isinstance(result, Failure) else Succeeded(at, pos, result)
        case WaitUntil(pos, due):
            return Fired(max(at, due), pos)
        case WaitEvent(pos, name):
            assert command.timeout is not None
            return Arrived(at, pos, name, {"e": 1}) if arrives(pos) else Fired(max(at, command.timeout), pos)
        case OpenTask(pos):
            return Answered(at, pos, {"ok": True})
        case StartChild(pos):
            child, _ = folded(CHILD, command.payload, one)
            assert child.finish is not None
            output = {name: child.finish.envelope.get(name) for name in ("payload", "vars")}
            return ChildEnded(at, pos, child.finish.status, output)
        case _:
            raise AssertionError(command)


# -- on the engine --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standing(_databases: Databases) -> Iterator[Instance]:
    """An instance whose clock stands still."""
    database = _databases("empty")
    _databases._made.remove(database.name)  # it is needed by more than one test
    with connect(database.target) as conn:
        trial.freeze_clock(conn, AT)
        upgrade(conn)
    install(Place(database.target, "public", NIL_TENANT))
    one = Instance(database, Action("do.it", 1, run=act))
    yield one
    one.close()
    _databases.server.execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def executed(one: Instance, tree: JsonObject) -> str:
    """The id of a run of ``tree`` that has ended."""
    key = f"w{uuid.uuid4().hex}"
    one.execute("DELETE FROM workflow_definitions")
    one.execute("DELETE FROM wfsync_engine.workflow_status")
    one.define(key, tree["steps"])
    one.define("w", CHILD["steps"])
    run_id = one.start(key, PAYLOAD)
    for _ in range(400):
        one.work()
        if one.the(run_id)["completed_at"] is not None:
            return run_id
        step_on(one, run_id)
    raise AssertionError(one.the(run_id))


def step_on(one: Instance, run_id: str) -> None:
    """The run waits: answer it, or let time pass."""
    with one.pool.session() as conn:
        for wait in trial.open_waits(conn, one.place):
            if wait.type == "event" and arrives(Pos(wait.path, wait.iteration, wait.attempt)):
                one.send("E", {"e": 1}, "k", run=run_id)
                return
            if wait.type == "human":
                (task,) = [task for task in tasks(conn, one.place) if task.id == wait.id]
                complete(one.pool, one.registry, task.id, {"ok": True}, "me")
                return
        dues = [wait.due_at for wait in trial.open_waits(conn, one.place) if wait.due_at is not None]
        trial.move_clock(conn, min(dues) + timedelta(milliseconds=1))
    one.execute("UPDATE wfsync_engine.workflow_status SET status = 'ENQUEUED' WHERE status = 'DELAYED'")


def timeless(value: Json) -> Json:
    """Without what says when."""
    if isinstance(value, dict):
        return {name: timeless(member) for name, member in value.items() if name not in {"at", "timeWait"}}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tree=definitions())
def test_the_engine_ends_a_run_as_one_fold_does(standing: Instance, tree: JsonObject) -> None:
    sequential(tree["steps"])
    machine, steps = folded(tree, PAYLOAD, standing)
    assert machine.finish is not None
    run = standing.the(executed(standing, tree))
    assert run["status"] == str(machine.finish.status)
    expected = {name: timeless(machine.finish.envelope.get(name)) for name in ("payload", "vars", "meta", "error")}
    assert {name: timeless(run["output_json"].get(name)) for name in expected} == expected
    found = {
        (row["step_path"], row["iteration"], row["attempt"]): row["status"]
        for row in standing.rows("SELECT * FROM workflow_run_steps WHERE run_id = %(r)s", r=run["run_id"])
    }
    assert found == {(p.path, p.iteration, p.attempt): str(record.status) for p, record in steps.items()}


def test_what_is_random_here_reaches_every_outcome() -> None:
    seen: set[Any] = {chance(f"root.steps[{n}]", "", 1, 5) for n in range(40)}
    assert seen == {0, 1, 2, 3, 4}
