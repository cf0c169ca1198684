"""Simulations: the trace of a workflow with nothing behind it (issue 4, section 10)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_definitions import definitions
from machines import assign, attempt, call, control, definition, expr, loop, node
from wfsync.bundle.model import JsonObject
from wfsync.render.simulation import simulation_json, simulation_mermaid, simulation_text
from wfsync.runtime.actions import built_in_actions
from wfsync.runtime.definition import compile_definition
from wfsync.runtime.in_process.world import Program
from wfsync.runtime.protocol import RunStatus
from wfsync.runtime.redaction import MASK
from wfsync.runtime.registry import Action, PayloadSchema, Registry
from wfsync.runtime.simulation import Manner, Simulation, Waits, simulate

NOW = datetime(2026, 1, 25, tzinfo=UTC)


def never(*_: object) -> Any:
    raise AssertionError("a simulation called an action")


def program(key: str, tree: JsonObject) -> tuple[Program, JsonObject]:
    return Program(key, tree["version"], compile_definition(tree)), tree


def simulated(
    *steps: JsonObject,
    payload: Any = None,
    registry: Registry | None = None,
    others: dict[str, JsonObject] | None = None,
    **manner: Any,
) -> Simulation:
    def find(key: str, _version: int) -> tuple[Program, JsonObject] | None:
        tree = (others or {}).get(key)
        return None if tree is None else program(key, tree)

    return simulate(
        *program("test.flow", definition(*steps)),
        {} if payload is None else payload,
        registry or Registry(),
        find=find,
        manner=Manner(NOW, **manner),
    )


def reasons(found: Simulation) -> dict[str, str]:
    return {step.record.step_id: step.reason for step in found.steps}


def test_outputs_are_made_up_from_the_actions_schemas_and_nothing_is_called() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 5}, "to": {"type": "string", "format": "email"}},
    }
    registry = Registry.of([Action("do.it", 1, output_schema=schema, run=never)])
    found = simulated(call("a", saveAs="got"), assign("b", n=expr("vars.got.n + 1")), registry=registry)
    assert found.status is RunStatus.SUCCEEDED
    assert found.envelope["vars"] == {"got": {"n": 5, "to": "someone@example.com"}, "n": 6}
    assert reasons(found)["a"] == "output made up from the action's schema"


def test_without_a_schema_an_output_has_what_later_steps_read_of_it() -> None:
    found = simulated(
        call("a", saveAs="got"),
        assign("b", x=expr("vars.got.deep.name & '!'"), n=expr("vars.got.amount + 1")),
        loop("l", "vars.got.people", assign("c", mail=expr("person.email")), var="person"),
    )
    assert found.status is RunStatus.SUCCEEDED
    assert found.envelope["vars"]["x"] == "made-up name!"
    assert found.envelope["vars"]["mail"] == "someone@example.com"
    assert "not registered" in reasons(found)["a"]


def test_only_built_in_actions_that_compute_are_run() -> None:
    registry = Registry.of(built_in_actions())
    step = call("a", action="transform.uppercase_text", given={"text": "abc"}, saveAs="got")
    found = simulated(step, call("b", action="http.request", given={"url": "https://example.com"}), registry=registry)
    assert found.steps[0].reason == "computed: the action has no effects"
    assert "ABC" in str(found.envelope["vars"]["got"])


def test_every_branch_has_its_reason_with_the_values_that_it_looked_at() -> None:
    found = simulated(
        control("i", "if", condition=expr("payload.total > 100 and payload.kind = 'x'"), then=[]),
        loop("l", "payload.items", var="one"),
        attempt("t", [node("bad", "state.set")], []),
        payload={"total": 120, "kind": "x", "items": [1, 2]},
    )
    said = reasons(found)
    assert said["i"] == (
        "then: payload.total > 100 and payload.kind = 'x' is true (payload.kind is 'x', payload.total is 120)"
    )
    assert said["l"] == "payload.items has 2 items"
    assert said["t"] == "catch: something in try failed"
    assert said["bad"] == "ValidationError: config.state is missing"


def wait(**more: Any) -> JsonObject:
    filters = [
        {"path": "status", "op": "in", "value": ["paid", "open"]},
        {"path": "sum", "op": ">", "value": 10},
        {"path": "gone", "op": "not_exists"},
        {"path": "who.mail", "op": "ends_with", "value": "@example.com"},
        {"path": "id", "op": "exists"},
    ]
    return node("w", "event.wait", eventName="PAID", correlationKey="k", filters=filters, **more)


def test_an_event_is_made_up_that_passes_the_filters() -> None:
    found = simulated(wait(assign={"vars.note": expr("vars.event.note")}))
    assert found.status is RunStatus.SUCCEEDED
    event = found.envelope["vars"]["event"]
    assert (event["status"], event["sum"], event["who"]["mail"]) == ("paid", 11, "@example.com")
    assert "gone" not in event
    assert found.envelope["vars"]["note"] == "made-up note"


def test_paths_of_filters_are_read_as_waits_read_them() -> None:
    filters = [{"path": path, "op": "=", "value": 7} for path in ("/a~1b/~0c", "items[0].n", "payload.x")]
    found = simulated(node("w", "event.wait", eventName="E", correlationKey="k", filters=filters))
    assert found.status is RunStatus.SUCCEEDED


def test_waits_may_time_out_instead_and_no_time_is_waited_for() -> None:
    found = simulated(wait(timeoutMs=86_400_000), waits="time-out")
    assert found.status is RunStatus.FAILED
    assert found.error is not None
    assert (found.error["category"], found.error["at"]) == ("TimeoutError", "2026-01-26T00:00:00.000Z")


def test_a_wait_for_what_never_comes_is_said() -> None:
    found = simulated(node("w", "event.wait", eventName="PAID", correlationKey=expr("null")))
    assert (found.status, found.stopped) == (None, "it waits for the event PAID that never comes")


def test_a_task_is_answered_from_its_form() -> None:
    form = {"type": "object", "required": ["decision"], "properties": {"decision": {"enum": ["yes", "no"]}}}
    registry = Registry.of(schemas=[PayloadSchema("task.approval", form)])
    task = node("t", "human.task", taskType="approval", title="T")
    assert simulated(task, registry=registry).envelope["vars"]["event"] == {"decision": "yes"}
    found = simulated(task, assign("a", by=expr("vars.event.by")))
    assert found.envelope["vars"]["by"] == "made-up by"


def test_called_workflows_are_simulated_as_well() -> None:
    child = definition(assign("x", result=expr("payload.n * 2")))
    calling = control(
        "c",
        "callWorkflow",
        workflowId="child",
        workflowVersion=1,
        inputMapping={"n": 4},
        outputMapping={"vars.got": expr("vars.result")},
    )
    found = simulated(calling, others={"child": child})
    assert found.envelope["vars"] == {"got": 8}
    assert [(step.workflow, step.depth, step.record.step_id) for step in found.steps] == [
        ("test.flow", 0, "c"),
        ("child", 1, "x"),
    ]
    assert simulated(calling).envelope["vars"] == {"got": "made-up result"}


def test_a_workflow_that_calls_itself_comes_to_an_end() -> None:
    calling = control("c", "callWorkflow", workflowId="test.flow", workflowVersion=1)
    found = simulated(calling, others={"test.flow": definition(calling)})
    assert found.status is RunStatus.SUCCEEDED
    assert max(step.depth for step in found.steps) == 5


def test_steps_are_limited() -> None:
    found = simulated(loop("l", "payload.items", assign("a", n=1)), payload={"items": list(range(50))}, max_steps=20)
    assert found.status is RunStatus.FAILED
    assert found.error is not None
    assert found.error["code"] == "STEP_LIMIT"
    assert len(found.steps) == 20


def test_the_same_arguments_give_the_same_trace() -> None:
    steps = [
        call("a", saveAs="x"),
        wait(),
        loop("l", "[1, 2, 3]", call("b", given={"x": expr("vars.x.y")}), concurrency=2),
    ]
    assert simulated(*steps).to_json() == simulated(*steps).to_json()


def test_secrets_are_masks() -> None:
    registry = Registry.of([Action("do.it", 1, run=never)])
    found = simulated(call("a", given={"t": {"$secret": "TOKEN"}}), registry=registry)
    assert found.status is RunStatus.SUCCEEDED
    assert MASK not in str(found.steps[0].record.input)
    assert found.steps[0].record.input == {"t": {"$secret": "TOKEN"}}


@pytest.mark.parametrize("sent", [{"n": "x"}, {}])
def test_an_input_that_does_not_fit_is_found(sent: JsonObject) -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    found = simulated(call("a", given=sent), registry=Registry.of([Action("do.it", 1, input_schema=schema, run=never)]))
    assert found.error is not None
    assert found.error["code"] == "INVALID_ACTION_INPUT"


@settings(max_examples=60, deadline=None)
@given(definitions(), st.sampled_from(["arrive", "time-out"]))
def test_whatever_a_definition_says_it_comes_to_an_end_that_can_be_shown(tree: JsonObject, waits: Waits) -> None:
    found = simulate(
        *program("w", tree), {"n": 1, "items": [1, 2]}, Registry(), find=lambda *_: None, manner=Manner(NOW, waits, 200)
    )
    assert found.status in {RunStatus.SUCCEEDED, RunStatus.FAILED}
    assert simulation_text(found).count("\n") > 0
    assert json.loads(simulation_json(found))["status"] == found.status
    assert simulation_mermaid(found, tree).startswith("flowchart")
