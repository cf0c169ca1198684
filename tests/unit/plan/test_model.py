"""The plan's own promises: order, numbers, digest."""

from __future__ import annotations

import dataclasses

import pytest

from wfsync.errors import Problem
from wfsync.plan.change import MISSING, Blocked, CascadeCount, Change, FieldChange
from wfsync.plan.model import Plan, SourceRef, Summary, TargetRef, plan_digest

SOURCE, TARGET = SourceRef("/r", "w"), TargetRef("db", "t", "A", "named")
A = Change("a", "create", "new", None, "1" * 64)
B = Change("b", "overwrite", "differs", "2" * 64, "3" * 64, workflow_id="i")


def plan(*changes: Change, **rest: object) -> Plan:
    return Plan(SOURCE, TARGET, "replace", changes, 3, **rest)  # type: ignore[arg-type]


def test_changes_are_in_order_and_counted() -> None:
    assert [change.key for change in plan(B, A).changes] == ["a", "b"]
    assert plan(B, A).summary() == Summary(1, 1, 0, 0, 3)
    assert plan(B, A).summary().pending == 2
    with pytest.raises(ValueError, match="unchanged"):
        plan(Change("c", "unchanged", ""))


def test_the_digest_says_what_would_be_done_and_nothing_else() -> None:
    digest = plan(A, B).digest
    assert digest == plan(B, A).digest == plan_digest((A, B), "replace", "t")
    described = dataclasses.replace(
        B,
        paths=(FieldChange("add", "p", new=1),),
        cascades=(CascadeCount("t", "deleted", 1),),
        active_runs={"RUNNING": 1},
    )
    warned = plan(A, described, warnings=(Problem(code="X", message="m"),), blocks=(Blocked("Y", "m"),))
    assert warned.digest == digest
    elsewhere = dataclasses.replace(plan(A, B), source=SourceRef("/elsewhere", "x", "c"))
    assert elsewhere.digest == digest


@pytest.mark.parametrize(
    "other",
    [
        plan(A),
        plan(A, dataclasses.replace(B, before_digest="4" * 64)),
        plan(A, dataclasses.replace(B, after_digest="4" * 64)),
        plan(A, dataclasses.replace(B, action="relink")),
        plan(dataclasses.replace(A, key="c"), B),
        Plan(SOURCE, TARGET, "update", (A, B), 3),
        Plan(SOURCE, TargetRef("db", "u", "A", "named"), "replace", (A, B), 3),
    ],
)
def test_another_deed_has_another_digest(other: Plan) -> None:
    assert other.digest != plan(A, B).digest


def test_nothing_is_not_null() -> None:
    assert FieldChange("add", "p", new=None).old is MISSING
    assert repr(MISSING) == "MISSING"
