"""What is managed after an apply: origins, takeovers, holds, and that what is as it was is not written again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from wfsync.apply.managing import forgotten, managed_equal, managed_held, managed_written
from wfsync.bundle.load import Desired
from wfsync.plan.change import Change, Kept
from wfsync.plan.managed import Hold, Managed
from wfsync.plan.ownership import Owner
from wfsync.plan.state import Live

OWNER = Owner("ours", lambda key: f"policy of {key}")
OURS = Managed("a", "ours", "created", "id", "same", "policy of a")


def desired(digest: str) -> dict[str, Desired]:
    item = Desired(
        key="a",
        file="a.json",
        index=0,
        digest=digest,
        calls=(),
        origin_id=None,
        versions=(),
        missing=None,
        is_canonical=True,
    )
    return {"a": item}


def live(digest: str) -> dict[str, Live]:
    return {"a": Live("a", "id", digest, (), ())}


def equal(base: Managed | None, holds: dict[str, Hold] | None = None, *, row: str = "same") -> list[Managed]:
    current = {} if base is None else {"a": base}
    return list(managed_equal(desired("same"), live(row), current, OWNER, holds or {}))


def written(action: str, base: Managed | None, holds: dict[str, Hold] | None = None) -> list[Managed]:
    change = Change("a", action, "", before_digest="old", after_digest="new", workflow_id="id")  # type: ignore[arg-type]
    current = {} if base is None else {"a": base}
    return list(managed_written([change], {"a": "new id"}, current, OWNER, holds or {}))


def test_a_key_that_is_equal_and_nobodys_is_adopted() -> None:
    assert equal(None) == [replace(OURS, origin="adopted")]


def test_what_is_managed_as_it_is_is_not_written_again() -> None:
    assert equal(OURS) == []


def test_another_row_than_ours_is_somebody_elses_whatever_it_holds() -> None:
    assert equal(replace(OURS, workflow_id="old")) == [replace(OURS, origin="adopted")]
    assert [item.origin for item in written("overwrite", replace(OURS, workflow_id="old"))] == ["adopted"]


@pytest.mark.parametrize("old", [{"digest": "old"}, {"policy": "old"}, {"held": "same"}])
def test_what_is_equal_renews_all_else_and_ends_a_hold(old: dict[str, str]) -> None:
    assert equal(replace(OURS, **old)) == [OURS]


def test_what_differs_and_what_another_source_manages_is_left() -> None:
    assert equal(None, row="other") == []
    assert equal(replace(OURS, source="theirs", digest="old")) == []


def test_what_is_created_is_created_whatever_was_remembered() -> None:
    expected = Managed("a", "ours", "created", "new id", "new", "policy of a")
    assert written("create", None) == [expected]
    assert written("create", replace(OURS, origin="adopted", held="x")) == [expected]


def test_what_is_overwritten_keeps_its_origin_only_if_it_was_ours() -> None:
    assert [item.origin for item in written("overwrite", OURS)] == ["created"]
    assert [item.origin for item in written("overwrite", None)] == ["adopted"]
    taken = written("overwrite", replace(OURS, source="file:/elsewhere"))
    assert [(item.source, item.origin) for item in taken] == [("ours", "adopted")]


def test_a_rollback_holds_what_it_writes_and_an_apply_ends_that() -> None:
    assert [item.held for item in written("overwrite", OURS, {"a": Hold("of the file")})] == ["of the file"]
    assert [item.held for item in written("overwrite", replace(OURS, held="x"))] == [None]


def test_a_relink_changes_nothing_of_what_is_managed_and_a_delete_ends_it() -> None:
    assert written("relink", OURS) == []
    assert written("delete", OURS) == []
    assert forgotten([Change("a", "delete", ""), Change("b", "overwrite", "")]) == {"a"}


@pytest.mark.parametrize("held_policy", [None, "other"])
def test_a_hold_under_other_policies_is_renewed_behind_the_file_as_it_is(held_policy: str | None) -> None:
    held = replace(OURS, held="then", held_policy=held_policy)
    kept = [Kept("a", "held", "held", "")]

    def renewed(base: Managed, files: dict[str, str]) -> list[Managed]:
        return list(managed_held(kept, files, {"a": base}, OWNER))

    assert renewed(held, {"a": "now"}) == [replace(held, held="now", held_policy="policy of a")]
    assert renewed(replace(held, held_policy="policy of a"), {"a": "now"}) == []
    assert renewed(held, {}) == []
    assert renewed(replace(held, source="theirs"), {"a": "now"}) == []
    assert list(managed_held([Kept("a", "skipped", "both_changed", "")], {"a": "now"}, {"a": held}, OWNER)) == []
