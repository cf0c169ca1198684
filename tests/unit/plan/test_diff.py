"""What `wfsync.plan.diff.compare` says about examples that a person would write."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest

from wfsync.bundle.model import PublishedVersion, Workflow
from wfsync.plan.change import MISSING, FieldChange
from wfsync.plan.diff import compare


def workflow(draft: Any = None, *versions: PublishedVersion, draft_version: int = 1, **metadata: Any) -> Workflow:
    fields = {"name": "Greeting", "trigger": None, **metadata}
    return Workflow("greeting", fields, draft_version, {"name": "d", "steps": []} if draft is None else draft, versions)


def steps(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "d", **fields, "steps": list(items)}


def call(name: str, **config: Any) -> dict[str, Any]:
    return {"id": name, "type": "action.call", "config": config}


def said(changes: tuple[FieldChange, ...]) -> list[tuple[str, str]]:
    return [(change.op, change.path) for change in changes]


START, END = call("start", a=1), {"id": "end", "type": "control.return"}
CHECK = {
    "id": "check",
    "type": "control.if",
    "condition": {"$expr": "true"},
    "then": [call("notify", inputMapping={"body": "a"})],
}


def test_equal_workflows_do_not_differ() -> None:
    assert compare(workflow(steps(START, CHECK)), workflow(copy.deepcopy(steps(START, CHECK)))) == ()


def test_a_nested_steps_field_is_named_by_the_steps_id() -> None:
    after = copy.deepcopy(CHECK)
    after["then"][0]["config"]["inputMapping"]["body"] = "b"  # type: ignore[index]
    changes = compare(workflow(steps(START, CHECK)), workflow(steps(START, after)))
    assert changes == (FieldChange("change", "draft.steps[notify].config.inputMapping.body", "a", "b"),)


def test_metadata_draft_and_versions_come_in_the_order_of_a_file() -> None:
    one, two, three = (PublishedVersion(n, steps(START), {"type": "object"}) for n in (1, 2, 3))
    changed = PublishedVersion(2, steps(call("start", a=2)), {"type": "array"})
    before = workflow(steps(START), one, two)
    after = workflow(steps(END), changed, three, draft_version=4, trigger={"type": "event"}, name="Hello")
    assert said(compare(before, after)) == [
        ("change", "metadata.name"),
        ("change", "metadata.trigger"),
        ("change", "draftVersion"),
        ("add", "draft.steps[end]"),
        ("remove", "draft.steps[start]"),
        ("remove", "versions[1]"),
        ("change", "versions[2].steps[start].config.a"),
        ("change", "versions[2].payloadSchemaJson.type"),
        ("add", "versions[3]"),
    ]


def test_a_move_to_another_block_is_only_a_move() -> None:
    notify = CHECK["then"][0]  # type: ignore[index]
    changes = compare(workflow(steps(START, CHECK, END)), workflow(steps(START, notify, {**CHECK, "then": []}, END)))
    assert changes == (
        FieldChange(
            "move",
            "draft.steps[notify]",
            "root.steps[1].then.steps[0]",
            "root.steps[1]",
            note="moved from then of check to top level after start",
        ),
    )


def test_a_move_within_a_block_moves_one_step_and_leaves_the_others() -> None:
    a, b, c, d = (call(name) for name in "abcd")
    [change] = compare(workflow(steps(a, b, c, d)), workflow(steps(d, a, b, c)))
    assert (change.op, change.path) == ("move", "draft.steps[d]")
    assert change.note == "moved from top level after c to top level, first"


def test_steps_nested_in_a_step_that_moves_do_not_move() -> None:
    changes = compare(workflow(steps(START, CHECK, END)), workflow(steps(CHECK, START, END)))
    assert len(changes) == 1
    assert changes[0].op == "move"


def test_a_step_that_moves_and_changes_says_both() -> None:
    changes = compare(workflow(steps(START, CHECK)), workflow(steps(call("notify", inputMapping={}), START)))
    assert said(changes) == [
        ("move", "draft.steps[notify]"),
        ("remove", "draft.steps[notify].config.inputMapping.body"),
        ("remove", "draft.steps[check]"),
    ]


def test_an_added_step_is_one_entry_with_a_summary() -> None:
    new = {"id": "ask", "type": "human.task", "name": "Ask", "config": {"title": "t"}}
    [change] = compare(workflow(steps(START, CHECK)), workflow(steps(START, {**CHECK, "else": [new]})))
    assert (change.op, change.path, change.old, change.new) == ("add", "draft.steps[ask]", MISSING, new)
    assert change.note == "human.task, Ask; in else of check, first"


def test_an_empty_block_that_comes_or_goes_is_seen() -> None:
    without = {"id": "c", "type": "control.if", "then": []}
    changes = compare(workflow(steps(without)), workflow(steps({**without, "else": []})))
    assert changes == (FieldChange("add", "draft.steps[c].else", MISSING, []),)


@pytest.mark.parametrize(
    ("old", "new"), [(True, 1), (False, 0), ("1", 1), (None, False), ([], {}), ({}, None), (0.5, "0.5"), (1, 1.5)]
)
def test_types_are_not_confused(old: Any, new: Any) -> None:
    [change] = compare(workflow(steps(call("s", v=old))), workflow(steps(call("s", v=new))))
    assert (change.op, change.path, repr(change.old), repr(change.new)) == (
        "change",
        "draft.steps[s].config.v",
        repr(old),
        repr(new),
    )


def test_a_number_is_what_it_is_worth() -> None:
    assert compare(workflow(steps(call("s", v=1, z=0))), workflow(steps(call("s", v=1.0, z=-0.0)))) == ()


def test_an_item_put_into_a_list_is_one_addition() -> None:
    old = [{"k": n} for n in range(50)]
    changes = compare(
        workflow(steps(call("s", l=old))), workflow(steps(call("s", l=[*old[:20], {"k": "x"}, *old[20:]])))
    )
    assert changes == (FieldChange("add", "draft.steps[s].config.l[20]", MISSING, {"k": "x"}),)


def test_objects_in_a_list_are_paired_by_what_names_them() -> None:
    old = [{"name": "a", "v": 1}, {"name": "b", "v": 1}]
    new = [{"name": "x", "v": 9}, {"name": "a", "v": 2}, {"name": "b", "v": 3}]
    assert said(compare(workflow(steps(call("s", l=old))), workflow(steps(call("s", l=new))))) == [
        ("add", "draft.steps[s].config.l[0]"),
        ("change", "draft.steps[s].config.l[1].v"),
        ("change", "draft.steps[s].config.l[2].v"),
    ]


def test_items_that_change_places_are_seen() -> None:
    a, b = {"id": "a"}, {"id": "b"}
    assert compare(workflow(steps(call("s", l=[a, b]))), workflow(steps(call("s", l=[b, a]))))


@pytest.mark.parametrize("name", ["a.b", 'say "x"', "it's", "[0]", "__private", "", "ключ", "new\nline", "root['x']"])
def test_odd_names_give_one_unambiguous_path(name: str) -> None:
    [change] = compare(workflow(steps(call("s", **{name: 1}))), workflow(steps(call("s", **{name: 2}))))
    assert (change.op, change.old, change.new) == ("change", 1, 2)
    plain = name == "__private"
    assert change.path.startswith("draft.steps[s].config." if plain else 'draft.steps[s].config["')


def test_equal_ids_are_told_apart_by_occurrence() -> None:
    before = workflow(steps(call("s", v=1), call("s", v=1), call("0"), {"type": "x"}))
    after = workflow(steps(call("s", v=1), call("s", v=2), call("0", v=1), {"type": "y"}))
    assert [path for _, path in said(compare(before, after))] == [
        "draft.steps[s#2].config.v",
        'draft.steps["0"].config.v',
        "draft.steps[#1].type",
    ]


def test_unfinished_drafts_are_compared_too() -> None:
    changes = compare(workflow(steps("oops", START)), workflow(steps(START, "oops")))
    assert changes
    assert all(change.path.startswith("draft.steps[") for change in changes)
    assert said(compare(workflow({"steps": "none"}), workflow({"steps": []}))) == [("change", "draft.steps")]
    assert said(compare(workflow({}), workflow({"steps": []}))) == [("add", "draft.steps")]


def test_a_definitions_own_field_is_not_taken_for_the_payload_schema() -> None:
    one = PublishedVersion(1, {"steps": [], "payloadSchemaJson": 1}, {"a": 1})
    two = PublishedVersion(1, {"steps": [], "payloadSchemaJson": 2}, {"a": 2})
    paths = [path for _, path in said(compare(workflow(None, one), workflow(None, two)))]
    assert paths == ['versions[1]["payloadSchemaJson"]', "versions[1].payloadSchemaJson.a"]


def test_a_payload_schema_that_comes_and_goes() -> None:
    one, two = (PublishedVersion(1, steps(), schema) for schema in (None, {"type": "object"}))
    assert compare(workflow(None, one), workflow(None, two)) == (
        FieldChange("change", "versions[1].payloadSchemaJson", None, {"type": "object"}),
    )


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"k": leaf}
    return leaf


def test_deep_huge_and_long_values_are_shown_whole_rather_than_refused() -> None:
    deep = compare(workflow(steps(call("s", v=nested(190, 1)))), workflow(steps(call("s", v=nested(190, 2)))))
    assert [change.op for change in deep] == ["change"]
    huge = compare(workflow(steps(call("s", v=10**400))), workflow(steps(call("s", v=10**400 + 1))))
    assert said(huge) == [("change", "draft.steps[s].config.v")]
    many = compare(
        workflow(steps(call("s", v={str(n): n for n in range(20_000)}))),
        workflow(steps(call("s", v={str(n): n + 1 for n in range(20_000)}))),
    )
    assert said(many) == [("change", "draft.steps[s].config")]
    text = "line\n" * 100_000
    assert len(compare(workflow(steps(call("s", v=text))), workflow(steps(call("s", v="x" + text))))) == 1


def test_a_long_list_that_changes_everywhere_ends_soon() -> None:
    old, new = [n % 7 for n in range(30_000)], [n % 5 for n in range(30_000)]
    assert said(compare(workflow(steps(call("s", v=old))), workflow(steps(call("s", v=new))))) == [
        ("change", "draft.steps[s].config")
    ]


def test_deepdiff_is_imported_only_when_something_differs() -> None:
    program = (
        "import sys; from wfsync.bundle.model import Workflow; from wfsync.plan.diff import compare\n"
        "w = Workflow('k', {}, 1, {'steps': []}, ()); assert compare(w, w) == (); print('deepdiff' in sys.modules)\n"
        "v = Workflow('k', {}, 1, {'x': 1, 'steps': []}, ()); assert compare(w, v); print('deepdiff' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]
