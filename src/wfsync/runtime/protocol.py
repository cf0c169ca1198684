"""What an interpreter says to whoever runs it, and hears (spec: runtime.md "The interpreter and the engine").

``begin(definition, Started) → (machine, commands)`` and ``machine.send(event) → commands``: an interpreter is a fold
over events, and every command that it gives is answered by one event of the same position. All are frozen values that
have a JSON form (`wfsync.runtime.history`), because the history of a run is the list of its events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from wfsync.bundle.model import Json, JsonObject

__all__ = [
    "Answered",
    "Arrived",
    "CallAction",
    "CancelRequested",
    "ChildEnded",
    "Command",
    "Event",
    "Failed",
    "Failure",
    "Finish",
    "Fired",
    "OpenTask",
    "Pos",
    "RetryRequested",
    "RunStatus",
    "StartChild",
    "Started",
    "StepRecord",
    "StepStatus",
    "Succeeded",
    "WaitEvent",
    "WaitUntil",
]


class RunStatus(StrEnum):
    """How a run stands. The first three are active: they count against ``concurrencyLimit``."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class StepStatus(StrEnum):
    """How one attempt of one step stands."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True, order=True)
class Pos:
    """Where a run stands: a step, the items of the loops around it, and which attempt this is.

    ``path`` is spelled as in runtime.md (``root.steps[3].then.steps[0]``). ``iteration`` has the index of the current
    item of every enclosing loop, outermost first, joined by dots (``""`` outside loops, ``"2.0"`` two deep).
    ``attempt`` counts from 1.
    """

    path: str
    iteration: str = ""
    attempt: int = 1


Category = str
"""``ValidationError``, ``ExpressionError``, ``TransientError``, ``ActionError``, ``TimeoutError``, an action's own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step failed. ``retryable`` is what ``retry`` without ``retryOn`` goes by."""

    category: Category
    message: str
    code: str | None = None
    details: Json = None
    retryable: bool = False


# --------------------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Started:
    """The first event of every run. ``meta`` seeds ``meta`` of the envelope (traceId, tags)."""

    at: datetime
    run_id: str
    workflow_id: str
    workflow_version: int
    payload: Json
    meta: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An action gave ``output``; secrets in it are masked before it becomes an event."""

    at: datetime
    pos: Pos
    output: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """An action, or the opening of a task or child, failed."""

    at: datetime
    pos: Pos
    failure: Failure


@dataclass(frozen=True, slots=True)
class Fired:
    """A `WaitUntil` is due, or a `WaitEvent` timed out; ``at`` is never before that."""

    at: datetime
    pos: Pos


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event came that a `WaitEvent` waits for: name, key and filters were matched by the sender."""

    at: datetime
    pos: Pos
    name: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Answered:
    """A task was completed; ``answer`` was checked against the form of its type."""

    at: datetime
    pos: Pos
    answer: Json


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child run ended. ``output`` is ``{payload, vars}`` of its last envelope; ``failure`` says why it failed."""

    at: datetime
    pos: Pos
    status: RunStatus
    output: Json = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the run to end now."""

    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """Somebody wants a run that FAILED to go on at its failed step (runtime.md "Semantics", ``retry``)."""

    at: datetime


Event = Started | Succeeded | Failed | Fired | Arrived | Answered | ChildEnded | CancelRequested | RetryRequested


# ------------------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class CallAction:
    """Call an action. ``input`` still has ``{"$secret": NAME}`` in it: secrets are resolved at the moment of the call.

    ``key`` is the idempotency key that the step's expression gave; None leaves it to the action, and after that to run,
    step path and iteration (runtime.md "Idempotency"). ``secrets`` are the places in ``input`` that are references:
    those that the definition itself has there, never what an expression brought in from data.
    """

    pos: Pos
    action: str
    version: int
    input: Json
    key: str | None = None
    secrets: tuple[tuple[str | int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Answer with `Fired` at ``due`` (UTC). ``reason`` is ``time`` for a step's own wait, ``retry`` for a back-off."""

    pos: Pos
    due: datetime
    reason: Literal["time", "retry"] = "time"


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """Answer with `Arrived` for the first event that matches, or with `Fired` at ``timeout``."""

    pos: Pos
    name: str
    correlation_key: str | None
    filters: tuple[Mapping[str, Json], ...] = ()
    timeout: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Put a task into the inbox; answer with `Answered`."""

    pos: Pos
    task_type: str
    title: str
    description: str | None = None
    context: Json = None


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start a run of another workflow; answer with `ChildEnded`, or with `Failed` if it cannot be started."""

    pos: Pos
    workflow_id: str
    version: int
    payload: Json


@dataclass(frozen=True, slots=True)
class Finish:
    """The run ends. ``envelope`` is what it ended with, ``error`` the ``error`` object of runtime.md if it failed."""

    status: RunStatus
    envelope: JsonObject
    error: JsonObject | None = None


Command = CallAction | WaitUntil | WaitEvent | OpenTask | StartChild | Finish


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One attempt of one step as it stands after an event: what becomes a row of ``workflow_run_steps``.

    A machine gives the records that the last event changed; the newest for a `Pos` wins. Input and output are redacted.
    """

    pos: Pos
    step_id: str
    step_type: str
    status: StepStatus
    at: datetime
    input: Json = None
    output: Json = None
    error: JsonObject | None = None
