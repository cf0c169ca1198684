"""One test in this process: a run in the driver's time, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from wfsync.bundle.model import Json, JsonObject
from wfsync.expressions import EvaluationAborted
from wfsync.runtime.in_process.driver import Called, Driver, Opened, Running, StartedChild
from wfsync.runtime.in_process.world import CannotGoOn
from wfsync.runtime.moments import later
from wfsync.runtime.protocol import Pos, RunStatus
from wfsync.runtime.registry import Registry
from wfsync.testing.coverage import seen_in
from wfsync.testing.model import Case, SentEvent
from wfsync.testing.outcome import Outcome, Seen, Trouble
from wfsync.testing.starting import starting_payload
from wfsync.testing.times import moment_text
from wfsync.testing.workflows import Prepared, Workflows
from wfsync.testing.world import TestWorld

__all__ = ["InProcess", "outcome_of"]

_RUN_IDS: Final = UUID("0c0f5a7f-0e62-4f3b-8f35-2f0f4b6e8c11")
_ATTEMPTS: Final = 5
"""Of a whole test: an expression that is stopped by the wall clock says nothing about the workflow."""


@dataclass(slots=True)
class InProcess:
    """The engine of `wfsync test` that needs no database."""

    workflows: Workflows
    registry: Registry
    """What is installed, with what the repository declares."""
    stubs: Callable[[], Registry]
    """Those of ``registry.yaml``, for one test: they count their calls."""

    def close(self) -> None:
        """Nothing is kept."""

    def run(self, case: Case, prepared: Prepared) -> Outcome:
        """Carry ``case`` through. Never raises for what a test or a workflow does wrong: that is the outcome."""
        for _ in range(_ATTEMPTS):
            try:
                return self._run(case, prepared)
            except EvaluationAborted:
                continue
        return Outcome("", trouble=Trouble("an expression takes longer than a second", "make it do less"))

    def _run(self, case: Case, prepared: Prepared) -> Outcome:
        world = TestWorld(case, self.registry, self.stubs(), self.workflows)
        driver = Driver(self.registry, world, case.now)
        try:
            payload = starting_payload(case, prepared, self.registry)
            run = driver.start(prepared.program, payload, case.meta, str(uuid5(_RUN_IDS, case.id)))
        except CannotGoOn as error:
            return outcome_of(driver, None, world, prepared, error)
        try:
            _schedule(driver, run, case)
            driver.advance(run)
        except CannotGoOn as error:
            return outcome_of(driver, run, world, prepared, error)
        return outcome_of(driver, run, world, prepared, None)


def _schedule(driver: Driver, run: Running, case: Case) -> None:
    """Enter what happens at times of its own."""

    def send(event: SentEvent) -> None:
        driver.send_event(event.name, event.correlation_key, event.payload)

    for event in case.events:
        due = event.at if event.after is None else later(case.now, event.after)
        if due is not None:
            driver.at(due, partial(send, event))
    if case.cancel_after is not None:
        driver.at(later(case.now, case.cancel_after), lambda: driver.cancel(run, "the test asks for it"))


def outcome_of(
    driver: Driver, run: Running | None, world: TestWorld, prepared: Prepared, error: CannotGoOn | None
) -> Outcome:
    """What came of ``run`` and of the others that ``driver`` knows."""
    trouble = None if error is None else Trouble(error.message, error.hint)
    # A run that was stopped in the middle of its first turn is not the caller's yet
    run = run or next(iter(driver.runs), None)
    if run is None:
        return Outcome("", trouble=trouble)
    end = run.end
    status: str = RunStatus.WAITING if end is None else end.status
    finished = run.ended_at or driver.now
    return Outcome(
        status=str(status),
        envelope={} if end is None else end.envelope,
        error=None if end is None or end.error is None else _error(end.error, run),
        calls=tuple(map(_call, driver.calls)),
        path=_path(run),
        tasks=tuple(map(_task, driver.tasks)),
        children=tuple(map(_child, driver.children)),
        waits=() if end is not None else _waits(driver),
        elapsed=finished - world.case.now if end is not None else timedelta(),
        finished_at=moment_text(finished) if end is not None else "",
        unsent=tuple(event.name for event in world.unsent),
        seen=frozenset(_seen(driver, prepared)),
        trouble=trouble,
    )


def _error(error: Mapping[str, Json], run: Running) -> JsonObject:
    return {**error, "step": run.info.step(error.get("nodePath", ""))}


def _call(called: Called) -> JsonObject:
    return {
        "action": called.action,
        "version": called.version,
        "step": called.run.step(called.pos.path),
        "workflow": called.run.program.key,
        "input": called.input,
    }


def _path(run: Running) -> tuple[str, ...]:
    begun: dict[tuple[str, str], None] = {(pos.path, pos.iteration): None for pos in run.steps}
    return tuple(run.info.step(path) for path, _ in begun)


def _task(opened: Opened) -> JsonObject:
    command = opened.command
    shown: JsonObject = {
        "type": command.task_type,
        "step": opened.run.step(command.pos.path),
        "workflow": opened.run.program.key,
        "title": command.title,
    }
    if command.description is not None:
        shown["description"] = command.description
    if command.context is not None:
        shown["context"] = command.context
    return shown


def _child(started: StartedChild) -> JsonObject:
    command = started.command
    return {
        "workflow": command.workflow_id,
        "version": command.version,
        "step": started.run.step(command.pos.path),
        "payload": command.payload,
    }


def _waits(driver: Driver) -> tuple[JsonObject, ...]:
    def step(run: Running, pos: Pos) -> str:
        return run.info.step(pos.path)

    events = [
        {"event": wait.name, "correlationKey": wait.correlation_key, "step": step(run, wait.pos)}
        for run, wait in driver.waits.values()
    ]
    tasks = [
        {"task": command.task_type, "title": command.title, "step": step(run, command.pos)}
        for run, command in driver.unanswered.values()
    ]
    return (*events, *tasks)


def _seen(driver: Driver, prepared: Prepared) -> list[Seen]:
    seen: list[Seen] = []
    for run in driver.runs:
        program = run.info.program
        is_draft = program is prepared.program and prepared.version is None
        seen.extend(seen_in(program.key, program.version, run.steps.values(), is_draft=is_draft))
    return seen
