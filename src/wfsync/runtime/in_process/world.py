"""What a driver asks of the world around its runs, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from wfsync.bundle.model import Json
from wfsync.runtime.calling import PreparedCall
from wfsync.runtime.definition import Definition
from wfsync.runtime.protocol import CallAction, Failure, OpenTask, RunStatus, StartChild, WaitEvent

__all__ = ["CannotGoOn", "ChildEnd", "Program", "Reply", "RunInfo", "TaskAnswer", "World"]

AT_ONCE = timedelta()


class CannotGoOn(Exception):
    """Nobody can say what happens next, or it would never end. Not a failure of the workflow."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Program:
    """One version of a workflow that can be run, and what its steps are called by their paths."""

    key: str
    version: int
    definition: Definition
    step_ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which run asks. ``depth`` counts the runs above it."""

    id: str
    program: Program
    depth: int = 0

    def step(self, path: str) -> str:
        """The id of the step at ``path``."""
        return self.program.step_ids.get(path, path)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call comes to: an output, or why it failed."""

    output: Json = None
    failure: Failure | None = None
    after: timedelta = AT_ONCE
    made: bool = True
    """False: nothing outside was asked, so it is no call that anybody wants to see: the action is pure."""


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """What a person will answer."""

    answer: Json
    after: timedelta = AT_ONCE


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a called workflow ends that is not run."""

    status: RunStatus = RunStatus.SUCCEEDED
    output: Json = None
    failure: Failure | None = None
    after: timedelta = AT_ONCE


class World(Protocol):
    """Answers what a run asks. Each method may raise `CannotGoOn`."""

    def prepare(self, run: RunInfo, command: CallAction) -> PreparedCall:
        """The call, with what stands for its action. Raises `StepFailed` for one that may not be made."""

    def call(self, run: RunInfo, command: CallAction, prepared: PreparedCall, now: datetime) -> Reply:
        """What the call gives."""

    def task(self, run: RunInfo, command: OpenTask) -> TaskAnswer | None:
        """What somebody answers; None: nobody does."""

    def child(self, run: RunInfo, command: StartChild) -> Program | ChildEnd | Failure:
        """What to run, how it ends without being run, or why it cannot be started."""

    def event(self, waits: Sequence[WaitEvent]) -> tuple[str, str | None, Json] | None:
        """Name, key and payload of an event to send now that runs wait, before time moves; None: nothing happens."""
