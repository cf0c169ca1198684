"""Two applies at once: one waits and then says that its plan is stale, or gives up in time. Never half of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from databases import LAYOUTS, LayoutName
from gates import PLACES, apply_lock, gate, held
from shop import KEYS, NEW, OLD, Mode, Subject

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]


def keys(subject: Subject) -> list[str]:
    """The key of every row."""
    with subject.database.connect() as conn:
        return [key for (key,) in conn.execute('SELECT key FROM workflow_definitions ORDER BY key COLLATE "C"')]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_second_waits_and_is_stale(shop: Make, wanted: Wanted, layout: LayoutName) -> None:
    """Both have found the same keys absent, also where no unique index would tell (layout B)."""
    mode: Mode = "update" if layout in ("A½", "B-Citus") else "replace"
    subject = shop(layout)
    with gate(subject.database, PLACES["copying versions"]) as closed:
        first = subject.start_apply(mode)
        subject.caught()
        second = subject.start_apply(mode)
        subject.caught(sessions=2)
        closed.open()
        winner, loser = subject.end(first), subject.end(second)
    assert winner.code == 0, winner.stderr
    assert loser.code == 3, loser.stderr
    assert "STALE_PLAN" in loser.stderr
    for key in NEW:
        assert f"{key}: was created meanwhile" in loser.stderr or key in loser.stderr
    assert keys(subject) == KEYS
    assert subject.digests() == wanted(layout)
    assert subject.dangling() == []


def test_only_creates_on_a_layout_without_a_unique_index(shop: Make) -> None:
    """Nothing to lock but the table itself."""
    subject = shop("B")
    for key in OLD:
        subject.path(key).unlink()
    with held(subject.database, apply_lock(subject.database)) as closed:
        both = [subject.start("apply") for _ in range(2)]
        subject.caught(sessions=2)
        closed.open()
        codes = sorted(subject.end(process).code for process in both)
    assert codes == [0, 3]
    assert keys(subject) == KEYS


def test_the_second_gives_up_in_time(shop: Make, wanted: Wanted) -> None:
    subject = shop("B")
    with gate(subject.database, PLACES["copied"]) as closed:
        first = subject.start_apply()
        subject.caught()
        second = subject.run("--lock-timeout", "0.2", "apply", "--force", "--format", "json")
        assert second.code == 5
        assert [error["code"] for error in second.json()["errors"]] == ["LOCK_TIMEOUT"]
        closed.open()
        assert subject.end(first).code == 0
    assert subject.digests() == wanted("B")


def test_a_crowd(shop: Make, wanted: Wanted) -> None:
    """However they meet: each has done everything or nothing, and together they have done it once."""
    subject = shop("B")
    crowd = [subject.start_apply() for _ in range(4)]
    codes = [subject.end(process).code for process in crowd]
    assert set(codes) <= {0, 3}, codes
    assert 0 in codes
    assert keys(subject) == KEYS
    assert subject.digests() == wanted("B")
    assert subject.dangling() == []


def test_another_tenant_does_not_wait(shop: Make) -> None:
    """The advisory lock is one tenant's, where a unique index spares the lock of the table."""
    subject = shop("B-Citus")
    with gate(subject.database, PLACES["updating"]) as closed:
        first = subject.start_apply("update")
        subject.caught()
        second = subject.run("--tenant", "22222222-2222-4222-8222-222222222222", "--lock-timeout", "5", "apply")
        assert second.code == 0, second.stderr
        closed.open()
        assert subject.end(first).code == 0


def test_an_import_waits_like_an_apply(shop: Make, wanted: Wanted) -> None:
    subject = shop("A")
    files = sorted(subject.folder.glob("workflows/*.json"))
    with gate(subject.database, PLACES["copied"]) as closed:
        first = subject.start_apply()
        subject.caught()
        second = subject.start("import", "--force", *files)
        subject.caught(sessions=2)
        closed.open()
        assert subject.end(first).code == 0
        ended = subject.end(second)
    assert (ended.code, "STALE_PLAN" in ended.stderr) == (3, True), ended.stderr
    assert subject.digests() == wanted("A")
