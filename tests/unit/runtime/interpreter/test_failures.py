"""Where failures go (runtime.md "Semantics"): retries, onError, try, onItemError, the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from machines import AT, Live, assign, attempt, begun, call, control, definition, expr, later, loop, node
from wfsync.runtime.interpreter.machine import fold
from wfsync.runtime.protocol import CallAction, Failed, Failure, Fired, Pos, RunStatus, StepStatus, Succeeded, WaitUntil
from wfsync.runtime.registry import Registry

RETRY = {"maxAttempts": 3, "backoffMs": 1000, "jitter": False}
CONTINUE = {"policy": "continue"}
FAIL = {"policy": "fail"}
STEP = Pos("root.steps[0]")


def test_a_failure_that_nobody_takes_fails_the_run() -> None:
    run = begun(call(), assign("never", x=1))
    run.fail("ActionError", "no", code="E1", details={"a": 1})
    assert run.status == "FAILED"
    assert run.error == {
        "category": "ActionError",
        "message": "no",
        "nodePath": "root.steps[0]",
        "at": "2026-01-25T12:00:00.000Z",
        "code": "E1",
        "details": {"a": 1},
    }
    assert run.machine.envelope["error"] == run.error
    assert run.vars == {}


def test_an_error_without_code_and_details_has_no_such_members() -> None:
    run = begun(call())
    run.fail()
    assert set(run.error) == {"category", "message", "nodePath", "at"}


# ---------------------------------------------------------------------------------------------------------------- retry


def test_max_attempts_counts_the_first_one() -> None:
    run = begun(call(retry=RETRY))
    for expected in (1, 2):
        assert run.fail("TransientError", retryable=True).pos.attempt == expected
        assert run.status == "WAITING"
        run.fire()
    assert run.fail("TransientError").pos.attempt == 3
    assert run.status == "FAILED"
    assert run.statuses("root.steps[0]") == [
        StepStatus.RETRY_SCHEDULED,
        StepStatus.RETRY_SCHEDULED,
        StepStatus.FAILED,
    ]


def test_back_off_is_a_durable_wait() -> None:
    run = begun(call(retry=RETRY))
    run.fail("TransientError")
    assert run.asked == [WaitUntil(Pos("root.steps[0]", "", 2), later(1000), "retry")]
    run.fire()
    assert isinstance(run.asked[0], CallAction)
    assert run.asked[0].pos.attempt == 2
    run.succeed("x")
    assert run.status == "SUCCEEDED"


def test_another_attempt_repeats_the_call_with_its_key_and_input() -> None:
    late = expr("nowIso()")
    run = begun(call(given={"at": late, "t": {"$secret": "T"}}, idempotencyKey=late, retry={**RETRY, "maxAttempts": 2}))
    (first,) = run.asked
    assert isinstance(first, CallAction)
    run.fail("TransientError")
    run.fire()
    assert run.asked == [replace(first, pos=Pos("root.steps[0]", "", 2))]
    run.fail("TransientError")
    run.at += timedelta(days=3)
    run.retry()
    assert run.asked == [replace(first, pos=Pos("root.steps[0]", "", 3))]


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        ({"category": "TransientError"}, True),
        ({"category": "ActionError", "retryable": True}, True),
        ({"category": "ActionError"}, False),
        ({"category": "ValidationError"}, False),
        ({"category": "TimeoutError"}, False),
    ],
)
def test_without_retry_on_what_is_retryable_is_tried_again(failure: dict[str, object], again: bool) -> None:
    run = begun(call(retry=RETRY))
    run.fail(**failure)  # type: ignore[arg-type]
    assert (run.status is RunStatus.WAITING) is again


@pytest.mark.parametrize(("category", "again"), [("ActionError", True), ("TransientError", False)])
def test_retry_on_names_the_categories(category: str, again: bool) -> None:
    run = begun(call(retry={**RETRY, "retryOn": ["ActionError", "TimeoutError"]}))
    run.fail(category, retryable=True)
    assert (run.status is RunStatus.WAITING) is again


def test_an_expression_error_is_tried_again_only_where_retry_on_says_so() -> None:
    step = call(given={"x": expr("payload.gone")}, retry={**RETRY, "retryOn": ["ExpressionError"]})
    assert begun(step).status is RunStatus.WAITING
    assert begun(call(given={"x": expr("payload.gone")}, retry=RETRY)).status is RunStatus.FAILED


def test_a_wait_that_times_out_may_be_tried_again_and_a_back_off_sent_twice_does_not_end_it() -> None:
    wait = node("w", "event.wait", eventName="E", correlationKey="k", timeoutMs=60_000)
    run = begun({**wait, "retry": {**RETRY, "retryOn": ["TimeoutError"]}})
    run.time_out()
    backed_off = run.fire()
    assert run.status == "WAITING"
    assert run.send(Fired(run.at, backed_off.pos)) == ()
    run.arrive({"x": 1})
    assert run.status == "SUCCEEDED"


# -------------------------------------------------------------------------------------------------------------- onError


def test_on_error_continue_goes_on_with_the_next_step() -> None:
    run = begun(call(onError=CONTINUE), assign("b", after=True))
    run.fail()
    assert run.status == "SUCCEEDED"
    assert run.vars == {"after": True}
    assert run.records[STEP].status is StepStatus.FAILED
    assert run.records[STEP].error is not None


def test_retries_come_before_on_error() -> None:
    run = begun(call(retry={**RETRY, "maxAttempts": 2}, onError=CONTINUE))
    run.fail("TransientError")
    assert run.status == "WAITING"
    run.fire()
    run.fail("TransientError")
    assert run.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("own", "of_config", "status"),
    [
        (None, CONTINUE, RunStatus.SUCCEEDED),
        (None, FAIL, RunStatus.FAILED),
        (FAIL, CONTINUE, RunStatus.FAILED),
        (CONTINUE, FAIL, RunStatus.SUCCEEDED),
        (None, None, RunStatus.FAILED),
    ],
)
def test_the_steps_own_on_error_wins_over_the_configs(own: Any, of_config: Any, status: RunStatus) -> None:
    step = call()
    if own is not None:
        step["onError"] = own
    if of_config is not None:
        step["config"]["onError"] = of_config
    run = begun(step)
    run.fail()
    assert run.status is status


def test_on_error_continue_comes_before_an_enclosing_try() -> None:
    run = begun(attempt("t", [call(onError=CONTINUE), assign("b", x=1)], [assign("c", caught=True)]))
    run.fail()
    assert run.vars == {"x": 1}


# ------------------------------------------------------------------------------------------------------------------ try


def caught(**fields: Any) -> Live:
    return begun(
        attempt(
            "t",
            [call(), assign("never", never=True)],
            [assign("c", error=expr("error"), captured=expr("coalesce(vars.problem, false)"))],
            **fields,
        ),
        assign("after", after=True),
    )


def test_in_catch_the_error_and_the_captured_variable_hold_the_same_object() -> None:
    run = caught(captureErrorAs="problem")
    run.fail("TransientError", "down", code="E", details=[1])
    expected = {
        "category": "TransientError",
        "message": "down",
        "nodePath": "root.steps[0].try.steps[0]",
        "at": "2026-01-25T12:00:00.000Z",
        "code": "E",
        "details": [1],
    }
    assert run.vars == {"error": expected, "captured": expected, "problem": expected, "after": True}
    assert run.status == "SUCCEEDED"


def test_after_catch_the_error_is_what_it_was_before() -> None:
    run = caught()
    run.fail()
    assert "error" not in run.machine.envelope


def test_an_inner_catch_gives_the_outer_one_its_error_back() -> None:
    bad = node("bad", "state.set")
    run = begun(
        attempt(
            "outer",
            [call()],
            [
                attempt("inner", [bad], [assign("i", inner=expr("error.nodePath"))]),
                assign("o", outer=expr("error.nodePath")),
            ],
        )
    )
    run.fail()
    assert run.vars == {
        "inner": "root.steps[0].catch.steps[0].try.steps[0]",
        "outer": "root.steps[0].try.steps[0]",
    }


def test_the_nearest_enclosing_try_takes_it() -> None:
    run = begun(attempt("o", [attempt("i", [call()], [assign("x", by="inner")])], [assign("y", by="outer")]))
    run.fail()
    assert run.vars == {"by": "inner"}


def test_a_failure_in_catch_goes_to_the_next_try() -> None:
    bad = node("bad", "state.set")
    run = begun(attempt("o", [attempt("i", [call()], [bad])], [assign("y", by=expr("error.nodePath"))]))
    run.fail()
    assert run.vars == {"by": "root.steps[0].try.steps[0].catch.steps[0]"}


def test_without_a_failure_catch_is_not_entered() -> None:
    run = caught()
    run.succeed()
    assert run.vars == {"never": True, "after": True}
    assert run.records[STEP].output == {"caught": False}


def test_a_control_step_that_fails_is_caught_too() -> None:
    for inner in (
        control("i", "if", condition=expr("1"), then=[]),
        loop("l", "1 + 'a'"),
    ):
        assert begun(attempt("t", [inner], [assign("c", caught=True)])).vars == {"caught": True}


def test_a_try_inside_a_loop_comes_before_on_item_error() -> None:
    bad = node("bad", "state.set")
    run = begun(
        loop(
            "l",
            "[1, 2]",
            attempt("t", [bad], [assign("c", n=expr("item"))]),
            assign("d", done=expr("item")),
            onItemError="continue",
        )
    )
    assert run.vars == {"n": 2, "done": 2}
    assert run.records[STEP].output == {"items": 2, "failed": 0}


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_try_around_a_loop_comes_before_on_item_error(concurrency: int) -> None:
    bad = node("bad", "state.set")
    run = begun(
        attempt(
            "t", [loop("l", "[1, 2]", bad, onItemError="continue", concurrency=concurrency)], [assign("c", caught=True)]
        )
    )
    assert run.vars == {"caught": True}
    assert run.records[Pos("root.steps[0].try.steps[0]")].status is StepStatus.FAILED


def test_a_try_around_a_concurrent_loop_takes_a_failure_and_cancels_the_other_items() -> None:
    run = begun(
        attempt(
            "t", [loop("l", "[1, 2, 3]", call(saveAs="x"), concurrency=3)], [assign("c", caught=expr("error.message"))]
        )
    )
    run.succeed("kept")
    run.fail(message="second")
    assert run.status == "SUCCEEDED"
    assert run.vars == {"x": "kept", "caught": "second"}
    assert run.statuses("root.steps[0].try.steps[0].body.steps[0]") == [
        StepStatus.SUCCEEDED,
        StepStatus.FAILED,
        StepStatus.CANCELED,
    ]


def test_what_items_assigned_before_the_loop_was_given_up_stays_in_item_order() -> None:
    run = begun(
        attempt(
            "t",
            [loop("l", "[0, 1, 2, 3]", call(saveAs="x"), assign("y", last=expr("item")), concurrency=4)],
            [assign("c", caught=True)],
        )
    )
    first, second, third, fourth = (command for command in run.asked if isinstance(command, CallAction))
    for command in (fourth, third):
        run.send(Succeeded(AT, command.pos, command.pos.iteration))
    run.send(Failed(AT, second.pos, Failure("ActionError", "no")))
    assert run.vars == {"x": "3", "last": 3, "caught": True}
    assert run.records[first.pos].status is StepStatus.CANCELED


def test_giving_up_a_loop_cancels_the_loops_inside_its_items() -> None:
    inner = loop("i", "[1, 2]", call("c"), var="b", concurrency=2)
    outer = loop("o", "[1, 2]", control("if", "if", condition=expr("true"), then=[inner]), concurrency=2)
    run = begun(attempt("t", [outer], []))
    assert len(run.asked) == 4
    run.fail()
    assert run.status == "SUCCEEDED"
    body = "root.steps[0].try.steps[0].body.steps[0]"
    assert run.statuses(body) == [StepStatus.FAILED, StepStatus.CANCELED]
    assert run.statuses(f"{body}.then.steps[0]") == [StepStatus.FAILED, StepStatus.CANCELED]
    calls = run.statuses(f"{body}.then.steps[0].body.steps[0]")
    assert calls == [StepStatus.FAILED, *[StepStatus.CANCELED] * 3]


def test_a_back_off_that_is_canceled_has_a_record() -> None:
    run = begun(call(retry=RETRY))
    run.fail("TransientError")
    run.cancel()
    assert run.statuses("root.steps[0]") == [StepStatus.RETRY_SCHEDULED, StepStatus.CANCELED]


def test_the_nearest_loop_that_continues_takes_what_no_try_does() -> None:
    run = begun(
        loop(
            "o",
            "[1, 2]",
            loop("i", "[1, 2]", call(), onItemError="fail"),
            assign("b", n=expr("item")),
            onItemError="continue",
        )
    )
    run.fail()
    assert run.inputs() == [{}]
    assert run.asked[0].pos.iteration == "1.0"  # type: ignore[union-attr]


def test_a_captured_variable_without_a_place_fails_the_try_catch() -> None:
    run = begun(assign("a", x=1), attempt("t", [node("bad", "state.set")], [], captureErrorAs="vars.x.y"))
    assert (run.status, run.error["nodePath"]) == (RunStatus.FAILED, "root.steps[1]")


# ------------------------------------------------------------------------------------------------------ retry of a run


def test_retry_continues_the_same_run_at_its_failed_step() -> None:
    run = begun(
        call("a", saveAs="a"), control("i", "if", condition=expr("true"), then=[call("b", given={"n": expr("vars.a")})])
    )
    run.succeed(1)
    run.fail()
    assert run.status == "FAILED"
    run.retry()
    assert run.status == "RUNNING"
    assert "error" not in run.machine.envelope
    (command,) = run.asked
    assert isinstance(command, CallAction)
    assert (command.input, command.pos.attempt) == ({"n": 1}, 2)
    assert run.records[Pos("root.steps[1]")].status is StepStatus.STARTED
    run.succeed()
    assert run.status == "SUCCEEDED"
    assert run.records[Pos("root.steps[1]")].status is StepStatus.SUCCEEDED


def test_a_retried_step_has_its_tries_again() -> None:
    run = begun(call(retry={**RETRY, "maxAttempts": 2}))
    run.fail("TransientError")
    run.fire()
    run.fail("TransientError")
    run.retry()
    assert run.fail("TransientError").pos.attempt == 3
    assert run.fire().pos.attempt == 4
    run.fail("TransientError")
    assert run.status == "FAILED"


def test_items_that_were_canceled_when_the_run_failed_begin_anew_with_a_retry() -> None:
    run = begun(
        loop("l", "[1, 2, 3]", call(given={"n": expr("item")}, saveAs="x"), concurrency=3), assign("b", done=True)
    )
    run.succeed("one")
    run.fail()
    assert run.status == "FAILED"
    run.retry()
    assert run.inputs() == [{"n": 2}, {"n": 3}]
    run.succeed("two")
    run.succeed("three")
    assert run.status == "SUCCEEDED"
    assert run.vars == {"x": "three", "done": True}


def test_a_call_that_was_canceled_when_the_run_failed_keeps_its_key() -> None:
    run = begun(loop("l", "[1, 2]", call(idempotencyKey=expr("nowIso()")), concurrency=2))
    keys = [command.key for command in run.asked if isinstance(command, CallAction)]
    run.fail()
    run.at += timedelta(hours=1)
    run.retry()
    assert [command.key for command in run.asked if isinstance(command, CallAction)] == keys


def test_a_retry_inside_a_loop_goes_on_with_its_item() -> None:
    run = begun(loop("l", "['a', 'b', 'c']", call(given={"n": expr("item"), "i": expr("index")})))
    run.succeed()
    run.fail()
    run.retry()
    assert run.records[STEP].status is StepStatus.STARTED
    assert run.inputs() == [{"n": "b", "i": 1}]
    run.succeed()
    assert run.inputs() == [{"n": "c", "i": 2}]
    run.succeed()
    assert run.status == "SUCCEEDED"


def test_a_control_step_that_failed_is_tried_again_by_a_retry() -> None:
    run = begun(control("i", "if", condition=expr("payload.gone"), then=[]))
    run.retry()
    assert run.status == "FAILED"


def test_only_a_failed_run_can_be_retried() -> None:
    for ended in (begun(), begun(call())):
        ended.cancel()
        assert ended.machine.done
        before = ended.status
        ended.retry()
        assert ended.status is before


def test_a_retried_run_can_be_retried_again_and_folded() -> None:
    run = begun(call())
    for _ in range(3):
        run.fail()
        assert run.status == "FAILED"
        run.retry()
    run.succeed()
    assert run.status == "SUCCEEDED"
    assert fold(definition(call()), run.events, Registry()).envelope == run.machine.envelope
    assert run.events[0].at == AT
