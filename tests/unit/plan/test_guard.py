"""Brakes, drift and ownership: every reason to refuse, and all of them at once."""

from __future__ import annotations

from typing import Any

import pytest

from wfsync.plan.change import Blocked, Change
from wfsync.plan.guard import Brakes, Consent, Measure, refusals
from wfsync.plan.limits import Limit

FORCE = Consent(force=True)


def overwrite(key: str = "k", **rest: Any) -> Change:
    return Change(key, "overwrite", "", workflow_id="id", **rest)


def delete(key: str = "k", **rest: Any) -> Change:
    return Change(key, "delete", "", workflow_id="id", **rest)


def create(key: str = "k", **rest: Any) -> Change:
    return Change(key, "create", "", **rest)


def codes(blocks: tuple[Blocked, ...]) -> list[tuple[str, str | None]]:
    return [(block.code, block.key) for block in blocks]


def test_drift_fails_only_when_told_to() -> None:
    drifted = overwrite(drift=True, updated_by="somebody", updated_at="2026-01-02T03:04:05Z")
    (block,) = refusals((drifted,), {}, FORCE, brakes=Brakes(on_drift="fail"))
    assert block.code == "DRIFT"
    assert "(the row was last updated by somebody at 2026-01-02T03:04:05Z)" in block.message
    assert refusals((drifted,), {}, FORCE, brakes=Brakes(on_drift="overwrite")) == ()
    assert refusals((overwrite(),), {}, FORCE, brakes=Brakes(on_drift="fail")) == ()
    assert codes(refusals((delete(drift=True),), {}, FORCE, brakes=Brakes(on_drift="fail"))) == [("DRIFT", "k")]


@pytest.mark.parametrize(
    ("change", "blocked"),
    [(overwrite("a.b"), True), (delete("a.b"), True), (create("a.b"), False), (overwrite("b.a"), False),
     (Change("a.b", "relink", ""), False)],
)  # fmt: skip
def test_protected_keys_are_neither_overwritten_nor_deleted(change: Change, blocked: bool) -> None:
    brakes = Brakes(protected=("x", "a.*"))
    assert codes(refusals((change,), {}, FORCE, brakes=brakes)) == ([("PROTECTED", "a.b")] if blocked else [])


@pytest.mark.parametrize(
    ("source", "force", "blocked"),
    [("host/other", False, True), ("host/other", True, True), ("file:/x", False, True), ("file:/x", True, False)],
)
def test_what_another_source_manages(source: str, force: bool, blocked: bool) -> None:
    found = refusals((create(managed_by=source),), {}, Consent(force=force))
    assert codes(found) == ([("MANAGED_ELSEWHERE", "k")] if blocked else [])


@pytest.mark.parametrize(
    ("deletes", "managed", "limit", "blocked"),
    [
        (3, 3, None, False),
        (4, 4, None, True),
        (4, 14, None, False),
        (5, 14, None, True),
        (1, 3, Limit(30, percent=True), True),
        (1, 4, Limit(30, percent=True), False),
        (4, 4, Limit(100, percent=True), False),
        (1, 9, Limit(0), True),
        (0, 9, Limit(0), False),
    ],
)
def test_the_brake_on_deletes(deletes: int, managed: int, limit: Limit | None, blocked: bool) -> None:
    changes = tuple(delete(f"k{i}") for i in range(deletes))
    found = refusals(changes, {}, FORCE, brakes=Brakes(max_deletes=limit), measure=Measure(managed, managed))
    assert codes(found) == ([("MAX_DELETES", None)] if blocked else [])


@pytest.mark.parametrize(
    ("limit", "known", "blocked"),
    [(None, 0, False), (Limit(3), 0, False), (Limit(2), 0, True), (Limit(50, percent=True), 6, False),
     (Limit(50, percent=True), 5, True), (Limit(0, percent=True), 0, False)],
)  # fmt: skip
def test_the_brake_on_changes(limit: Limit | None, known: int, blocked: bool) -> None:
    changes = (create("a"), overwrite("b"), delete("c"), Change("d", "relink", ""))
    found = refusals(changes, {}, FORCE, brakes=Brakes(max_changes=limit), measure=Measure(9, known))
    assert codes(found) == ([("MAX_CHANGES", None)] if blocked else [])


def test_a_delete_needs_callers_gone_and_every_file_read() -> None:
    measure = Measure(9, 9, {"k": tuple("abcdefg")}, ("link",))
    called, unread = refusals((delete(),), {}, FORCE, measure=measure)
    assert called.code == "STILL_CALLED"
    assert "a, b, c, d, e and 2 more" in called.message
    assert unread.code == "PRUNE_INCOMPLETE"
    assert refusals((overwrite(),), {}, FORCE, measure=measure) == ()


def test_all_reasons_at_once() -> None:
    changes = (
        overwrite("a", drift=True, managed_by="host/other", active_runs={"RUNNING": 1}),
        delete("b", drift=True),
    )
    brakes = Brakes(("*",), Limit(1), Limit(0), "fail")
    found = refusals(changes, {"c": ("1", "2")}, Consent(), brakes=brakes, measure=Measure(2, 2))
    assert codes(found) == [
        ("AMBIGUOUS_KEY", "c"),
        ("WORKFLOW_KEY_CONFLICT", "a"),
        ("ACTIVE_RUNS", "a"),
        ("DRIFT", "a"),
        ("MANAGED_ELSEWHERE", "a"),
        ("PROTECTED", "a"),
        ("DRIFT", "b"),
        ("PROTECTED", "b"),
        ("MAX_CHANGES", None),
        ("MAX_DELETES", None),
    ]
