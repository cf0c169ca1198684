"""The world of one test: stubs, answers and events as its file says them; everything else is pure, or refused.

What a call gives, in this order: a stub of the test for the step, for ``ACTION@VERSION``, for ``ACTION``; a stub of
``registry.yaml``; the action itself, if it has no side effects. Anything else is named and never called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from wfsync.bundle.model import Json
from wfsync.runtime.calling import PreparedCall, perform, prepare
from wfsync.runtime.in_process.context import Context, LogLine
from wfsync.runtime.in_process.world import CannotGoOn, ChildEnd, Program, Reply, RunInfo, TaskAnswer
from wfsync.runtime.payloads import schema_faults
from wfsync.runtime.protocol import CallAction, Failure, OpenTask, RunStatus, StartChild, WaitEvent
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, Registry, Run
from wfsync.runtime.step_failure import StepFailed
from wfsync.testing import model
from wfsync.testing.model import Case
from wfsync.testing.starting import payload_faults
from wfsync.testing.workflows import NotRunnable, Workflows

__all__ = ["TestWorld"]

Item = TypeVar("Item")


@dataclass(slots=True)
class TestWorld:
    """Answers what the runs of one test ask."""

    __test__ = False  # pytest takes it for a test otherwise

    case: Case
    registry: Registry
    """What is really there: pure actions are called."""
    stubs: Registry
    """Of ``registry.yaml``."""
    workflows: Workflows
    lines: list[LogLine] = field(default_factory=list)
    unsent: list[model.SentEvent] = field(default_factory=list)
    """Events without a time that nobody has waited for so far."""
    _used: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.unsent = [event for event in self.case.events if event.after is None and event.at is None]

    def prepare(self, run: RunInfo, command: CallAction) -> PreparedCall:
        """See `wfsync.runtime.in_process.world.World`."""
        action = self.action(run, command)
        alone = Registry({(action.id, action.version): action})
        return prepare(command, run.id, alone, self._secrets)

    def call(self, run: RunInfo, command: CallAction, prepared: PreparedCall, now: datetime) -> Reply:
        """Likewise."""
        context = Context(run, command, prepared.key, now)
        try:
            output, failure = perform(prepared, context), None
        except StepFailed as error:
            output, failure = None, error.failure
        self.lines.extend(context.lines)
        return Reply(output, failure, context.slept, made=not self.is_pure(prepared.action))

    def is_pure(self, action: Action) -> bool:
        """Whether nothing stands for ``action``: it is called itself."""
        return action is self.registry.actions.get((action.id, action.version))

    def _secrets(self, names: Collection[str]) -> Mapping[str, str]:
        """Nothing is called, so a value that the test does not give may be made up."""
        return {name: self.case.secrets.get(name, f"made-up value of {name}") for name in names}

    def action(self, run: RunInfo, command: CallAction) -> Action:
        """The action, with what stands for it in this test."""
        place = (command.action, command.version)
        known = self.registry.actions.get(place)
        names = (*self._names(run, command.pos.path), f"{command.action}@{command.version}", command.action)
        name = next((name for name in names if name in self.case.stubs), None)
        if name is not None:
            declared = self.stubs.actions.get(place) or known or Action(*place)
            return replace(declared, run=self._stub(name))
        stub = self.stubs.actions.get(place)
        if stub is not None:
            return stub
        if known is not None and known.run is not None and not known.side_effects:
            return known
        step = run.step(command.pos.path)
        raise CannotGoOn(
            f"no stub for {command.action}@{command.version}, which the step {step} of {run.program.key} calls",
            f"say what it gives: `stubs: {{{command.action}: {{output: …}}}}` in the test, or `stub:` in registry.yaml",
        )

    def _stub(self, name: str) -> Run:
        reply, number = self._next("stub", name, self.case.stubs)

        def answer(given: Json, context: ActionContext) -> Json:
            if isinstance(context, Context):
                context.slept += reply.delay
            failure = reply.failure(number)
            if failure is not None:
                raise ActionFailed(
                    failure.message,
                    category=failure.category,
                    code=failure.code,
                    details=failure.details,
                    retryable=failure.retryable,
                )
            return given if reply.echo else deepcopy(reply.output)

        return answer

    def task(self, run: RunInfo, command: OpenTask) -> TaskAnswer | None:
        """The answer by the step's id, else by the task's type."""
        names = (*self._names(run, command.pos.path), command.task_type)
        name = next((name for name in names if name in self.case.tasks), None)
        if name is None:
            return None
        answer, _ = self._next("task", name, self.case.tasks)
        form = self.registry.schemas.get(f"task.{command.task_type}")
        faults = () if form is None or form.schema is None else schema_faults(form.schema, answer.answer)
        if faults:
            raise CannotGoOn(
                f"the answer to {name} does not fit the form of tasks of type {command.task_type}: {'; '.join(faults)}",
                f"the registry has the form as the schema task.{command.task_type}",
            )
        return TaskAnswer(deepcopy(answer.answer), answer.after)

    def child(self, run: RunInfo, command: StartChild) -> Program | ChildEnd | Failure:
        """What the test says of the workflow, else the workflow itself."""
        key = command.workflow_id
        if key in self.case.children:
            reply, _ = self._next("child", key, self.case.children)
            if reply.fail is not None:
                # As the end of a real child: whether to try again is a matter of the category
                failure = replace(reply.fail, retryable=reply.fail.category == "TransientError")
                return ChildEnd(RunStatus.FAILED, None, failure, reply.delay)
            payload = command.payload if reply.payload is None else reply.payload
            return ChildEnd(output={"payload": payload, "vars": deepcopy(reply.vars)}, after=reply.delay)
        try:
            called = self.workflows.get(key, command.version)
        except NotRunnable as error:
            raise CannotGoOn(
                f"{run.program.key} calls {key} v{command.version}, which cannot be run: {error.reasons[0]}",
                f"say how it ends: `children: {{{key}: {{vars: {{…}}}}}}`",
            ) from None
        faults = payload_faults(called, command.payload, self.registry)
        if faults:
            text = f"the payload for {called.name} does not fit its schema: {'; '.join(faults[:3])}"
            return Failure("ValidationError", text, "INVALID_PAYLOAD", {"faults": list(faults)})
        return called.program

    def event(self, waits: Sequence[WaitEvent]) -> tuple[str, str | None, Json] | None:
        """The next event without a time, as soon as somebody waits for one of its name."""
        if not self.unsent or not any(wait.name == self.unsent[0].name for wait in waits):
            return None
        event = self.unsent.pop(0)
        return event.name, event.correlation_key, event.payload

    def _names(self, run: RunInfo, path: str) -> tuple[str, ...]:
        """What a test may call a step: its id where the workflow is the tested one, ``KEY/ID`` in any."""
        step = run.step(path)
        longer = f"{run.program.key}/{step}"
        return (step, longer) if run.program.key == self.case.workflow else (longer,)

    def _next(self, kind: str, name: str, series: Mapping[str, Sequence[Item]]) -> tuple[Item, int]:
        """The next item of the series ``name`` and its number, from 1; the last item is all further ones."""
        self._used[kind, name] += 1
        number = self._used[kind, name]
        items = series[name]
        return items[min(number, len(items)) - 1], number
