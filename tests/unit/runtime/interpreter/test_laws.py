"""Laws that hold for every definition and every course of events: properties of the fold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_definitions import definitions
from machines import AT, Live, begun, call, control, definition, expr, loop, node, started
from wfsync.bundle.model import JsonObject
from wfsync.expressions import EvaluationAborted
from wfsync.runtime.definition import Definition, IfStep, compile_definition
from wfsync.runtime.history import command_from_json, event_from_json, to_json
from wfsync.runtime.interpreter import Machine, begin, fold
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    CancelRequested,
    ChildEnded,
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
    StepStatus,
    Succeeded,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Registry

OUTPUTS: st.SearchStrategy[Any] = st.sampled_from([None, 1, "text", [1, 2], {"x": {"y": 1}}])
FAILURES = st.builds(
    Failure,
    st.sampled_from(["ActionError", "TransientError", "TimeoutError"]),
    st.just("no"),
    st.sampled_from([None, "E1"]),
    st.sampled_from([None, {"a": 1}]),
    st.booleans(),
)


def an_answer(draw: st.DrawFn, command: Any, at: Any) -> Event:
    pos = command.pos
    if not isinstance(command, WaitUntil) and draw(st.integers(0, 9)) == 7:
        return Failed(at, pos, draw(FAILURES))
    match command:
        case CallAction():
            return Succeeded(at, pos, draw(OUTPUTS))
        case WaitUntil():
            return Fired(max(at, command.due), pos)
        case WaitEvent():
            if draw(st.booleans()):
                return Arrived(at, pos, command.name, draw(OUTPUTS))
            return Fired(max(at, command.timeout or at), pos)
        case OpenTask():
            return Answered(at, pos, draw(OUTPUTS))
        case _:
            assert isinstance(command, StartChild)
            status = draw(st.sampled_from([RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED]))
            return ChildEnded(at, pos, status, {"payload": {}, "vars": {"a": 1}})


def image(machine: Machine) -> tuple[Any, ...]:
    """All that a machine is."""
    return machine._strands, machine._pending, machine._finish, machine._failed, machine.steps


def spent(live: Live) -> set[Pos]:
    """Positions that were answered, and that nothing waits at any more."""
    answered = {event.pos for event in live.events if hasattr(event, "pos")}
    return answered - {command.pos for command in live.machine.pending if hasattr(command, "pos")}


@st.composite
def courses(draw: st.DrawFn) -> tuple[JsonObject, Live]:
    """A definition and a run of it to its end, with late events, duplicates, a cancel or retries between."""
    tree = draw(definitions())
    first = started({"n": 1, "items": [1, 2, 3, 4]})
    machine, commands = begin(tree, first, Registry())
    live = Live(machine, [], [first], [commands])
    live._kept(commands)
    at, retries = AT, 0
    for _ in range(400):
        if machine.done:
            if machine.status is RunStatus.FAILED and retries < 2 and draw(st.booleans()):
                retries += 1
                live.asked.clear()
                live.send(RetryRequested(at))
                continue
            break
        at += timedelta(milliseconds=draw(st.sampled_from([0, 1, 500, 5000])))
        what = draw(st.integers(0, 60))
        if what == 59:
            live.send(CancelRequested(at))
        elif what > 50:
            again = draw(st.sampled_from(live.events))
            stands = image(machine)
            if isinstance(again, Started) or getattr(again, "pos", None) in spent(live):
                assert live.send(again) == ()
                assert image(machine)[:4] == stands[:4]
        else:
            command = draw(st.sampled_from(machine.pending))
            live.send(an_answer(draw, command, at))
    return tree, live


@settings(max_examples=120, deadline=None)
@given(courses())
def test_a_replay_of_the_history_is_the_live_run(course: tuple[JsonObject, Live]) -> None:
    tree, live = course
    stored = [to_json(event) for event in live.events]
    events = [event_from_json(one) for one in stored]
    assert events == live.events
    first = events[0]
    machine, commands = begin(tree, first, Registry())  # type: ignore[arg-type]
    said = [commands, *(machine.send(event) for event in events[1:])]
    assert said == live.said
    assert [[command_from_json(to_json(one)) for one in many] for many in said] == [list(many) for many in live.said]
    assert image(machine) == image(live.machine)
    assert fold(tree, events, Registry()).envelope == live.machine.envelope


@settings(max_examples=120, deadline=None)
@given(courses())
def test_every_run_ends_once_and_leaves_no_step_open(course: tuple[JsonObject, Live]) -> None:
    _, live = course
    assert live.machine.done
    assert live.machine.pending == ()
    finish = live.machine.finish
    assert finish is not None
    assert finish.envelope == live.machine.envelope
    assert (finish.error is not None) is (finish.status is RunStatus.FAILED)
    left = {record.status for record in live.records.values()}
    assert StepStatus.STARTED not in left
    if finish.status is RunStatus.FAILED:
        assert finish.envelope["error"] == finish.error
    paths = {one.path for one in live.machine.definition.every_step()}
    assert {pos.path for pos in live.records} <= paths


@settings(max_examples=60, deadline=None)
@given(courses(), st.data())
def test_a_machine_taken_over_in_the_middle_goes_on_alike(course: tuple[JsonObject, Live], data: st.DataObject) -> None:
    tree, live = course
    cut = data.draw(st.integers(1, len(live.events)))
    machine = fold(tree, live.events[:cut], Registry())
    assert [machine.send(event) for event in live.events[cut:]] == live.said[cut:]
    assert machine.envelope == live.machine.envelope


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(5)), st.lists(OUTPUTS, min_size=5, max_size=5))
def test_the_order_in_which_items_end_changes_nothing(order: list[int], outputs: list[Any]) -> None:
    run = begun(
        loop(
            "l",
            "[0, 1, 2, 3, 4]",
            call("c", saveAs="last"),
            node("a", "transform.assign", assign={"/seen": expr("append(coalesce(payload.seen, []), item)")}),
            concurrency=5,
        )
    )
    commands = list(run.asked)
    for index in order:
        run.send(Succeeded(AT, commands[index].pos, outputs[index]))  # type: ignore[union-attr]
    assert run.vars == {"last": outputs[4]}
    assert run.machine.envelope["payload"] == {"seen": [4]}


class Slow:
    """An expression on a machine that is too busy, for so many evaluations."""

    text = "slow"
    paths: frozenset[tuple[str, ...]] = frozenset()

    def __init__(self, times: int) -> None:
        self.times = times

    def evaluate(self, _scope: Any, _now: Any) -> bool:
        self.times -= 1
        if self.times >= 0:
            raise EvaluationAborted("busy")
        return True


def test_an_aborted_evaluation_leaves_no_trace_and_the_same_event_works_later() -> None:
    tree = definition(
        call("a", saveAs="x"),
        node("b", "transform.assign", assign={"vars.y": 1}),
        control("c", "if", condition=expr("true"), then=[call("d")]),
    )
    compiled = compile_definition(tree)
    condition = compiled.steps[2]
    assert isinstance(condition, IfStep)
    slow = replace(condition, condition=Slow(2))  # type: ignore[arg-type]
    machine, (command,) = begin(replace(compiled, steps=(*compiled.steps[:2], slow)), started(), Registry())
    assert isinstance(command, CallAction)
    answer = Succeeded(AT, command.pos, 7)
    for _ in range(2):
        before = image(machine)
        with pytest.raises(EvaluationAborted):
            machine.send(answer)
        assert image(machine) == before
        assert machine.envelope["vars"] == {}
    (after,) = machine.send(answer)
    assert isinstance(after, CallAction)
    assert machine.envelope["vars"] == {"x": 7, "y": 1}


def test_an_envelope_is_replaced_and_never_changed() -> None:
    run = begun(call("a", saveAs="vars.deep.x"), call("b", saveAs="vars.deep.y"))
    run.succeed(1)
    middle = run.machine.envelope
    run.succeed(2)
    assert middle["vars"] == {"deep": {"x": 1}}
    assert run.vars == {"deep": {"x": 1, "y": 2}}


def test_the_same_definition_is_compiled_once() -> None:
    tree = definition(call("a", given={"x": expr("1")}))
    assert compile_definition(tree) is compile_definition({**tree})
    assert isinstance(compile_definition(tree), Definition)
