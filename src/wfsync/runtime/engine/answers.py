"""Between the interpreter and rows: commands become waits, waits that were answered become events."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from wfsync.runtime.filters import matches
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    ChildEnded,
    Event,
    Failure,
    Fired,
    OpenTask,
    Pos,
    RunStatus,
    WaitEvent,
    WaitUntil,
)
from wfsync.store.runtime.waits import InboxEntry, NewWait, WaitType, wait_id

__all__ = ["event_of", "id_of", "wait_of"]

_TYPES: Final[dict[type, WaitType]] = {WaitEvent: "event", OpenTask: "human"}


def id_of(run_id: str, command: object, pos: Pos) -> str:
    """The id of the wait that ``command`` opens."""
    kind: WaitType = _TYPES.get(type(command), "child")
    if isinstance(command, WaitUntil):
        kind = "retry" if command.reason == "retry" else "time"
    return wait_id(run_id, pos.path, pos.iteration, pos.attempt, kind)


def wait_of(command: WaitUntil | WaitEvent | OpenTask) -> NewWait:
    """The wait to open for a command; `wfsync.runtime.engine.children` has that for a child."""
    pos = command.pos
    match command:
        case WaitUntil():
            kind: WaitType = "retry" if command.reason == "retry" else "time"
            return NewWait(kind, pos.path, pos.iteration, pos.attempt, due=command.due)
        case WaitEvent():
            filters = [dict(one) for one in command.filters]
            return NewWait(
                "event",
                pos.path,
                pos.iteration,
                pos.attempt,
                due=command.timeout,
                event_name=command.name,
                correlation_key=command.correlation_key,
                filters=filters,
                matches=lambda payload: matches(payload, filters),
            )
        case OpenTask():
            task = {
                "task_type": command.task_type,
                "title": command.title,
                "description": command.description,
                "context": command.context,
            }
            return NewWait("human", pos.path, pos.iteration, pos.attempt, task=task)


def event_of(entry: InboxEntry, at: datetime) -> Event:
    """What the interpreter hears of a wait that was answered."""
    pos = Pos(entry.path, entry.iteration, entry.attempt)
    if entry.status == "TIMED_OUT" or entry.wait_type in {"time", "retry"}:
        return Fired(at, pos)
    if entry.wait_type == "event":
        return Arrived(at, pos, entry.event_name or "", entry.payload)
    if entry.wait_type == "human":
        return Answered(at, pos, entry.payload)
    ended = entry.payload
    error = ended["error"]
    failure = None
    if error is not None:
        failure = Failure(error["category"], error["message"], error.get("code"), error.get("details"))
    return ChildEnded(at, pos, RunStatus(ended["status"]), ended["output"], failure)
