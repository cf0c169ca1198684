"""Events and commands as JSON, exactly (runtime.md "The interpreter and the engine")."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.runtime.history import (
    COMMANDS,
    EVENTS,
    command_from_json,
    event_from_json,
    record_from_json,
    to_json,
)
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    CancelRequested,
    ChildEnded,
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

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
MOMENTS = st.datetimes(timezones=st.just(UTC))
POSITIONS = st.builds(Pos, st.text(), st.text(), st.integers(1, 10**6))
FAILURES = st.builds(Failure, st.text(), st.text(), st.none() | st.text(), JSON, st.booleans())
TEXT = st.text()
MAYBE = st.none() | TEXT

EVERY_EVENT = st.one_of(
    st.builds(Started, MOMENTS, TEXT, TEXT, st.integers(1), JSON, OBJECTS),
    st.builds(Succeeded, MOMENTS, POSITIONS, JSON),
    st.builds(Failed, MOMENTS, POSITIONS, FAILURES),
    st.builds(Fired, MOMENTS, POSITIONS),
    st.builds(Arrived, MOMENTS, POSITIONS, TEXT, JSON),
    st.builds(Answered, MOMENTS, POSITIONS, JSON),
    st.builds(ChildEnded, MOMENTS, POSITIONS, st.sampled_from(RunStatus), JSON, st.none() | FAILURES),
    st.builds(CancelRequested, MOMENTS, TEXT),
    st.builds(RetryRequested, MOMENTS),
)
PLACES = st.lists(st.lists(st.text() | st.integers(0), max_size=3).map(tuple), max_size=2).map(tuple)
EVERY_COMMAND = st.one_of(
    st.builds(CallAction, POSITIONS, TEXT, st.integers(1), JSON, MAYBE, PLACES),
    st.builds(WaitUntil, POSITIONS, MOMENTS, st.sampled_from(["time", "retry"])),
    st.builds(WaitEvent, POSITIONS, TEXT, MAYBE, st.lists(OBJECTS, max_size=2).map(tuple), st.none() | MOMENTS),
    st.builds(OpenTask, POSITIONS, TEXT, TEXT, MAYBE, JSON),
    st.builds(StartChild, POSITIONS, TEXT, st.integers(1), JSON),
    st.builds(Finish, st.sampled_from(RunStatus), OBJECTS, st.none() | OBJECTS),
)
RECORDS = st.builds(
    StepRecord, POSITIONS, TEXT, TEXT, st.sampled_from(StepStatus), MOMENTS, JSON, JSON, st.none() | OBJECTS
)


@given(EVERY_EVENT)
def test_an_event_comes_back_as_it_was(event: Any) -> None:
    back = event_from_json(json.loads(json.dumps(to_json(event))))
    assert (type(back), back) == (type(event), event)


@given(EVERY_COMMAND)
def test_a_command_comes_back_as_it_was(command: Any) -> None:
    back = command_from_json(json.loads(json.dumps(to_json(command))))
    assert (type(back), back) == (type(command), command)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: StepRecord) -> None:
    assert record_from_json(json.loads(json.dumps(to_json(record)))) == record


def test_the_strategies_cover_every_kind() -> None:
    assert {kind.__name__ for kind in EVENTS} == {
        "Started", "Succeeded", "Failed", "Fired", "Arrived", "Answered",
        "ChildEnded", "CancelRequested", "RetryRequested",
    }  # fmt: skip
    assert {kind.__name__ for kind in COMMANDS} == {
        "CallAction", "WaitUntil", "WaitEvent", "OpenTask", "StartChild", "Finish",
    }  # fmt: skip


@given(MOMENTS)
def test_a_moment_of_another_zone_is_the_same_moment(at: Any) -> None:
    if at.year in {1, 9999}:
        return
    event = Fired(at.astimezone(timezone(timedelta(hours=5, minutes=30))), Pos("p"))
    tree = to_json(event)
    assert tree["at"].endswith("+00:00")
    assert event_from_json(tree).at == event.at


def test_a_history_is_readable_by_those_who_query_it() -> None:
    at = datetime(2026, 1, 25, 12, 0, 0, 5, tzinfo=UTC)
    assert to_json(Succeeded(at, Pos("root.steps[0]", "2", 3), {"x": 1})) == {
        "type": "Succeeded",
        "at": "2026-01-25T12:00:00.000005+00:00",
        "pos": {"path": "root.steps[0]", "iteration": "2", "attempt": 3},
        "output": {"x": 1},
    }


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"type": "Nothing"},
        {"type": 7},
        {"type": "Fired"},
        {"type": "Fired", "at": "x", "pos": {}},
        {"type": "CallAction"},
    ],
)
def test_anything_else_is_no_event(tree: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"history"):
        event_from_json(tree)


def test_what_an_earlier_version_wrote_is_still_read() -> None:
    tree = to_json(CallAction(Pos("p"), "a", 1, {}))
    del tree["secrets"]
    assert command_from_json(tree) == CallAction(Pos("p"), "a", 1, {})
