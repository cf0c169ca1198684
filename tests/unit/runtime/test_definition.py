"""Definitions that are compiled before they run (runtime.md "Definition")."""

from __future__ import annotations

from typing import Any

import pytest

from machines import call, control, definition, expr, loop, node, started
from wfsync.bundle.model import JsonObject
from wfsync.runtime.definition import InvalidDefinition, compile_definition
from wfsync.runtime.interpreter import begin
from wfsync.runtime.registry import Registry


def faults(tree: JsonObject) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinition) as caught:
        compile_definition(tree)
    assert caught.value.code == "INVALID_DEFINITION"
    assert len(caught.value.problems) == len(caught.value.faults)
    return [(fault.code, fault.step_path) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"id": "a", "type": "control.while"}, "root.steps[0]"),
        ({"id": "a", "type": "control.return", "extra": 1}, "root.steps[0]"),
        ({"id": "a"}, "root.steps[0]"),
        ({"id": "a", "type": "state.set", "then": []}, "root.steps[0]"),
        (control("a", "if", condition=True, then=[]), "root.steps[0]"),
        (control("a", "if", condition=expr("true"), then=[{"type": "state.set"}]), "root.steps[0].then.steps[0]"),
        (loop("a", "[]", concurrency=0), "root.steps[0]"),
        (call(retry={"maxAttempts": 0, "backoffMs": 1}), "root.steps[0]"),
        (call(onError={"policy": "ignore"}), "root.steps[0]"),
        (control("a", "callWorkflow", workflowId="x"), "root.steps[0]"),
    ],
)
def test_a_structural_fault_is_found_before_the_run_begins(step: JsonObject, path: str) -> None:
    found = faults(definition(step))
    assert {code for code, _ in found} == {"INVALID_WORKFLOW_DEFINITION"}
    assert found[0][1] == path
    with pytest.raises(InvalidDefinition):
        begin(definition(step), started(), Registry())


def test_step_ids_are_unique_in_the_whole_tree() -> None:
    tree = definition(
        call("a"), loop("l", "[]", call("b"), control("i", "if", condition=expr("true"), then=[call("a")]))
    )
    assert faults(tree) == [("DUPLICATE_STEP_ID", "root.steps[1].body.steps[1].then.steps[0]")]


def test_every_expression_that_does_not_compile_is_named() -> None:
    tree = definition(
        call("a", given={"x": expr("1 +"), "y": expr("2 +")}),
        control("b", "if", condition=expr("((("), then=[node("c", "state.set", state=expr("$eval('1')"))]),
        call("d", designer=expr("(((")),
    )
    assert sorted(faults(tree)) == [
        ("INVALID_EXPR", "root.steps[0]"),
        ("INVALID_EXPR", "root.steps[1]"),
        ("INVALID_EXPR", "root.steps[1].then.steps[0]"),
    ]


@pytest.mark.parametrize("missing", ["version", "name", "payloadSchemaRef", "steps"])
def test_a_definition_is_strict(missing: str) -> None:
    tree = definition()
    compile_definition({**tree, "id": "any", "description": None, "trigger": None})
    assert faults({**tree, "unknown": 1})
    del tree[missing]
    assert faults(tree)


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", None])
def test_a_version_is_an_integer_of_at_least_one(version: Any) -> None:
    assert faults({**definition(), "version": version})


def test_a_number_beyond_64_bits_is_compiled_too() -> None:
    compiled = compile_definition(definition(call("a", given={"n": 10**30})))
    assert [step.path for step in compiled.every_step()] == ["root.steps[0]"]


@pytest.mark.parametrize("path", ["__proto__", "run.x", "a..b"])
def test_a_captured_variable_without_a_path_is_a_fault(path: str) -> None:
    assert faults(definition(control("t", "tryCatch", **{"try": [], "catch": []}, captureErrorAs=path)))


def test_the_examples_of_the_repository_compile() -> None:
    import json
    from pathlib import Path

    folder = Path(__file__).parents[3] / "examples" / "repo" / "workflows"
    files = sorted(folder.rglob("*.json"))
    assert len(files) > 10
    for file in files:
        for workflow in json.loads(file.read_text())["workflows"]:
            compile_definition(workflow["draft"]["definition"])
            for version in workflow["publishedVersions"]:
                compile_definition(version["definition"])
