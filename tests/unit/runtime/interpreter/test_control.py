"""Control steps (runtime.md "Definition", "Semantics")."""

from __future__ import annotations

import pytest

from machines import AT, assign, attempt, begun, call, control, expr, loop, node
from wfsync.runtime.interpreter import begin
from wfsync.runtime.protocol import (
    Answered,
    CallAction,
    Event,
    Failed,
    Failure,
    Finish,
    Fired,
    Pos,
    RunStatus,
    Started,
    StepStatus,
    Succeeded,
)
from wfsync.runtime.registry import Registry

RETURN = control("end", "return")


def test_an_empty_list_of_steps_succeeds() -> None:
    run = begun()
    assert run.status is RunStatus.SUCCEEDED
    assert run.said == [(Finish(RunStatus.SUCCEEDED, run.machine.envelope),)]


def test_the_envelope_has_the_members_that_runtime_md_lists() -> None:
    meta = {"traceId": "t", "tags": ["a"]}
    started = Started(AT, "run-7", "w", 3, {"n": 1}, meta)
    tree = {"version": 3, "name": "x", "payloadSchemaRef": "p", "steps": [call()]}
    machine, _ = begin(tree, started, Registry())
    assert machine.envelope == {
        "v": 1,
        "run": {"id": "run-7", "workflowId": "w", "workflowVersion": 3, "startedAt": "2026-01-25T12:00:00.000Z"},
        "payload": {"n": 1},
        "meta": {"traceId": "t", "tags": ["a"]},
        "vars": {},
    }


def test_steps_run_top_to_bottom() -> None:
    run = begun(call("a", given={"n": 1}), call("b", given={"n": 2}))
    assert run.inputs() == [{"n": 1}]
    run.succeed()
    assert run.inputs() == [{"n": 2}]
    run.succeed()
    assert run.status is RunStatus.SUCCEEDED
    assert [pos.path for pos in run.records] == ["root.steps[0]", "root.steps[1]"]


@pytest.mark.parametrize(("n", "branch"), [(5, "then"), (1, "else")])
def test_an_if_takes_the_branch_of_its_condition(n: int, branch: str) -> None:
    run = begun(
        control(
            "if",
            "if",
            condition=expr("payload.n > 3"),
            then=[assign("t", x="then")],
            **{"else": [assign("e", x="else")]},
        ),
        payload={"n": n},
    )
    assert run.vars == {"x": branch}
    assert f"root.steps[0].{branch}.steps[0]" in {pos.path for pos in run.records}
    record = run.records[Pos("root.steps[0]")]
    assert (record.status, record.input, record.output) == (
        StepStatus.SUCCEEDED,
        {"condition": n > 3, "values": {"payload.n": n}},
        {"branch": branch},
    )


def test_an_if_without_else_goes_on() -> None:
    run = begun(control("if", "if", condition=expr("false"), then=[call()]), assign("b", x=1))
    assert run.vars == {"x": 1}


@pytest.mark.parametrize("condition", ["1", "'true'", "null", "[true]", "payload"])
def test_an_if_needs_a_boolean(condition: str) -> None:
    run = begun(control("if", "if", condition=expr(condition), then=[]))
    assert (run.status, run.error["category"]) == (RunStatus.FAILED, "ValidationError")
    assert run.error["nodePath"] == "root.steps[0]"


def test_a_condition_that_is_missing_is_an_expression_error() -> None:
    assert begun(control("if", "if", condition=expr("payload.x"), then=[])).error["category"] == "ExpressionError"


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: control("x", "if", condition=expr("true"), then=[inner]),
        lambda inner: loop("x", "[1, 2]", inner),
        lambda inner: loop("x", "[1, 2]", inner, concurrency=2),
        lambda inner: attempt("x", [inner], []),
        lambda inner: attempt("x", [node("bad", "state.set")], [inner]),
    ],
    ids=["if", "forEach", "concurrent forEach", "try", "catch"],
)
def test_return_ends_the_run_as_succeeded_from_anywhere(around: object) -> None:
    run = begun(around(RETURN), assign("never", x=1))  # type: ignore[operator]
    assert run.status is RunStatus.SUCCEEDED
    assert "x" not in run.vars
    assert "error" not in run.machine.envelope
    assert StepStatus.STARTED not in {record.status for record in run.records.values()}


def test_return_in_one_item_cancels_the_others_and_keeps_what_was_assigned() -> None:
    run = begun(
        loop(
            "l",
            "[1, 2, 3]",
            call(given={"n": expr("item")}, saveAs="got"),
            control("if", "if", condition=expr("item = 2"), then=[RETURN]),
            concurrency=3,
        ),
    )
    run.succeed("one")
    run.succeed("two")
    assert run.status is RunStatus.SUCCEEDED
    assert run.vars == {"got": "two"}
    assert run.statuses("root.steps[0].body.steps[0]") == [
        StepStatus.SUCCEEDED,
        StepStatus.SUCCEEDED,
        StepStatus.CANCELED,
    ]
    assert run.machine.pending == ()


def test_cancel_ends_the_run_and_every_step_that_waits() -> None:
    run = begun(attempt("t", [loop("l", "[1, 2]", call(), concurrency=2)], [assign("never", x=1)]))
    run.cancel()
    assert run.status is RunStatus.CANCELED
    assert {record.status for record in run.records.values()} == {StepStatus.CANCELED}
    assert run.vars == {}


def test_an_event_that_does_not_fit_changes_nothing() -> None:
    run = begun(call("a"), call("b"))
    first = run.succeed(1)
    before = run.machine.envelope
    unfit: list[Event] = [
        Succeeded(AT, first.pos, 2),
        Failed(AT, first.pos, Failure("ActionError", "late")),
        Answered(AT, Pos("root.steps[1]"), 1),
        Fired(AT, Pos("root.steps[1]")),
        Succeeded(AT, Pos("root.steps[9]"), 1),
        Succeeded(AT, Pos("root.steps[1]", "", 2), 1),
        run.events[0],
    ]
    for event in unfit:
        assert run.send(event) == ()
        assert run.machine.steps == ()
        assert run.machine.envelope is before
    run.succeed()
    assert run.status is RunStatus.SUCCEEDED
    run.cancel()
    assert run.status is RunStatus.SUCCEEDED


def test_every_step_leaves_a_record_with_path_attempt_input_and_output() -> None:
    run = begun(call("a", given={"n": expr("1 + 1")}, saveAs="x"))
    record = run.records[Pos("root.steps[0]")]
    assert (record.step_id, record.step_type, record.status, record.at) == ("a", "action.call", StepStatus.STARTED, AT)
    assert record.input == {"n": 2}
    run.succeed({"y": 1})
    record = run.records[Pos("root.steps[0]")]
    assert (record.status, record.input, record.output) == (StepStatus.SUCCEEDED, {"n": 2}, {"y": 1})


def test_step_paths_are_spelled_as_in_runtime_md() -> None:
    inner = control("i", "if", condition=expr("true"), then=[attempt("t", [loop("l", "[1]", call())], [])])
    run = begun(assign("first", x=1), inner)
    (command,) = run.asked
    assert isinstance(command, CallAction)
    assert command.pos == Pos("root.steps[1].then.steps[0].try.steps[0].body.steps[0]", "0", 1)
