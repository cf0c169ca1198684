"""What undoing an apply means for a key: every case of what the apply did and what is there now."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from msgspec import structs

from wfsync.plan.change import Change
from wfsync.plan.guard import Consent
from wfsync.plan.managed import Hold, Managed
from wfsync.plan.ownership import NO_FILE
from wfsync.plan.rollback import Past, PastAction, file_digest, holds, more_blocks, standings, worded
from wfsync.plan.state import Live, LiveState, live_state
from wfsync.render.words import drift_line

SOURCE: Final = "git.example.org/team/flows"
OTHER: Final = "git.example.org/another/flows"
OLD_ID: Final = "11111111-1111-4111-8111-111111111111"
NEW_ID: Final = "22222222-2222-4222-8222-222222222222"
LATER_ID: Final = "33333333-3333-4333-8333-333333333333"

CREATED: Final = Past("k", "create", None, "after", None, NEW_ID)
UPDATED: Final = Past("k", "overwrite", "before", "after", OLD_ID, OLD_ID)
REPLACED: Final = Past("k", "overwrite", "before", "after", OLD_ID, NEW_ID)
DELETED: Final = Past("k", "delete", "before", None, OLD_ID, None)


def live(digest: str | None, workflow_id: str = NEW_ID) -> LiveState:
    rows = [] if digest is None else [Live("k", workflow_id, digest, (), ())]
    return live_state(rows, (), {row.workflow_id: row.key for row in rows})


def managed(digest: str, held: str | None = None, source: str = SOURCE) -> Managed:
    return Managed("k", source, "created", NEW_ID, digest, "policy", held)


@pytest.mark.parametrize(
    ("past", "there", "state", "drift"),
    [
        (CREATED, live("after"), "database_only_managed", False),
        (CREATED, live("by hand"), "database_only_managed", True),
        (CREATED, live("after", LATER_ID), "database_only_managed", True),  # the same again, but another row
        (UPDATED, live("after", OLD_ID), "git_changed", False),
        (UPDATED, live("by hand", OLD_ID), "both_changed", True),
        (REPLACED, live("after"), "git_changed", False),
        (REPLACED, live(None), "git_only", False),
        (DELETED, live(None), "git_only", False),
        (DELETED, live("anew"), "both_changed", True),
    ],
)
def test_a_row_that_is_not_what_the_apply_left_is_drift(past: Past, there: LiveState, state: str, drift: bool) -> None:
    its = standings([past], there, {}, SOURCE)["k"]
    assert (its.state, its.drift) == (state, drift)
    assert its.prunable == (past.action == "create" and NEW_ID in there.keys_by_id)


@pytest.mark.parametrize(("workflow_id", "prunable"), [(NEW_ID, True), (LATER_ID, True), (OLD_ID, False)])
def test_only_the_row_that_was_made_by_us_is_deleted(workflow_id: str, prunable: bool) -> None:
    """The one that the apply created, or the one by which a later apply of ours replaced it."""
    replaced = Managed("k", SOURCE, "created", LATER_ID, "after", "policy")
    assert standings([CREATED], live("after", workflow_id), {"k": replaced}, SOURCE)["k"].prunable == prunable


def test_what_is_gone_as_it_should_be_does_not_stand_anywhere() -> None:
    assert standings([CREATED], live(None), {}, SOURCE) == {}


def test_another_sources_key_is_named_unless_the_apply_managed_nothing() -> None:
    taken = {"k": managed("after", source=OTHER)}
    assert standings([UPDATED], live("after"), taken, SOURCE)["k"].managed_by == OTHER
    assert standings([UPDATED], live("after"), taken, None)["k"].managed_by is None
    assert standings([UPDATED], live("after"), {"k": managed("after")}, SOURCE)["k"].managed_by is None


def test_only_rows_that_were_deleted_or_replaced_were_lost() -> None:
    assert [past.row_was_lost for past in (CREATED, UPDATED, REPLACED, DELETED)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("past", "remembered", "file"),
    [
        (UPDATED, managed("after"), "after"),
        (UPDATED, managed("later"), "later"),  # a later apply brought another file
        (UPDATED, managed("before", held="after"), "after"),  # rolled back before: the file is still that one
        (UPDATED, managed("x", source=OTHER), "after"),
        (UPDATED, None, "after"),
        (DELETED, None, NO_FILE),
        (CREATED, None, "after"),
        (Past("k", "create", None, "after", None, NEW_ID, "apply 2", None), None, NO_FILE),  # pruned since
        (Past("k", "create", None, "after", None, NEW_ID, "apply 2", "later"), None, "later"),
    ],
)
def test_the_file_is_what_the_ledger_last_saw_of_it(past: Past, remembered: Managed | None, file: str) -> None:
    assert file_digest(past, remembered, SOURCE).digest == file


def test_what_is_changed_and_differs_from_its_file_is_held() -> None:
    remembered = {"k": managed("after")}
    behind = {"k": Hold("after", remembered["k"].policy)}
    assert holds([UPDATED], {"k": "before"}, remembered, SOURCE, ()) == behind
    assert holds([UPDATED], {"k": "before"}, remembered, SOURCE, {"k"}) == {}  # left alone
    assert holds([UPDATED], {"k": "after"}, remembered, SOURCE, ()) == {}  # as its file says
    assert holds([CREATED], {}, remembered, SOURCE, ()) == behind
    assert holds([CREATED], {}, {"k": managed("after", held=NO_FILE)}, SOURCE, ()) == {}  # neither row nor file
    assert holds([DELETED], {"k": "before"}, {}, SOURCE, ()) == {"k": Hold(NO_FILE)}
    again = structs.replace(managed("before", held="after"), held_policy="of the hold")
    assert holds([UPDATED], {"k": "first"}, {"k": again}, SOURCE, ()) == {"k": Hold("after", "of the hold")}


@pytest.mark.parametrize(
    ("action", "past", "reason"),
    [
        ("delete", CREATED, "created by that apply"),
        ("overwrite", UPDATED, "overwritten by that apply"),
        ("create", REPLACED, "overwritten by that apply, and gone since"),
        ("create", DELETED, "deleted by that apply"),
        ("overwrite", DELETED, "deleted by that apply, and there again"),
    ],
)
def test_reasons_say_what_the_apply_did(action: PastAction, past: Past, reason: str) -> None:
    assert worded(Change("k", action, "some reason", file="f"), past) == Change("k", action, reason)


def test_who_changed_it_since_is_said() -> None:
    change = Change("k", "overwrite", "x", drift=True, updated_at="2026-01-02T03:04:05.000Z", updated_by="u")
    assert worded(change, UPDATED).reason.endswith(
        "; changed since (the row was last updated by u at 2026-01-02T03:04:05.000Z)"
    )
    later = Past("k", "overwrite", "b", "a", OLD_ID, OLD_ID, "apply 12345678 of me", "x")
    assert worded(change, later).reason.endswith("; changed since by apply 12345678 of me")
    assert drift_line(worded(change, later)) == "loses what apply 12345678 of me did, and what came after it"
    assert drift_line(worded(replace(change, drift=False), later)) is None
    assert "loses what was changed in the database (the row was" in str(drift_line(worded(change, UPDATED)))
    relink = Change("k", "relink", "calls b")
    assert worded(relink, None) is relink


def test_deleting_wants_force_and_one_row() -> None:
    delete = Change("k", "delete", "x", workflow_id=NEW_ID)
    (block,) = more_blocks([delete], [CREATED], live("after"), Consent())
    assert (block.code, block.key) == ("WORKFLOW_KEY_CONFLICT", "k")
    assert list(more_blocks([delete], [CREATED], live("after"), Consent(force=True))) == []
    twice = live_state([Live("k", i, "x", (), ()) for i in (OLD_ID, NEW_ID)], (), {OLD_ID: "k", NEW_ID: "k"})
    (block,) = more_blocks([], [CREATED], twice, Consent(force=True))
    assert (block.code, block.details["workflowIds"]) == ("AMBIGUOUS_KEY", [OLD_ID, NEW_ID])
