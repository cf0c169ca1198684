"""Events and commands as JSON: what a run's history is stored as (spec: runtime.md "The interpreter and the engine").

Exact both ways: `event_from_json(to_json(event)) == event`. Moments are UTC with their microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from wfsync.bundle.model import Json, JsonObject
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
    Finish,
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

__all__ = [
    "command_from_json",
    "event_from_json",
    "failure_from_json",
    "failure_to_json",
    "pos_from_json",
    "pos_to_json",
    "record_from_json",
    "to_json",
]

EVENTS: Final = (
    Started,
    Succeeded,
    Failed,
    Fired,
    Arrived,
    Answered,
    ChildEnded,
    CancelRequested,
    RetryRequested,
)
COMMANDS: Final = (CallAction, WaitUntil, WaitEvent, OpenTask, StartChild, Finish)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _moment_from(text: Any) -> datetime:
    return datetime.fromisoformat(text)


def pos_to_json(pos: Pos) -> JsonObject:
    """A position."""
    return {"path": pos.path, "iteration": pos.iteration, "attempt": pos.attempt}


def pos_from_json(tree: Any) -> Pos:
    """A position back."""
    return Pos(tree["path"], tree["iteration"], tree["attempt"])


def failure_to_json(failure: Failure) -> JsonObject:
    """A failure."""
    return {
        "category": failure.category,
        "message": failure.message,
        "code": failure.code,
        "details": failure.details,
        "retryable": failure.retryable,
    }


def failure_from_json(tree: Any) -> Failure:
    """A failure back."""
    return Failure(tree["category"], tree["message"], tree["code"], tree["details"], tree["retryable"])


_Pair = tuple[Callable[[Any], Json], Callable[[Any], Any]]

_AS_IT_IS: Final[_Pair] = (lambda value: value, lambda tree: tree)
_MOMENT: Final[_Pair] = (_moment, _moment_from)
_MOMENT_OR_NONE: Final[_Pair] = (
    lambda at: None if at is None else _moment(at),
    lambda tree: None if tree is None else _moment_from(tree),
)
_POS: Final[_Pair] = (pos_to_json, pos_from_json)
_FAILURE: Final[_Pair] = (failure_to_json, failure_from_json)
_FAILURE_OR_NONE: Final[_Pair] = (
    lambda failure: None if failure is None else failure_to_json(failure),
    lambda tree: None if tree is None else failure_from_json(tree),
)
_RUN_STATUS: Final[_Pair] = (str, RunStatus)
_STEP_STATUS: Final[_Pair] = (str, StepStatus)
_LIST: Final[_Pair] = (list, tuple)
_PATHS: Final[_Pair] = (lambda paths: [list(path) for path in paths], lambda tree: tuple(tuple(path) for path in tree))

_SPECIAL: Final[Mapping[tuple[type, str], _Pair]] = {
    (ChildEnded, "failure"): _FAILURE_OR_NONE,
    (ChildEnded, "status"): _RUN_STATUS,
    (Failed, "failure"): _FAILURE,
    (CallAction, "secrets"): _PATHS,
    (WaitUntil, "due"): _MOMENT,
    (WaitEvent, "filters"): _LIST,
    (WaitEvent, "timeout"): _MOMENT_OR_NONE,
    (Finish, "status"): _RUN_STATUS,
    (StepRecord, "status"): _STEP_STATUS,
}


def _fields(kind: Any) -> tuple[tuple[str, _Pair], ...]:
    common = {"at": _MOMENT, "pos": _POS}
    names = [one.name for one in fields(kind)]
    return tuple((name, _SPECIAL.get((kind, name), common.get(name, _AS_IT_IS))) for name in names)


_KINDS: Final = {kind.__name__: (kind, _fields(kind)) for kind in (*EVENTS, *COMMANDS, StepRecord)}
_EVENTS: Final = frozenset(kind.__name__ for kind in EVENTS)
_COMMANDS: Final = frozenset(kind.__name__ for kind in COMMANDS)


def to_json(value: Event | Command | StepRecord) -> JsonObject:
    """``value`` as an object with its kind as ``type``."""
    name = type(value).__name__
    tree: JsonObject = {"type": name}
    for field, (write, _) in _KINDS[name][1]:
        tree[field] = write(getattr(value, field))
    return tree


def event_from_json(tree: JsonObject) -> Event:
    """The event that `to_json` wrote. Raises ValueError for anything else."""
    event: Event = _read(tree, _EVENTS, "event")
    return event


def command_from_json(tree: JsonObject) -> Command:
    """The command that `to_json` wrote. Raises ValueError for anything else."""
    command: Command = _read(tree, _COMMANDS, "command")
    return command


def record_from_json(tree: JsonObject) -> StepRecord:
    """The record that `to_json` wrote. Raises ValueError for anything else."""
    record: StepRecord = _read(tree, frozenset({"StepRecord"}), "record")
    return record


def _read(tree: JsonObject, among: frozenset[str], what: str) -> Any:
    name = tree.get("type")
    if not isinstance(name, str) or name not in among:
        raise ValueError(f"this is no {what} of a run's history: its type is {name!r}")
    kind, known = _KINDS[name]
    try:
        # What a later version added has a default, and is absent from what an earlier one wrote.
        return kind(**{field: read(tree[field]) for field, (_, read) in known if field in tree})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a {name} of a run's history is malformed: {error}") from error
