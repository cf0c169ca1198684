"""The walk, what is derived from it, and references."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given

from samples import Tree, call, definition, step
from strategies import definitions
from wfsync.bundle.dependencies import declared, derive
from wfsync.bundle.references import calls, calls_in, is_uuid, rewrite
from wfsync.bundle.steps import step_path_text, steps_of, walk

NESTED = definition(
    step("a"),
    step(
        "b",
        "control.if",
        then=[step("c")],
        **{"else": [step("d", "control.tryCatch", **{"try": [step("e")], "catch": [step("f")]})]},
    ),
    step("g", "control.forEach", body=[call("h", "x")]),
)


def test_parents_come_before_children_in_document_order() -> None:
    assert [s["id"] for _, s in walk(NESTED)] == list("abcdefgh")


def test_paths_lead_to_their_steps() -> None:
    for path, found in walk(NESTED):
        node = NESTED
        for part in path:
            node = node[part]  # type: ignore[index]
        assert node is found


def test_paths_are_spelled_as_the_runtime_does() -> None:
    texts = [step_path_text(path) for path, _ in walk(NESTED)]
    assert texts[4] == "root.steps[1].else.steps[0].try.steps[0]"
    assert step_path_text(()) == "root"


@pytest.mark.parametrize("steps", [None, "x", [1, None, [], "y"], [{"then": {"not": "a list"}}]])
def test_malformed_parts_are_passed_over(steps: object) -> None:
    assert [s for _, s in walk({"steps": steps})] in ([], [{"then": {"not": "a list"}}])


@given(definitions(callees=(("x", 1),)))
def test_without_paths_the_same_steps_and_calls_are_found(tree: Tree) -> None:
    steps = steps_of(tree)
    assert sorted(id(step) for step in steps) == sorted(id(step) for _, step in walk(tree))
    assert calls_in(tree, steps, 3) == calls(walk(tree), 3)


@pytest.mark.parametrize("steps", [None, "x", [1, None, [], "y"], [{"then": {"not": "a list"}}]])
def test_without_paths_malformed_parts_are_passed_over(steps: object) -> None:
    tree = {"steps": steps}
    assert steps_of(tree) == [step for _, step in walk(tree)]


def test_dependencies() -> None:
    metadata = {
        "payloadSchemaRef": "m",
        "pinnedPayloadSchemaRef": "p",
        "trigger": {"type": "event", "sourcePayloadSchemaRef": "t"},
    }
    steps = [
        step("1", "action.call", config={"actionId": "b", "version": 2}),
        step("2", "action.call", config={"actionId": "b", "version": 10}),
        step("3", "action.call", config={"actionId": "a", "version": 1}),
        step("4", "action.call", config={"actionId": "bad", "version": True}),
        step("5", "action.call", config={"actionId": "bad", "version": 0}),
        step("6", "action.call", config="bad"),
        {"id": "7"},
        {"id": "8", "type": 5},
        call("9", "x"),
    ]
    one = definition(*steps, trigger={"type": "event", "sourcePayloadSchemaRef": "d"})
    other = definition(step("x", "time.wait"), trigger={"type": "schedule", "sourcePayloadSchemaRef": "no"})
    found = derive(metadata, (one, other))
    assert found.actions == (("a", 1), ("b", 2), ("b", 10))
    assert found.node_types == ("action.call", "time.wait")
    assert found.schema_refs == ("d", "m", "p", "payload.X.v1", "t")


def test_declared_control_entries_are_ignored() -> None:
    tree = {
        "actions": [{"actionId": "control.x", "version": 1}, {"actionId": "a", "version": 1}],
        "nodeTypes": ["control.if", "n"],
        "schemaRefs": ["s"],
    }
    both = declared(tree).union(derive({}, (definition(),)))
    assert both.to_tree() == {
        "actions": [{"actionId": "a", "version": 1}],
        "nodeTypes": ["n"],
        "schemaRefs": ["payload.X.v1", "s"],
    }


def test_calls() -> None:
    tree = definition(call("a", "x", 2), call("b", ""), step("c", "control.callWorkflow"), call("d", "y", 0))
    assert [(c.target, c.version, c.path, c.in_version) for c in calls(walk(tree), 7)] == [
        ("x", 2, ("steps", 0), 7),
        ("y", 0, ("steps", 3), 7),
    ]


def test_rewriting_copies_only_what_changes() -> None:
    before = copy.deepcopy(NESTED)
    after = rewrite(NESTED, lambda target: target + "!")
    assert before == NESTED
    assert after["steps"][2]["body"][0]["workflowId"] == "x!"
    assert after["steps"][1] is NESTED["steps"][1]
    assert rewrite(NESTED, lambda target: target) is NESTED


@given(definitions())
def test_rewriting_there_and_back_is_nothing(tree: dict[str, object]) -> None:
    there = rewrite(tree, lambda target: "x" + target)
    assert len(calls(walk(there), None)) == len(calls(walk(tree), None))
    assert rewrite(there, lambda target: target[1:]) == tree


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("550e8400-e29b-41d4-a716-446655440000", True),
        ("550E8400E29B41D4A716446655440000", True),
        ("{550e8400-e29b-41d4-a716-446655440000}", True),
        ("urn:uuid:550e8400-e29b-41d4-a716-446655440000", True),
        ("550e8400-e29b-41d4-a716-44665544000", False),
        ("g50e8400-e29b-41d4-a716-446655440000", False),
        ("billing.dunning", False),
    ],
)
def test_uuids(text: str, uuid: bool) -> None:
    assert is_uuid(text) is uuid
