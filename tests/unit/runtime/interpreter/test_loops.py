"""``control.forEach`` (runtime.md "Semantics")."""

from __future__ import annotations

import pytest

from machines import AT, assign, attempt, begun, call, control, expr, loop, node
from wfsync.runtime.protocol import Pos, RunStatus, StepStatus, Succeeded

BAD = node("bad", "state.set")
"""Fails at once."""


def collecting(**fields: object) -> dict[str, object]:
    return loop("l", "payload.items", assign("a", seen=expr("append(coalesce(vars.seen, []), item)")), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payload", "seen"),
    [
        ({"items": [1, 2, 3]}, [1, 2, 3]),
        ({"items": []}, None),
        ({}, None),
        ({"items": None}, None),
        ({"items": 7}, [7]),
        ({"items": {"a": 1}}, [{"a": 1}]),
        ({"items": [[1], [2]]}, [[1], [2]]),
    ],
)
def test_missing_items_are_none_and_a_single_value_is_one(payload: dict[str, object], seen: object) -> None:
    run = begun(collecting(), payload=payload)
    assert run.status is RunStatus.SUCCEEDED
    assert len(run.vars.get("seen", [])) == len(seen or [])  # type: ignore[arg-type]


def test_the_item_variable_and_index_are_there_inside_and_restored_afterwards() -> None:
    run = begun(
        loop(
            "outer",
            "['a', 'b']",
            loop("inner", "[1, 2]", assign("x", inner=expr("toString(item) & '@' & toString(index)"))),
            assign("y", outer=expr("item & '@' & toString(index)")),
        ),
        assign("z", after=expr("coalesce(item, index, 'gone')")),
    )
    assert run.vars == {"inner": "2@1", "outer": "b@1", "after": "gone"}


def test_iterations_are_told_apart_by_every_enclosing_loop() -> None:
    run = begun(loop("o", "[1, 2]", loop("i", "[1, 2]", call(), var="inner")))
    seen = []
    while run.asked and run.status is RunStatus.RUNNING:
        seen.append(run.succeed().pos.iteration)
    assert seen == ["0.0", "0.1", "1.0", "1.1"]


def test_one_item_after_the_other_without_concurrency() -> None:
    run = begun(loop("l", "[1, 2]", call(given={"n": expr("item")})))
    assert run.inputs() == [{"n": 1}]
    run.succeed()
    assert run.inputs() == [{"n": 2}]


def test_concurrency_is_how_many_items_run_at_once() -> None:
    run = begun(loop("l", "[1, 2, 3, 4]", call(given={"n": expr("item")}), concurrency=2))
    assert run.inputs() == [{"n": 1}, {"n": 2}]
    run.succeed()
    assert run.inputs() == [{"n": 2}, {"n": 3}]


def test_concurrent_items_start_from_the_envelope_before_the_loop() -> None:
    run = begun(assign("a", x=0), loop("l", "[1, 2, 3]", assign("b", x=expr("vars.x + item")), concurrency=2))
    assert run.vars == {"x": 3}  # not 6: each item has begun with 0


def test_assignments_of_concurrent_items_merge_in_item_order() -> None:
    run = begun(
        loop("l", "[0, 1, 2]", call(given={}, saveAs="last"), assign("b", all=expr("item")), concurrency=3),
    )
    third, second, first = run.asked[2], run.asked[1], run.asked[0]
    for command in (third, first, second):
        run.asked.remove(command)
        run.asked.insert(0, command)
        run.succeed(command.pos.iteration)  # type: ignore[union-attr]
    assert run.vars == {"last": "2", "all": 2}


def test_what_an_item_assigns_inside_an_object_is_merged_there_only() -> None:
    body = node("b", "transform.assign", assign={"/a/x": 1})
    other = node("c", "transform.assign", assign={"/a/y": 2})
    run = begun(
        loop(
            "l",
            "[0, 1]",
            control("i", "if", condition=expr("item = 0"), then=[body], **{"else": [other]}),
            concurrency=2,
        ),
        payload={"a": {"z": 0}},
    )
    assert run.machine.envelope["payload"] == {"a": {"z": 0, "x": 1, "y": 2}}


def test_assignments_that_do_not_go_together_fail_the_loop() -> None:
    scalar = node("b", "transform.assign", assign={"vars.x": 1})
    nested = node("c", "transform.assign", assign={"vars.x.y": 2})
    either = control("i", "if", condition=expr("item = 0"), then=[scalar], **{"else": [nested]})
    run = begun(
        attempt("t", [loop("l", "[0, 1]", either, concurrency=2)], [assign("d", caught=expr("error.nodePath"))])
    )
    assert run.status is RunStatus.SUCCEEDED
    assert run.vars["caught"] == "root.steps[0].try.steps[0]"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_on_item_error_continue_goes_to_the_next_item(concurrency: int) -> None:
    body = control("i", "if", condition=expr("item = 2"), then=[BAD])
    run = begun(
        loop("l", "[1, 2, 3]", body, assign("a", last=expr("item")), onItemError="continue", concurrency=concurrency),
        assign("b", after=True),
    )
    assert run.status is RunStatus.SUCCEEDED
    assert run.vars == {"last": 3, "after": True}
    assert run.records[Pos("root.steps[0]")].output == {"items": 3, "failed": 1}
    assert run.statuses("root.steps[0].body.steps[1]") == [StepStatus.SUCCEEDED] * 2


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("policy", [{}, {"onItemError": "fail"}])
def test_on_item_error_fail_fails_the_loop(concurrency: int, policy: dict[str, str]) -> None:
    run = begun(loop("l", "[1, 2, 3]", call(), concurrency=concurrency, **policy))
    run.fail()
    assert run.status is RunStatus.FAILED
    assert run.error["nodePath"] == "root.steps[0].body.steps[0]"
    assert run.records[Pos("root.steps[0]")].status is StepStatus.FAILED
    assert set(run.statuses("root.steps[0].body.steps[0]")) <= {StepStatus.FAILED, StepStatus.CANCELED}


def test_what_was_assigned_before_an_item_failed_stays() -> None:
    for concurrency in (1, 2):
        run = begun(
            loop("l", "[1, 2]", assign("a", x=expr("item")), BAD, onItemError="continue", concurrency=concurrency)
        )
        assert run.vars == {"x": 2}


def test_loops_of_items_at_once_nest() -> None:
    inner = loop("i", "[1, 2]", call(given={"o": expr("o"), "i": expr("item")}, saveAs="x"), concurrency=2)
    run = begun(loop("o", "['a', 'b']", inner, var="o", concurrency=2))
    assert run.inputs() == [{"o": o, "i": i} for o in "ab" for i in (1, 2)]
    while run.status is RunStatus.RUNNING:
        run.asked.reverse()
        command = run.succeed()
        assert command.pos.path == "root.steps[0].body.steps[0].body.steps[0]"
    assert run.status is RunStatus.SUCCEEDED


def test_a_late_answer_to_a_canceled_item_is_ignored() -> None:
    run = begun(attempt("t", [loop("l", "[1, 2]", call(), concurrency=2)], [call("c", action="after")]))
    other = run.asked[1]
    run.fail()
    run.asked.remove(other)
    assert run.send(Succeeded(AT, other.pos, 1)) == ()  # type: ignore[union-attr]
    assert run.succeed().action == "after"
    assert run.status is RunStatus.SUCCEEDED


def test_many_items_take_no_deep_stack() -> None:
    run = begun(loop("l", "payload.items", assign("a", n=expr("item"))), payload={"items": list(range(3000))})
    assert run.vars == {"n": 2999}
