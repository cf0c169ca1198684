"""The state machine: what follows what, with time and syncs of the test's own."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field

import pytest

from daemon_reports import report
from wfsync.daemon.bell import Bell
from wfsync.daemon.loop import Loop
from wfsync.daemon.pace import Pace
from wfsync.daemon.report import Report
from wfsync.errors import DatabaseError

DOWN = report("failed", DatabaseError("down", code="CONNECTION_REFUSED"))


@dataclass
class Script:
    """Syncs that end as planned; after the last the loop is told to stop."""

    reports: list[Report]
    reasons: list[str] = field(default_factory=list)
    told: list[tuple[str, float, int]] = field(default_factory=list)

    def sync(self, reason: str) -> Report:
        self.reasons.append(reason)
        return self.reports[len(self.reasons) - 1]

    def observe(self, report: Report, pause: float, failures: int) -> None:
        self.told.append((report.status, pause, failures))

    def stop(self) -> bool:
        return len(self.reasons) == len(self.reports)

    def run(self, bell: Bell, interval: float = 0.01, *, once: bool = False) -> Report:
        return Loop(self.sync, bell, Pace(interval, 0.05), self.observe, self.stop, lambda: 0.0).run(once=once)


def test_failures_are_counted_until_one_sync_works() -> None:
    script = Script([DOWN, DOWN, report("applied"), DOWN, report("in_sync")])
    script.run(Bell())
    assert [failures for _, _, failures in script.told] == [1, 2, 0, 1, 0]
    assert [pause for _, pause, _ in script.told] == [0.01, 0.02, 0.01, 0.01, 0.01]
    assert script.reasons == ["start", "retry", "retry", "interval", "retry"]


def test_once_is_once() -> None:
    script = Script([DOWN, report("applied")])
    assert script.run(Bell(), once=True) is DOWN
    assert script.reasons == ["start"]


def test_a_ring_ends_the_pause_and_says_why() -> None:
    bell = Bell()
    script = Script([report("in_sync"), report("in_sync")])
    threading.Timer(0.05, bell.ring, ["webhook"]).start()
    started = time.monotonic()
    script.run(bell, 60)
    assert time.monotonic() - started < 30
    assert script.reasons == ["start", "webhook"]


def test_many_rings_are_one_sync() -> None:
    bell = Bell()
    for _ in range(1000):
        bell.ring("webhook")
    assert bell.wait(0) == "webhook"
    assert bell.wait(0) is None


def test_a_ring_during_a_sync_is_not_lost() -> None:
    bell = Bell()
    script = Script([report("in_sync"), report("in_sync")])
    original = script.sync

    def sync(reason: str) -> Report:
        if reason == "start":
            bell.ring("webhook")
        return original(reason)

    script.sync = sync  # type: ignore[method-assign]
    script.run(bell, 60)
    assert script.reasons == ["start", "webhook"]


def test_a_signal_handler_may_ring_while_the_loop_sleeps() -> None:
    bell = Bell()
    previous = signal.signal(signal.SIGUSR1, lambda *_: bell.ring("signal"))
    try:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        assert bell.wait(30) == "signal"
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_signal_that_raises_ends_the_sleep() -> None:
    def handler(*_: object) -> None:
        raise SystemExit(143)

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        with pytest.raises(SystemExit):
            Bell().wait(30)
    finally:
        signal.signal(signal.SIGUSR1, previous)
