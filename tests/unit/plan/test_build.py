"""The decision, what references mean, and every reason to refuse."""

from __future__ import annotations

from typing import Any

import pytest

from wfsync.bundle.load import Desired
from wfsync.bundle.references import Call
from wfsync.plan.build import Whose, decide
from wfsync.plan.change import CascadeCount, Change
from wfsync.plan.guard import Consent, refusals
from wfsync.plan.ownership import Standing
from wfsync.plan.resolve import needs_relabel, resolution, unresolved
from wfsync.plan.state import Live, LiveState, live_state

A, B, C = (f"{n}" * 8 + "-0000-4000-8000-" + f"{n}" * 12 for n in "abc")


def as_it_is(target: str) -> str:
    return target


def call(target: str, version: int = 1, in_version: int | None = 1) -> Call:
    return Call(("steps", 0), target, version, in_version)


def desired(key: str, digest: str = "new", **rest: Any) -> Desired:
    values = {"calls": (), "origin_id": None, "versions": (1,), "missing": None, "is_canonical": True, **rest}
    return Desired(key=key, file=f"{key}.json", index=0, digest=digest, **values)


def live(
    key: str, workflow_id: str, digest: str = "old", calls: tuple[Call, ...] = (), versions: tuple[int, ...] = (1,)
) -> Live:
    return Live(key, workflow_id, digest, calls, versions)


def state(*rows: Live, keyless: tuple[Live, ...] = ()) -> LiveState:
    return live_state(rows, keyless, {row.workflow_id: row.key for row in rows})


def by_key(*items: Desired) -> dict[str, Desired]:
    return {item.key: item for item in items}


def actions(changes: tuple[Change, ...]) -> list[tuple[str, str]]:
    return sorted((c.key, c.action) for c in changes)


def test_create_overwrite_unchanged_and_left_alone() -> None:
    rows = state(live("same", A, "new"), live("differs", B), live("only-in-the-database", C))
    made = decide(by_key(desired("same"), desired("differs"), desired("absent")), rows, "replace", as_it_is)
    assert actions(made.changes) == [("absent", "create"), ("differs", "overwrite")]
    assert made.equal == {"same": A}
    assert made.unchanged == 1


def test_replace_relinks_every_stored_caller() -> None:
    caller = live("managed", B, "new", (call(A),))
    unmanaged = live("unmanaged", C, "x", (call(A, in_version=None),))
    keyless = live("(no key)", "d", "x", (call(A),))
    rows = state(live("callee", A), caller, unmanaged, keyless=(keyless,))
    wanted = by_key(desired("callee"), desired("managed"))
    made = decide(wanted, rows, "replace", as_it_is)
    assert actions(made.changes) == [
        ("(no key)", "relink"),
        ("callee", "overwrite"),
        ("managed", "relink"),
        ("unmanaged", "relink"),
    ]
    assert made.unchanged == 0
    assert all(c.before_digest == c.after_digest for c in made.changes if c.action == "relink")
    assert actions(decide(wanted, rows, "update", as_it_is).changes) == [("callee", "overwrite")]


def test_a_caller_that_is_replaced_itself_is_not_relinked() -> None:
    rows = state(live("a", A, "old", (call(B),)), live("b", B, "old", (call(A),)))
    made = decide(by_key(desired("a"), desired("b")), rows, "replace", as_it_is)
    assert actions(made.changes) == [("a", "overwrite"), ("b", "overwrite")]


def test_ambiguous_keys_matter_only_where_they_are_touched() -> None:
    rows = state(live("twice", A), live("twice", B), live("twice", C), live("other", "d"))
    assert rows.ambiguous == {"twice": tuple(sorted((A, B, C)))}
    assert "twice" not in rows.by_key
    assert decide(by_key(desired("other")), rows, "update", as_it_is).ambiguous == {}
    assert decide(by_key(desired("twice")), rows, "update", as_it_is).ambiguous == rows.ambiguous
    caller = by_key(desired("other", calls=(call("twice"),)))
    assert decide(caller, rows, "update", as_it_is).ambiguous == rows.ambiguous


def test_what_a_uuid_means() -> None:
    items = [desired("x", origin_id=A), desired("y", origin_id=B), desired("z", origin_id=B)]
    known = resolution(items, {A: "stored-a", B: "stored-b", C: "stored-c"})
    assert known.key_of(A) == "x"
    assert known.key_of(A.upper()) == "x"
    assert known.key_of(B) == "stored-b"  # two files claim it: the database decides
    assert known.key_of(C) == "stored-c"
    assert known.key_of("d" * 32) == "d" * 32
    assert known.key_of("a.key") == "a.key"
    assert needs_relabel(desired("q", calls=(call(A),)), known.key_of)
    assert not needs_relabel(desired("q", calls=(call("x"),)), known.key_of)


@pytest.mark.parametrize(
    ("found", "code", "severity"),
    [
        (call("gone"), "MISSING_REFERENCE", "error"),
        (call("gone", in_version=None), "MISSING_REFERENCE", "warning"),
        (call("callee", 9), "MISSING_REFERENCE", "error"),
        (call("stored", 9), "MISSING_REFERENCE", "error"),
        (call(C), "NON_PORTABLE_REFERENCE", "warning"),
    ],
)
def test_calls_that_lead_nowhere(found: Call, code: str, severity: str) -> None:
    items = by_key(desired("caller", calls=(found,)), desired("callee"))
    (problem,) = unresolved(items, state(live("stored", A)), resolution((), {}), {})
    assert (problem.code, problem.severity, problem.key) == (code, severity, "caller")


@pytest.mark.parametrize("found", [call("callee"), call("stored"), call("caller"), call("callee", 0, None)])
def test_calls_that_lead_somewhere(found: Call) -> None:
    items = by_key(desired("caller", calls=(found,)), desired("callee"))
    assert list(unresolved(items, state(live("stored", A)), resolution((), {}), {})) == []


def test_an_overwrite_may_not_drop_a_version_that_is_called() -> None:
    rows = state(
        live("callee", A, versions=(1, 2)),
        live("caller", B, calls=(call(A, 2), call(A, 2, None), call(A, 1), call(A, 7))),
    )
    items = by_key(desired("callee", versions=(1,)))
    found = list(unresolved(items, rows, resolution((), {}), items))
    assert [(p.key, p.severity) for p in found] == [("caller", "error"), ("caller", "warning")]


def test_every_reason_to_refuse_at_once() -> None:
    changes = (
        Change("new", "create", ""),
        Change(
            "old",
            "overwrite",
            "",
            workflow_id=A,
            active_runs={"RUNNING": 2},
            cascades=(CascadeCount("t", "blocked", 3), CascadeCount("u", "deleted", 1)),
        ),
        Change("caller", "relink", "", workflow_id=B),
    )
    codes = [b.code for b in refusals(changes, {"two": (B, C)}, Consent(), rows_may_be_hidden=True)]
    assert codes == ["AMBIGUOUS_KEY", "ROW_SECURITY", "WORKFLOW_KEY_CONFLICT", "ACTIVE_RUNS", "CASCADE_BLOCKED"]
    consent = Consent(force=True, allow_running=True)
    assert [b.code for b in refusals(changes, {}, consent)] == ["CASCADE_BLOCKED"]


def test_create_only_refuses_equal_workflows_too() -> None:
    assert [b.key for b in refusals((), {}, Consent(create_only=True), equal={"k": A})] == ["k"]
    assert refusals((), {}, Consent(create_only=True, force=True), equal={"k": A}) == ()
    assert refusals((), {}, Consent(), equal={"k": A}) == ()


GONE: Any = {"state": "database_only_managed", "base_known": True, "prunable": True}


def whose(*standings: Standing, prune: bool = True, skip: bool = False) -> Whose:
    return Whose({its.key: its for its in standings}, prune, skip)


def test_prune_deletes_what_is_prunable_and_only_when_asked() -> None:
    rows = state(live("gone", A), live("adopted", B), live("foreign", C))
    stands = (
        Standing("gone", **GONE),
        Standing("adopted", "database_only_managed", unprunable="it was there before"),
        Standing("foreign", "database_only_unmanaged"),
    )
    made = decide({}, rows, "replace", as_it_is, whose(*stands))
    assert actions(made.changes) == [("gone", "delete")]
    (change,) = made.changes
    assert (change.before_digest, change.after_digest, change.workflow_id) == ("old", None, A)
    assert decide({}, rows, "replace", as_it_is, whose(*stands, prune=False)).changes == ()


def test_what_is_held_or_skipped_is_left_alone_and_neither_relinks_nor_counts() -> None:
    rows = state(live("held", A), live("drifted", B), live("caller", C, "new", (call(A),)), live("back", "d"))
    stands = (
        Standing("held", "held"),
        Standing("drifted", "both_changed", drift=True, base_known=True),
        Standing("caller", "in_sync"),
        Standing("back", "held"),
    )
    items = by_key(desired("held"), desired("drifted"), desired("caller"))
    made = decide(items, rows, "replace", as_it_is, whose(*stands, skip=True))
    assert made.changes == ()
    assert [(k.key, k.why) for k in made.kept] == [("back", "held"), ("drifted", "skipped"), ("held", "held")]
    assert made.unchanged == 1
    made = decide(items, rows, "update", as_it_is, whose(*stands))
    assert actions(made.changes) == [("drifted", "overwrite")]


def test_who_calls_what_is_deleted_and_stays() -> None:
    """A caller that goes too, or is written without the call, is none; a file that calls it is one, a draft, too."""
    rows = state(
        live("gone", A, calls=(call(A),)),
        live("also-gone", B, calls=(call(A),)),
        live("stays", C, calls=(call(A, in_version=None),)),
        live("rewritten", "d", calls=(call(A),)),
        keyless=(live("(no key)", "e", calls=(call(A),)),),
    )
    stands = (Standing("gone", **GONE), Standing("also-gone", **GONE))
    items = by_key(desired("rewritten"), desired("new", calls=(call("gone"),)))
    made = decide(items, rows, "replace", as_it_is, whose(*stands))
    assert made.callers == {"gone": ("(no key)", "new", "stays")}


def test_a_deleted_caller_of_a_replaced_workflow_is_not_relinked() -> None:
    rows = state(live("callee", A), live("gone", B, calls=(call(A),)))
    made = decide(by_key(desired("callee")), rows, "replace", as_it_is, whose(Standing("gone", **GONE)))
    assert actions(made.changes) == [("callee", "overwrite"), ("gone", "delete")]
