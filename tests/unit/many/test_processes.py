"""Processes for targets: so many at once, what a signal does to them, and one that is killed. Real forks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wfsync.many.processes import Ended, Shield, Signals, Stopped, at_once


@contextmanager
def _answered() -> Iterator[Signals]:
    """Signals that are given back to pytest afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        yield signals
    assert signal.getsignal(signal.SIGTERM) is before


def _stopping(what: str, shield: Shield) -> str:
    try:
        shield.raise_up()
        if what == "first":
            os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()
    except Stopped:
        return f"{what} stopped"
    return f"{what} went on"


def test_every_item_has_a_process_of_its_own_and_its_result_comes_back() -> None:
    def work(item: int, _shield: Shield) -> tuple[int, int]:
        return item * item, os.getpid()

    with _answered() as signals:
        found = [result for result in at_once(range(7), work, 3, signals) if not isinstance(result, Ended)]
    assert sorted(square for square, _ in found) == [0, 1, 4, 9, 16, 25, 36]
    assert len({pid for _, pid in found} - {os.getpid()}) == 7


def test_as_many_are_at_work_as_were_asked_for_and_no_more() -> None:
    ends = [os.pipe(), os.pipe()]

    def meet(item: int, _shield: Shield) -> tuple[float, float]:
        begun = time.monotonic()
        if item < 2:  # each waits for the other: one after the other they would wait for ever
            os.write(ends[1 - item][1], b"!")
            os.read(ends[item][0], 1)
        return begun, time.monotonic()

    with _answered() as signals:
        times = [t for t in at_once(range(6), meet, 2, signals) if not isinstance(t, Ended)]
    moments = sorted([(begun, 1) for begun, _ in times] + [(ended, -1) for _, ended in times])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    assert most == 2


def test_a_large_result_does_not_block() -> None:
    with _answered() as signals:
        [result] = at_once(["x"], lambda item, _shield: item * 10_000_000, 1, signals)
    assert len(str(result)) == 10_000_000


def test_a_killed_process_is_told_by_its_item_and_stops_nobody() -> None:
    def work(item: str, _shield: Shield) -> str:
        if item == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with _answered() as signals:
        found = list(at_once(["a", "bad", "c"], work, 1, signals))
    assert found == ["a", Ended("bad", -signal.SIGKILL), "c"]


def test_a_signal_stops_those_at_work_and_nothing_is_begun_any_more() -> None:
    with _answered() as signals:
        found = list(at_once(["first", "second", "third", "fourth"], _stopping, 2, signals))
    # The signal may come before the second is begun
    assert sorted(map(str, found)) in (["first stopped"], ["first stopped", "second stopped"])
    assert signals.received == signal.SIGTERM


def test_what_was_committed_is_not_stopped() -> None:
    def work(_item: str, shield: Shield) -> bool:
        shield.raise_up()
        shield.commit()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getppid(), signal.SIGTERM)
        while signal.SIGTERM not in signal.sigpending():
            time.sleep(0.001)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return shield.is_told

    with _answered() as signals:
        assert list(at_once(["only"], work, 1, signals)) == [False]


def test_a_second_signal_ends_everything_at_once() -> None:
    def work(_item: str, _shield: Shield) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it hangs
        os.kill(os.getppid(), signal.SIGTERM)
        os.kill(os.getppid(), signal.SIGINT)
        signal.pause()

    with pytest.raises(Stopped) as stopped, _answered() as signals:
        list(at_once(["only"], work, 1, signals))
    assert stopped.value.code in (128 + signal.SIGTERM, 128 + signal.SIGINT)  # whichever was first


def test_a_signal_that_came_first_lets_nothing_begin() -> None:
    with _answered() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert list(at_once([1, 2], lambda item, _shield: item, 2, signals)) == []
    assert signals.received == signal.SIGINT
