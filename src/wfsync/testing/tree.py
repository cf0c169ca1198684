"""The tree of a test file that was checked → `wfsync.testing.model`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path, SourceMap
from wfsync.runtime.protocol import Failure
from wfsync.testing.model import (
    NOTHING,
    NOW,
    Answer,
    Case,
    ChildReply,
    Expectation,
    Reply,
    SentEvent,
    StartingEvent,
)
from wfsync.testing.times import duration, moment

__all__ = ["case_of"]

Made = TypeVar("Made")

_MOST_DIGITS: Final = 10
"""Of a version: no action has more, and Python reads no number of many thousands."""


def case_of(tree: JsonObject, whole: JsonObject, *, source: SourceMap, path: Path) -> Case:
    """One test; ``whole`` is the file's tree, whose ``workflow``, ``now``, ``secrets`` and ``stubs`` are defaults."""
    event = tree.get("event")
    now = tree.get("now", whole.get("now"))
    shared = whole.get("stubs", {})
    stubs = {**shared, **tree.get("stubs", {})}
    return Case(
        file=source.file,
        path=path,
        line=source.value(path).line or 1,
        source=source,
        name=tree["name"],
        workflow=tree["workflow"] if "workflow" in tree else whole["workflow"],
        version=tree.get("version"),
        payload=tree.get("payload", {}),
        event=None
        if event is None
        else StartingEvent(event["name"], event.get("payload", {}), event.get("correlationKey")),
        meta=tree.get("meta", {}),
        now=NOW if now is None else moment(now),
        secrets={**whole.get("secrets", {}), **tree.get("secrets", {})},
        stubs={name: _series(value, _reply) for name, value in stubs.items()},
        shared_stubs=frozenset(shared) - tree.get("stubs", {}).keys(),
        events=tuple(map(_event, tree.get("events", ()))),
        tasks={name: _series(value, _answer) for name, value in tree.get("tasks", {}).items()},
        children={name: _series(value, _child) for name, value in tree.get("children", {}).items()},
        cancel_after=_span(tree.get("cancelAfter")),
        expect=_expectation(tree.get("expect", {})),
    )


def _series(value: Json, make: Callable[[JsonObject], Made]) -> tuple[Made, ...]:
    return tuple(map(make, value if isinstance(value, list) else [value]))


def _reply(tree: JsonObject) -> Reply:
    return Reply(
        output=tree.get("output"),
        echo="output" not in tree,
        fail=_failure(tree.get("fail")),
        calls=frozenset(tree.get("calls", ())),
        delay=_span(tree.get("delay")) or NOTHING,
    )


def _answer(tree: JsonObject) -> Answer:
    return Answer(tree["answer"], _span(tree.get("after")) or NOTHING)


def _child(tree: JsonObject) -> ChildReply:
    return ChildReply(
        tree.get("vars", {}), tree.get("payload"), _failure(tree.get("fail")), _span(tree.get("delay")) or NOTHING
    )


def _failure(tree: JsonObject | None) -> Failure | None:
    if tree is None:
        return None
    category = tree["category"]
    retryable = tree.get("retryable", category == "TransientError")
    return Failure(category, tree["message"], tree.get("code"), tree.get("details"), retryable)


def _event(tree: JsonObject) -> SentEvent:
    at = tree.get("at")
    return SentEvent(
        tree["name"],
        tree.get("payload", {}),
        tree.get("correlationKey"),
        _span(tree.get("after")),
        None if at is None else moment(at),
    )


def _expectation(tree: JsonObject) -> Expectation:
    finished = tree.get("finishedAt")
    return Expectation(
        status=tree.get("status", _default_status(tree)),
        envelope={root: tree[root] for root in ("payload", "vars", "meta") if root in tree},
        error=tree.get("error"),
        calls=_listed(tree, "calls", _call),
        calls_include=_listed(tree, "callsInclude", _call),
        not_called=tuple(tree.get("notCalled", ())),
        path=_listed(tree, "path", str),
        path_includes=_listed(tree, "pathIncludes", str),
        tasks=_listed(tree, "tasks", dict),
        children=_listed(tree, "children", dict),
        waits_for=tree.get("waitsFor"),
        elapsed=_elapsed(tree.get("elapsed")),
        finished_at=None if finished is None else moment(finished),
    )


def _default_status(tree: JsonObject) -> Any:
    if "error" in tree:
        return "FAILED"
    return "WAITING" if "waitsFor" in tree else "SUCCEEDED"


def _listed(tree: JsonObject, name: str, make: Callable[[Any], Made]) -> tuple[Made, ...] | None:
    return tuple(map(make, tree[name])) if name in tree else None


def _call(tree: Json) -> JsonObject:
    """``ACTION``, ``ACTION@VERSION`` or an object."""
    if isinstance(tree, dict):
        return tree
    action, separator, version = tree.rpartition("@")
    is_version = separator and version.isdecimal() and len(version) <= _MOST_DIGITS
    return {"action": action, "version": int(version)} if is_version else {"action": tree}


def _elapsed(tree: Json) -> tuple[timedelta | None, timedelta | None] | None:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return _span(tree.get("min")), _span(tree.get("max"))
    exact = duration(tree)
    return exact, exact


def _span(value: int | str | None) -> timedelta | None:
    return None if value is None else duration(value)
