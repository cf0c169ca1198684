"""kill -9 at any point of an apply: every row is as it was, and the next apply finds nothing in its way."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from databases import LayoutName
from gates import PLACES, apply_lock, gate, held
from shop import Mode, Subject, until

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]

POINTS: list[tuple[LayoutName, Mode, str]] = [
    ("wfsync", "replace", "deleting"),
    ("A", "replace", "copying definitions"),
    ("A½", "update", "copying definitions"),
    ("B", "replace", "copying versions"),
    ("B-Citus", "update", "updating"),
    ("wfsync", "replace", "copied"),
    ("A", "replace", "relinking"),
]


@pytest.mark.parametrize(("layout", "mode", "place"), POINTS)
def test_killed_inside_the_transaction(shop: Make, layout: LayoutName, mode: Mode, place: str) -> None:
    subject = shop(layout)
    with subject.unchanged(), gate(subject.database, PLACES[place]) as closed:
        process = subject.start_apply(mode)
        subject.caught()
        assert subject.end(process, signal.SIGKILL).code == -signal.SIGKILL
        closed.open()


def test_killed_before_the_first_row(shop: Make, wanted: Wanted) -> None:
    subject = shop("wfsync")
    with subject.unchanged(), held(subject.database, apply_lock(subject.database)):
        process = subject.start_apply()
        subject.caught()
        subject.end(process, signal.SIGKILL)
    assert subject.apply().code == 0
    assert subject.digests() == wanted("wfsync")


def test_killed_between_the_last_row_and_the_commit(shop: Make, wanted: Wanted) -> None:
    subject = shop("B")
    with subject.unchanged(), gate(subject.database, PLACES["copied"]) as closed:
        process = subject.start_apply("replace")
        subject.caught()
        process.send_signal(signal.SIGSTOP)  # it cannot answer the server any more …
        closed.open()
        until(lambda: subject.sessions("state = 'idle in transaction'"), "every row is written")
        subject.end(process, signal.SIGKILL)
    assert subject.apply().code == 0
    assert subject.digests() == wanted("B")


def test_killed_during_the_commit(shop: Make, wanted: Wanted) -> None:
    """The server has the COMMIT and carries it out, with or without a client: all of it or nothing."""
    subject = shop("A")
    subject.database.execute("DROP TABLE wfsync.evidence")  # for which what waits for the commit is asked to run before
    with gate(subject.database, PLACES["committing"]) as closed:
        process = subject.start_apply("replace")
        subject.caught()
        subject.end(process, signal.SIGKILL)
        closed.open()
    subject.gone()
    assert subject.digests() == wanted("A")
    assert subject.dangling() == []


def test_a_killed_apply_holds_its_locks_no_longer_than_its_statement(shop: Make) -> None:
    """The next apply waits for the server to notice, as long as it was told to; it never writes beside the old one."""
    subject = shop("A½")
    with subject.unchanged(), gate(subject.database, PLACES["copying versions"]) as closed:
        process = subject.start_apply("update")
        subject.caught()
        subject.end(process, signal.SIGKILL)
        second = subject.apply("update", "--lock-timeout", "0.2")
        assert second.code == 5, second.stderr
        assert "LOCK_TIMEOUT" in second.stderr
        closed.open()
