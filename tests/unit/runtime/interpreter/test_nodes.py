"""The built-in node types (runtime.md "Node types")."""

from __future__ import annotations

from typing import Any

import pytest

from machines import AT, assign, begun, call, control, expr, later, loop, node
from wfsync.runtime.protocol import (
    CallAction,
    Failure,
    Fired,
    OpenTask,
    Pos,
    RunStatus,
    StartChild,
    StepStatus,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Action, NodeType, Registry

STEP = Pos("root.steps[0]")


# --------------------------------------------------------------------------------------------------------- assignments


def test_state_set_sets_meta_state() -> None:
    assert begun(node("s", "state.set", state="NEW")).machine.envelope["meta"] == {"state": "NEW"}
    assert begun(node("s", "state.set", state=expr("'A' & 'B'"))).machine.envelope["meta"] == {"state": "AB"}


def test_transform_assign_evaluates_all_against_the_envelope_as_it_was() -> None:
    run = begun(assign("a", x=1, y=2), assign("b", x=expr("vars.y"), y=expr("vars.x"), z=expr("vars.x + vars.y")))
    assert run.vars == {"x": 2, "y": 1, "z": 3}


def test_transform_assign_assigns_nothing_when_one_expression_fails() -> None:
    run = begun(assign("b", x=1, y=expr("payload.gone")))
    assert (run.status, run.vars) == (RunStatus.FAILED, {})


@pytest.mark.parametrize("paths", [["vars.a", "vars.a.b"], ["vars.a.b", "vars.a"]])
def test_the_order_of_members_of_a_stored_assign_changes_nothing(paths: list[str]) -> None:
    values: dict[str, Any] = {"vars.a": {"kept": 1}, "vars.a.b": 2}
    run = begun(node("a", "transform.assign", assign={path: values[path] for path in paths}))
    assert run.vars == {"a": {"kept": 1, "b": 2}}
    indexes = [10, 2, 1, 0, 9, 3, 4, 8, 7, 6, 5]
    run = begun(
        node("y", "transform.assign", assign={"vars.list": []}),
        node("b", "transform.assign", assign={f"vars.list[{n}]": n for n in indexes}),
    )
    assert run.vars == {"list": list(range(11))}


def test_which_of_two_expressions_fails_first_does_not_depend_on_their_order() -> None:
    mapping = {"b": expr("payload.b"), "a": expr("payload.a")}
    for given in (mapping, dict(reversed(mapping.items()))):
        assert begun(call(given=given)).error["message"].startswith("payload.a ")


def test_expressions_are_resolved_at_any_depth() -> None:
    given = {"a": [{"b": expr("1 + 1"), "c": "kept"}, [expr("'x'")]], "d": {"$expr": "1", "e": 2}}
    run = begun(call(given=given))
    assert run.inputs() == [{"a": [{"b": 2, "c": "kept"}, ["x"]], "d": {"$expr": "1", "e": 2}}]


@pytest.mark.parametrize("text", ["payload.gone", "vars.a.b"])
def test_a_result_that_is_missing_is_an_expression_error(text: str) -> None:
    run = begun(call(given={"x": expr(text)}))
    assert (run.error["category"], run.error["code"]) == ("ExpressionError", "MISSING_RESULT")


def test_coalesce_guards_what_is_missing_and_null_is_a_result() -> None:
    run = begun(call(given={"x": expr("coalesce(payload.gone, 'there')"), "n": expr("payload.n")}), payload={"n": None})
    assert run.inputs() == [{"x": "there", "n": None}]


def test_an_expression_that_fails_is_an_expression_error_with_its_place() -> None:
    run = begun(call(given={"x": expr("1 + 'a'")}))
    assert run.error["category"] == "ExpressionError"
    assert run.error["details"]["expression"] == "1 + 'a'"


def test_now_is_the_time_of_the_last_event() -> None:
    run = begun(
        assign("a", first=expr("nowIso()")),
        node("w", "time.wait", mode="duration", durationMs=1500),
        assign("b", second=expr("nowIso()")),
    )
    run.fire()
    assert (run.vars["first"], run.vars["second"]) == ("2026-01-25T12:00:00.000Z", "2026-01-25T12:00:01.500Z")


# --------------------------------------------------------------------------------------------------------- action.call


def test_action_call_asks_for_the_action_with_its_input_and_key() -> None:
    run = begun(
        call(
            action="x.y", given={"a": expr("payload.a")}, version=3, idempotencyKey=expr("'k-' & toString(payload.a)")
        ),
        payload={"a": 1},
    )
    assert run.asked == [CallAction(STEP, "x.y", 3, {"a": 1}, "k-1")]


def test_without_input_mapping_the_input_is_an_empty_object() -> None:
    step = call()
    del step["config"]["inputMapping"]
    assert begun(step).inputs() == [{}]


@pytest.mark.parametrize(
    ("save_as", "where"),
    [
        ("out", ("vars", "out")),
        ("vars.out", ("vars", "out")),
        ("vars.deep.out", ("vars", "deep", "out")),
        ("payload.out", ("payload", "out")),
        ("/out", ("payload", "out")),
        ("meta.out", ("meta", "out")),
    ],
)
def test_a_bare_name_in_save_as_means_vars(save_as: str, where: tuple[str, ...]) -> None:
    run = begun(call(saveAs=save_as))
    run.succeed({"x": 1})
    value: Any = run.machine.envelope
    for part in where:
        value = value[part]
    assert value == {"x": 1}


def test_without_save_as_the_output_is_not_kept() -> None:
    run = begun(call())
    run.succeed({"x": 1})
    assert run.vars == {}


def test_designer_fields_of_action_call_are_kept_and_mean_nothing() -> None:
    run = begun(call(designer={"x": {"$expr": "this ((( is no expression"}}, inputSource="form"))
    assert run.inputs() == [{}]


@pytest.mark.parametrize("key", [expr("null"), expr("''"), expr("[1]"), expr("true"), ""])
def test_an_idempotency_key_that_is_no_text_fails_the_step(key: object) -> None:
    run = begun(call(idempotencyKey=key))
    assert (run.status, run.error["code"]) == (RunStatus.FAILED, "INVALID_IDEMPOTENCY_KEY")


def test_a_secret_stays_a_reference_and_its_place_is_said() -> None:
    run = begun(call(given={"token": {"$secret": "TOKEN"}, "deep": [{"$secret": "OTHER"}]}))
    (command,) = run.asked
    assert isinstance(command, CallAction)
    assert command.input == {"token": {"$secret": "TOKEN"}, "deep": [{"$secret": "OTHER"}]}
    assert set(command.secrets) == {("token",), ("deep", 0)}


def test_what_looks_like_a_secret_in_data_is_no_reference() -> None:
    run = begun(call(given={"body": expr("payload")}), payload={"$secret": "TOKEN"})
    (command,) = run.asked
    assert isinstance(command, CallAction)
    assert command.input == {"body": {"$secret": "TOKEN"}}
    assert command.secrets == ()


# ---------------------------------------------------------------------------------------------------------- event.wait


def wait(**config: object) -> dict[str, Any]:
    return node("w", "event.wait", **{"eventName": "PAID", "correlationKey": expr("payload.id"), **config})


def test_event_wait_parks_the_run() -> None:
    filters = [{"path": "status", "op": "in", "value": ["paid"]}, {"path": "n", "op": ">", "value": expr("payload.n")}]
    run = begun(wait(filters=filters, timeoutMs=5000), payload={"id": "i-1", "n": 3})
    resolved = ({"path": "status", "op": "in", "value": ["paid"]}, {"path": "n", "op": ">", "value": 3})
    assert run.asked == [WaitEvent(STEP, "PAID", "i-1", resolved, later(5000))]
    assert run.status is RunStatus.WAITING


def test_on_resume_vars_event_and_vars_event_name_are_there_for_assign() -> None:
    run = begun(wait(assign={"vars.by": expr("vars.event.by & '/' & vars.eventName")}), payload={"id": "i-1"})
    run.arrive({"by": "ann"})
    assert run.vars == {"event": {"by": "ann"}, "eventName": "PAID", "by": "ann/PAID"}
    assert run.records[STEP].status is StepStatus.SUCCEEDED


def test_a_wait_for_an_event_that_takes_too_long_is_a_timeout_error() -> None:
    run = begun(wait(timeoutMs=5000), payload={"id": "i-1"})
    run.time_out()
    assert (run.status, run.error["category"]) == (RunStatus.FAILED, "TimeoutError")
    assert run.error["at"] == "2026-01-25T12:00:05.000Z"


def test_a_wait_without_timeout_is_not_ended_by_time() -> None:
    run = begun(wait(), payload={"id": "i-1"})
    assert run.send(Fired(later(10**9), STEP)) == ()
    assert run.status is RunStatus.WAITING


@pytest.mark.parametrize(("key", "said"), [(expr("null"), None), (expr("7"), "7"), ("fix", "fix")])
def test_a_correlation_key_is_text_or_null(key: object, said: str | None) -> None:
    (command,) = begun(wait(correlationKey=key)).asked
    assert isinstance(command, WaitEvent)
    assert command.correlation_key == said


@pytest.mark.parametrize(
    "config",
    [
        {"eventName": 7},
        {"correlationKey": expr("[1]")},
        {"correlationKey": "é" * 501},
        {"eventName": "n" * 1001},
        {"timeoutMs": -1},
        {"timeoutMs": "soon"},
        {"filters": {"path": "a", "op": "=", "value": 1}},
        {"filters": [{"path": "a", "op": "like", "value": 1}]},
        {"filters": [{"op": "=", "value": 1}]},
        {"filters": [{"path": "a", "op": "in", "value": 1}]},
    ],
)
def test_a_wrong_shape_is_a_validation_error_of_the_step(config: dict[str, object]) -> None:
    run = begun(wait(**config), payload={"id": "i"})
    assert (run.status, run.error["category"], run.error["code"]) == (
        RunStatus.FAILED,
        "ValidationError",
        "INVALID_CONFIG",
    )


# ----------------------------------------------------------------------------------------------------------- time.wait


def test_time_wait_for_a_duration() -> None:
    run = begun(
        node(
            "w",
            "time.wait",
            mode="duration",
            durationMs=expr("1000 * 2"),
            assign={"vars.due": expr("vars.timeWait.dueAt")},
        )
    )
    assert run.asked == [WaitUntil(STEP, later(2000), "time")]
    assert run.status is RunStatus.WAITING
    run.fire()
    assert run.vars == {
        "timeWait": {"mode": "duration", "dueAt": "2026-01-25T12:00:02.000Z", "resumedAt": "2026-01-25T12:00:02.000Z"},
        "due": "2026-01-25T12:00:02.000Z",
    }


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("2026-01-25T12:00:30Z", 30),
        ("2026-01-25T13:00:30+01:00", 30),
        ("2026-01-25T12:00:30", 30),
        ("2026-01-26", 12 * 3600),
        ("2020-01-01T00:00:00.000Z", (2216 * 24 + 12) * -3600),
    ],
)
def test_time_wait_until_a_moment(until: str, seconds: float) -> None:
    run = begun(node("w", "time.wait", mode="until", until=expr(f"'{until}'")))
    assert run.asked == [WaitUntil(STEP, later(seconds * 1000), "time")]


@pytest.mark.parametrize(
    "config",
    [
        {"mode": "until", "until": "tomorrow"},
        {"mode": "until", "until": "2026-02-30T00:00:00Z"},
        {"mode": "until"},
        {"mode": "duration"},
        {"mode": "duration", "durationMs": True},
        {"mode": "sometime"},
        {},
    ],
)
def test_a_wait_that_says_no_time_is_a_validation_error(config: dict[str, Any]) -> None:
    assert begun(node("w", "time.wait", **config)).error["category"] == "ValidationError"


def test_a_wait_beyond_all_calendars_is_the_longest_there_is() -> None:
    (command,) = begun(node("w", "time.wait", mode="duration", durationMs=1e300)).asked
    assert isinstance(command, WaitUntil)
    assert command.due.year == 9999


# ---------------------------------------------------------------------------------------------------------- human.task


def test_human_task_opens_a_task_and_takes_the_answer_as_vars_event() -> None:
    run = begun(
        node(
            "t",
            "human.task",
            taskType="approval",
            title=expr("'Sum ' & toString(payload.n)"),
            description="Decide.",
            contextData={"n": expr("payload.n")},
            assign={"vars.decision": expr("vars.event.decision")},
        ),
        payload={"n": 4},
    )
    assert run.asked == [OpenTask(STEP, "approval", "Sum 4", "Decide.", {"n": 4})]
    assert run.status is RunStatus.WAITING
    run.answer({"decision": "yes"})
    assert run.vars == {"event": {"decision": "yes"}, "decision": "yes"}


def test_a_task_without_title_is_a_validation_error() -> None:
    assert begun(node("t", "human.task", taskType="a", title=expr("7"))).error["category"] == "ValidationError"


# ------------------------------------------------------------------------------------------- e-mail and plugins' nodes


@pytest.mark.parametrize(
    ("kind", "action"),
    [("email.parseBody", "parse_email_reply"), ("email.renderCommentBlocks", "convert_html_to_blocks")],
)
def test_the_email_nodes_call_their_actions(kind: str, action: str) -> None:
    registry = Registry.of(actions=[Action(action, 1), Action(action, 2)])
    run = begun(
        node("e", kind, text=expr("payload.t"), html="<p>", saveAs="got"), payload={"t": "x"}, registry=registry
    )
    assert run.asked == [CallAction(STEP, action, 2, {"text": "x", "html": "<p>"})]
    run.succeed({"a": 1})
    assert run.vars == {"got": {"a": 1}}


def test_a_plugins_node_type_calls_the_action_of_its_name_with_its_config() -> None:
    registry = Registry.of(actions=[Action("ai.infer", 4)], node_types=[NodeType("ai.infer")])
    step = node(
        "p",
        "ai.infer",
        prompt=expr("'Hi'"),
        key={"$secret": "K"},
        saveAs="out",
        idempotencyKey="k",
        onError={"policy": "continue"},
    )
    run = begun(step, registry=registry)
    assert run.asked == [CallAction(STEP, "ai.infer", 4, {"prompt": "Hi", "key": {"$secret": "K"}}, "k", (("key",),))]
    run.fail()
    assert run.status is RunStatus.SUCCEEDED


# -------------------------------------------------------------------------------------------------------- callWorkflow


def child(**fields: object) -> dict[str, Any]:
    return control("c", "callWorkflow", workflowId="other", workflowVersion=2, **fields)


def test_call_workflow_starts_a_child_with_the_mapped_input() -> None:
    run = begun(child(inputMapping={"n": expr("payload.n"), "fix": True}), payload={"n": 1})
    assert run.asked == [StartChild(STEP, "other", 2, {"n": 1, "fix": True})]
    assert run.status is RunStatus.WAITING


def test_output_mapping_sees_the_childs_payload_and_vars() -> None:
    mapping = {"vars.got": expr("vars.result & payload.p"), "plain": expr("len(vars.result)")}
    run = begun(assign("a", result="mine"), child(outputMapping=mapping))
    run.child(output={"payload": {"p": "!"}, "vars": {"result": "theirs"}})
    assert run.vars == {"result": "mine", "got": "theirs!", "plain": 6}


def test_the_childs_failure_is_the_steps_failure() -> None:
    failure = Failure("TransientError", "child is down", "E", {"x": 1})
    run = begun(child())
    run.child(RunStatus.FAILED, failure=failure)
    assert run.status is RunStatus.FAILED
    assert {key: run.error[key] for key in ("category", "message", "nodePath", "code", "details")} == {
        "category": "TransientError",
        "message": "child is down",
        "nodePath": "root.steps[0]",
        "code": "E",
        "details": {"x": 1},
    }


def test_a_child_that_says_nothing_of_its_end_fails_its_step() -> None:
    run = begun(child())
    run.child(RunStatus.FAILED)
    assert run.error["code"] == "CHILD_FAILED"


def test_an_output_mapping_without_a_place_fails_the_step() -> None:
    run = begun(child(outputMapping={"run.id": 1}))
    run.child()
    assert run.error["code"] == "INVALID_ASSIGN_PATH"


@pytest.mark.parametrize(("field", "value"), [("actionId", 7), ("version", "1"), ("saveAs", 7), ("saveAs", "a.b")])
def test_an_action_call_of_a_wrong_shape_is_a_validation_error(field: str, value: Any) -> None:
    run = begun(call(**{field: value}))
    if run.status is RunStatus.RUNNING:
        run.succeed()
    assert run.error["category"] == "ValidationError"


@pytest.mark.parametrize("assign_", [None, [1], "x"])
def test_an_assign_that_is_no_object_is_a_validation_error(assign_: object) -> None:
    assert begun(node("a", "transform.assign", assign=assign_)).error["category"] == "ValidationError"


def test_a_call_of_a_workflow_has_retry_and_on_error() -> None:
    run = begun(child(retry={"maxAttempts": 2, "backoffMs": 10, "jitter": False}, onError={"policy": "continue"}))
    run.child(RunStatus.FAILED, failure=Failure("TransientError", "x"))
    run.fire()
    assert run.asked == [StartChild(Pos("root.steps[0]", "", 2), "other", 2, {})]
    run.child(RunStatus.CANCELED)
    assert run.status is RunStatus.SUCCEEDED
    assert (run.records[Pos("root.steps[0]", "", 2)].error or {})["code"] == "CHILD_CANCELED"


def test_loop_variables_are_there_in_the_mappings_of_a_call() -> None:
    run = begun(
        loop("l", "['a']", child(inputMapping={"i": expr("item")}, outputMapping={"vars.x": expr("item & vars.y")}))
    )
    assert run.one(StartChild).payload == {"i": "a"}
    run.asked.append(StartChild(Pos("root.steps[0].body.steps[0]", "0"), "other", 2, {}))
    run.child(output={"payload": {}, "vars": {"y": "b"}})
    assert run.vars == {"x": "ab"}
    assert run.at == AT
