"""Runs of the interpreter without anything behind them: definitions of a few steps, and answers to what they ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.interpreter import Machine, begin
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    CancelRequested,
    ChildEnded,
    Command,
    Event,
    Failed,
    Failure,
    Fired,
    OpenTask,
    Pos,
    RetryRequested,
    RunStatus,
    StartChild,
    Started,
    StepRecord,
    StepStatus,
    Succeeded,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Registry

AT = datetime(2026, 1, 25, 12, 0, tzinfo=UTC)

One = TypeVar("One", CallAction, WaitUntil, WaitEvent, OpenTask, StartChild)


def expr(text: str) -> JsonObject:
    """An expression."""
    return {"$expr": text}


def definition(*steps: JsonObject) -> JsonObject:
    """A definition of these steps."""
    return {"version": 1, "name": "Test", "payloadSchemaRef": "payload.Any.v1", "steps": list(steps)}


def call(name: str = "a", /, *, action: str = "do.it", given: Json = None, **more: Any) -> JsonObject:
    """An ``action.call``; ``saveAs`` and other config under their names, ``retry`` and ``onError`` beside them."""
    outer: JsonObject = {key: more.pop(key) for key in ("retry", "onError") if key in more}
    config = {"actionId": action, "version": 1, "inputMapping": {} if given is None else given, **more}
    return {"id": name, "type": "action.call", "config": config, **outer}


def assign(name: str, **values: Json) -> JsonObject:
    """A ``transform.assign`` of ``vars``."""
    return {
        "id": name,
        "type": "transform.assign",
        "config": {"assign": {f"vars.{to}": value for to, value in values.items()}},
    }


def node(name: str, kind: str, /, **config: Json) -> JsonObject:
    """A step of the node type ``kind``."""
    return {"id": name, "type": kind, "config": config}


def control(name: str, kind: str, /, **fields: Json) -> JsonObject:
    """A step of the type ``control.kind``."""
    return {"id": name, "type": f"control.{kind}", **fields}


def loop(name: str, items: str, *body: JsonObject, var: str = "item", **fields: Json) -> JsonObject:
    """A ``control.forEach``."""
    return control(name, "forEach", items=expr(items), itemVar=var, body=list(body), **fields)


def attempt(name: str, body: list[JsonObject], catch: list[JsonObject], **fields: Json) -> JsonObject:
    """A ``control.tryCatch``."""
    return control(name, "tryCatch", **{"try": body, "catch": catch}, **fields)


@dataclass
class Live:
    """A run, and what happened to it."""

    machine: Machine
    asked: list[Command]
    """What has not been answered."""
    events: list[Event]
    said: list[tuple[Command, ...]]
    """What each event led to."""
    records: dict[Pos, StepRecord] = field(default_factory=dict)
    at: datetime = AT

    def send(self, event: Event) -> tuple[Command, ...]:
        """Send it, and keep what comes of it."""
        commands = self.machine.send(event)
        self.events.append(event)
        self.said.append(commands)
        self._kept(commands)
        return commands

    def _kept(self, commands: tuple[Command, ...]) -> None:
        self.asked += commands
        for record in self.machine.steps:
            self.records[record.pos] = record

    def one(self, kind: type[One]) -> One:
        """The oldest unanswered command of that kind, which is answered now."""
        command = next(command for command in self.asked if isinstance(command, kind))
        self.asked.remove(command)
        return command

    def succeed(self, output: Json = None) -> CallAction:
        """The oldest call succeeds."""
        command = self.one(CallAction)
        self.send(Succeeded(self.at, command.pos, output))
        return command

    def fail(self, category: str = "ActionError", message: str = "no", **more: Any) -> CallAction:
        """The oldest call fails."""
        command = self.one(CallAction)
        self.send(Failed(self.at, command.pos, Failure(category, message, **more)))
        return command

    def fire(self) -> WaitUntil:
        """The oldest wait for a time is due: time passes."""
        command = self.one(WaitUntil)
        self.at = max(self.at, command.due)
        self.send(Fired(self.at, command.pos))
        return command

    def time_out(self) -> WaitEvent:
        """The oldest wait for an event times out."""
        command = self.one(WaitEvent)
        assert command.timeout is not None
        self.at = max(self.at, command.timeout)
        self.send(Fired(self.at, command.pos))
        return command

    def arrive(self, payload: Json = None) -> WaitEvent:
        """The oldest wait for an event gets one."""
        command = self.one(WaitEvent)
        self.send(Arrived(self.at, command.pos, command.name, payload))
        return command

    def answer(self, answer: Json = None) -> OpenTask:
        """The oldest task is completed."""
        command = self.one(OpenTask)
        self.send(Answered(self.at, command.pos, answer))
        return command

    def child(self, status: RunStatus = RunStatus.SUCCEEDED, output: Json = None, **more: Any) -> StartChild:
        """The oldest child ends."""
        command = self.one(StartChild)
        self.send(ChildEnded(self.at, command.pos, status, output, **more))
        return command

    def cancel(self) -> None:
        """Somebody cancels."""
        self.send(CancelRequested(self.at))

    def retry(self) -> None:
        """Somebody wants the failed run to go on."""
        self.asked.clear()
        self.send(RetryRequested(self.at))

    @property
    def vars(self) -> JsonObject:
        """``vars`` of the envelope."""
        found: JsonObject = self.machine.envelope["vars"]
        return found

    @property
    def status(self) -> RunStatus:
        """How the run stands."""
        return self.machine.status

    @property
    def error(self) -> JsonObject:
        """Why the run failed."""
        assert self.machine.finish is not None
        assert self.machine.finish.error is not None
        return self.machine.finish.error

    def inputs(self) -> list[Json]:
        """The inputs of the calls that wait for an answer."""
        return [command.input for command in self.asked if isinstance(command, CallAction)]

    def statuses(self, path: str) -> list[StepStatus]:
        """How the attempts and iterations of the step at ``path`` stand, in the order in which they began."""
        return [record.status for pos, record in self.records.items() if pos.path == path]


def started(payload: Json = None, meta: JsonObject | None = None, run_id: str = "run-1") -> Started:
    """The first event."""
    return Started(AT, run_id, "test.flow", 1, {} if payload is None else payload, meta or {})


def begun(
    *steps: JsonObject, payload: Json = None, meta: JsonObject | None = None, registry: Registry | None = None
) -> Live:
    """A run of a definition of these steps."""
    first = started(payload, meta)
    machine, commands = begin(definition(*steps), first, registry or Registry())
    live = Live(machine, [], [first], [commands])
    live._kept(commands)
    return live


def later(milliseconds: float) -> datetime:
    """That much after the beginning."""
    return AT + timedelta(milliseconds=milliseconds)
