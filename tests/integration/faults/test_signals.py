"""SIGTERM and SIGINT at any moment: 143 and 130 mean that every row is as it was, 0 that all are written. No lies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from random import Random

import pytest

from databases import LayoutName
from gates import PLACES, apply_lock, gate, held
from shop import Ended, Mode, Rows, Shop, Subject, until

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]

STOPPED = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}


def assert_true(subject: Subject, ended: Ended, number: signal.Signals, before: Rows, wanted: dict[str, str]) -> None:
    """What the exit code says is what happened."""
    subject.gone()
    code, word = STOPPED[number]
    if ended.code == 0:
        assert subject.digests() == wanted
        assert "Applied: 2 created, 3 overwritten" in ended.stdout
    else:
        assert ended.code == code, ended.stderr
        assert subject.rows() == before
        assert word in ended.stderr or "wfsync: stopped" in ended.stderr
        assert "nothing that was not committed remains" in ended.stderr
        assert ended.stdout == ""


@pytest.mark.parametrize(
    ("layout", "mode", "place", "number"),
    [
        ("A", "replace", "deleting", signal.SIGTERM),
        ("B", "replace", "copying definitions", signal.SIGTERM),
        ("A", "update", "copying definitions", signal.SIGINT),
        ("wfsync", "update", "copied", signal.SIGINT),
        ("A½", "update", "updating", signal.SIGTERM),
        ("B-Citus", "replace", "relinking", signal.SIGINT),
    ],
)
def test_inside_the_transaction(shop: Make, layout: LayoutName, mode: Mode, place: str, number: signal.Signals) -> None:
    """The statement that runs is canceled, and nobody waits for what it waits for."""
    subject = shop(layout)
    with subject.unchanged(), gate(subject.database, PLACES[place]):
        process = subject.start_apply(mode)
        subject.caught()
        ended = subject.end(process, number)
        subject.gone()
    assert ended.code == STOPPED[number][0], ended.stderr
    assert STOPPED[number][1] in ended.stderr


@pytest.mark.parametrize("number", STOPPED)
def test_while_waiting_for_another_apply(shop: Make, number: signal.Signals) -> None:
    subject = shop("A")
    with subject.unchanged(), held(subject.database, apply_lock(subject.database)):
        process = subject.start_apply()
        subject.caught()
        ended = subject.end(process, number)
        subject.gone()
    assert ended.code == STOPPED[number][0]


@pytest.mark.parametrize("number", STOPPED)
def test_during_the_commit(shop: Make, wanted: Wanted, number: signal.Signals) -> None:
    """The server has it already: what it makes of it decides, not the signal."""
    subject = shop("A")
    before = subject.rows()
    with gate(subject.database, PLACES["committing"]) as closed:
        process = subject.start_apply()
        subject.caught()
        process.send_signal(number)
        closed.open()
        ended = subject.end(process)
    assert_true(subject, ended, number, before, wanted("A"))


def test_twice_during_the_commit(shop: Make, wanted: Wanted) -> None:
    """Whoever does not wait for the answer is not told that it was rolled back unless it was."""
    subject = shop("wfsync")
    before = subject.rows()
    with gate(subject.database, PLACES["committing"]) as closed:
        process = subject.start_apply()
        subject.caught()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        ended = subject.end(process)
        closed.open()
    subject.gone()
    if ended.code == 1:
        assert "COMMIT_UNKNOWN" in ended.stderr
        assert subject.rows() == before or subject.digests() == wanted("wfsync")
    else:
        assert ended.code in {130, 143}
        assert subject.rows() == before


@pytest.mark.parametrize("number", STOPPED)
def test_after_the_commit(shop: Make, wanted: Wanted, number: signal.Signals) -> None:
    """It is applied, so it is a success, and the whole outcome is told."""
    subject = shop("B")
    result = subject.folder / "result"
    os.mkfifo(result)
    with gate(subject.database, PLACES["copied"]) as closed:
        process = subject.start("apply", "--force", "--output", str(result))
        subject.caught()
        closed.open()
        # It is done when it opens the pipe that nobody reads yet; its session has ended before
        subject.gone()
        process.send_signal(number)
        with result.open() as read:
            told = read.read()
        ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert "Applied: 2 created, 3 overwritten" in ended.stdout
    assert "Applied: 2 created, 3 overwritten" in told
    assert subject.digests() == wanted("B")


def test_after_the_commit_and_once_more(shop: Make, wanted: Wanted) -> None:
    """A result that nobody reads holds it up; the second signal ends it, and it says that everything was applied."""
    subject = shop("B")
    result = subject.folder / "result"
    os.mkfifo(result)
    process = subject.start("apply", "--force", "--output", str(result))
    until(lambda: subject.digests() == wanted("B"), "it is committed")
    subject.gone()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert "everything was applied and committed" in ended.stderr


def test_a_result_that_cannot_be_written(shop: Make, wanted: Wanted) -> None:
    """It is an error, and no error of the apply: stdout and stderr say what is true."""
    subject = shop("A")
    done = subject.run("apply", "--force", "--format", "json", "--output", "no/such/folder")
    assert done.code == 1
    assert "OUTPUT" in done.stderr
    assert "everything was applied and committed" in done.stderr
    document = done.json()
    assert document["outcome"]["summary"]["created"] == 2
    assert document["errors"] == []
    assert subject.digests() == wanted("A")


@pytest.mark.parametrize("seed", range(20))
def test_at_any_moment(shop: Make, wanted: Wanted, seed: int, pace: float) -> None:
    rng = Random(seed)
    layouts: tuple[LayoutName, ...] = ("wfsync", "A", "A½", "B", "B-Citus")
    layout = layouts[seed % len(layouts)]
    number = (signal.SIGTERM, signal.SIGINT)[seed // len(layouts) % 2]
    mode: Mode = rng.choice(("replace", "update"))
    expected = wanted(layout)
    subject = shop(layout)
    before = subject.rows()
    process = subject.start_apply(mode)
    if seed % 2:  # from the moment that the server sees it, which is where it matters
        until(subject.sessions, "wfsync is connected")
        time.sleep(rng.random() * pace / 3)
    else:
        time.sleep(rng.random() * pace)
    ended = subject.end(process, number)
    if ended.code == -number:  # before Python had anything of wfsync loaded
        assert subject.rows() == before
        return
    assert_true(subject, ended, number, before, expected)


@pytest.fixture(scope="module")
def pace(_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an apply takes here, from the start of its interpreter."""
    with _shop.subject("A", tmp_path_factory.mktemp("pace")) as subject:
        start = time.monotonic()
        assert subject.end(subject.start_apply()).code == 0
        return time.monotonic() - start
