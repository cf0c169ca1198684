"""A simulation from beginning to end, as a trace: every step with the reason why it came to what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.expressions import EvaluationAborted
from wfsync.runtime.definition import CallStep, ForEachStep, IfStep, NodeStep, Step
from wfsync.runtime.in_process.driver import Driver, Running
from wfsync.runtime.in_process.world import CannotGoOn, Program
from wfsync.runtime.moments import moment_text
from wfsync.runtime.protocol import RunStatus, StepRecord, StepStatus
from wfsync.runtime.redaction import redacted_envelope
from wfsync.runtime.registry import Registry
from wfsync.runtime.simulation.world import SimulatedWorld, Waits

__all__ = ["Manner", "Simulation", "TraceStep", "simulate"]

MAX_STEPS: Final = 1000
_RUN_ID: Final = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One attempt of one step. ``depth`` counts the workflows around its own."""

    workflow: str
    depth: int
    record: StepRecord
    reason: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How to simulate: when it begins, what becomes of waits, how many steps it may take."""

    now: datetime
    waits: Waits = "arrive"
    max_steps: int = MAX_STEPS


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a workflow would do. ``status`` None: it did not come to an end, and ``stopped`` says why."""

    workflow: str
    version: int
    payload: Json
    status: RunStatus | None
    stopped: str | None
    error: JsonObject | None
    envelope: JsonObject
    steps: tuple[TraceStep, ...]

    def to_json(self) -> JsonObject:
        """As a document."""
        return {
            "workflow": self.workflow,
            "version": self.version,
            "status": None if self.status is None else str(self.status),
            "stopped": self.stopped,
            "error": self.error,
            "payload": self.payload,
            "steps": [_step_json(step) for step in self.steps],
            "envelope": self.envelope,
        }


def _step_json(step: TraceStep) -> JsonObject:
    record = step.record
    return {
        "workflow": step.workflow,
        "depth": step.depth,
        "path": record.pos.path,
        "iteration": record.pos.iteration,
        "attempt": record.pos.attempt,
        "id": record.step_id,
        "type": record.step_type,
        "status": str(record.status),
        "at": moment_text(record.at),
        "reason": step.reason,
        "input": record.input,
        "output": record.output,
        "error": record.error,
    }


def simulate(
    program: Program,
    definition: JsonObject,
    payload: Json,
    registry: Registry,
    find: Callable[[str, int], tuple[Program, JsonObject] | None],
    manner: Manner,
) -> Simulation:
    """Run ``program``, whose definition is ``definition``, with nothing behind it; ``find`` gives called workflows.

    The same arguments give the same trace. Never raises for what a workflow does.
    """
    world = SimulatedWorld(registry, find, manner.waits)
    world.knows(program, definition)
    driver = Driver(registry, world, manner.now, max_steps=manner.max_steps)
    stopped: str | None = None
    try:
        run = driver.start(program, payload, {}, _RUN_ID)
        if not driver.advance(run):
            stopped = _waiting(driver)
    except CannotGoOn as error:
        stopped = error.message
    except EvaluationAborted:
        stopped = "this machine was too busy for an expression; try again"
    if not driver.runs:
        return Simulation(program.key, program.version, payload, None, stopped, None, {}, ())
    run = driver.runs[0]
    end = run.end
    return Simulation(
        program.key,
        program.version,
        payload,
        None if end is None else end.status,
        stopped,
        None if end is None else end.error,
        redacted_envelope(run.machine.envelope),
        tuple(_trace(driver, world)),
    )


def _waiting(driver: Driver) -> str:
    names = sorted({f"the event {wait.name}" for _, wait in driver.waits.values()})
    return f"it waits for {' and '.join(names) or 'something'} that never comes"


def _trace(driver: Driver, world: SimulatedWorld) -> Iterator[TraceStep]:
    """The steps of the first run; those of a called workflow after the step that called it."""
    children: dict[tuple[str, object], Running] = {
        (run.parent[0].info.id, run.parent[1]): run for run in driver.runs if run.parent is not None
    }
    rest = [iter(_steps(driver.runs[0]))]
    while rest:
        found = next(rest[-1], None)
        if found is None:
            rest.pop()
            continue
        run, record = found
        steps = {step.path: step for step in run.machine.definition.every_step()}
        reason = _reason(steps.get(record.pos.path), record, world.reasons.get((run.info.id, record.pos)))
        yield TraceStep(run.info.program.key, run.info.depth, record, reason)
        child = children.get((run.info.id, record.pos))
        if child is not None:
            rest.append(iter(_steps(child)))


def _steps(run: Running) -> list[tuple[Running, StepRecord]]:
    return [(run, record) for record in run.steps.values()]


def _reason(step: Step | None, record: StepRecord, given: str | None) -> str:
    if record.status is StepStatus.FAILED and record.error is not None:
        goes_on = isinstance(step, NodeStep | CallStep) and step.on_error == "continue"
        return f"{record.error['category']}: {record.error['message']}" + "; onError says to continue" * goes_on
    if record.status is StepStatus.RETRY_SCHEDULED and record.error is not None:
        return f"tried again after {record.error['category']}: {record.error['message']}"
    if record.status is StepStatus.CANCELED:
        return "canceled, because what is around it ended"
    if given is not None:
        return given
    shown = record.input if isinstance(record.input, dict) else {}
    output = record.output if isinstance(record.output, dict) else {}
    match step:
        case IfStep() if "condition" in shown:
            values = ", ".join(f"{path} is {_short(value)}" for path, value in shown.get("values", {}).items())
            said = f"{step.condition.text} is {_short(shown['condition'])}"
            return f"{output.get('branch')}: {said}" + (f" ({values})" if values else "")
        case ForEachStep():
            return f"{step.items.text} has {_counted(shown.get('items', 0), 'item')}"
        case _:
            pass
    return _by_type(record, shown, output)


def _by_type(record: StepRecord, shown: JsonObject, output: JsonObject) -> str:
    match record.step_type:
        case "control.tryCatch":
            return "catch: something in try failed" if output.get("caught") else "try: nothing failed"
        case "control.return":
            return "ends the run"
        case "event.wait":
            return "the event was made up" if record.status is StepStatus.SUCCEEDED else "it waits"
        case "time.wait":
            return f"no time is waited for: {shown.get('dueAt')}"
        case "action.call" | "email.parseBody" | "email.renderCommentBlocks":
            return "called before under the same key: its output is used"
        case _:
            return ""


def _short(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
