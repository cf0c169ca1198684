"""The service's heart: sync, tell, sleep, again. It knows neither git nor a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wfsync.daemon.bell import Bell
from wfsync.daemon.pace import Pace
from wfsync.daemon.report import Report

__all__ = ["Loop", "Observer"]


class Observer(Protocol):
    """Is told of every sync."""

    def __call__(self, report: Report, pause: float, failures: int) -> None:
        """``pause`` is how long the loop will sleep (0: none follows), ``failures`` transient ones in a row."""
        ...


@dataclass(frozen=True, slots=True)
class Loop:
    """``run`` returns when `stop` says so; a signal's exception passes through it."""

    sync: Callable[[str], Report]
    """One sync; is told the reason, and raises nothing but what ends the process."""
    bell: Bell
    pace: Pace
    observe: Observer
    stop: Callable[[], bool] = field(default=lambda: False)
    """Asked after every sync: a signal that came after its commit has waited until here."""
    chance: Callable[[], float] = field(default=lambda: 0.5)

    def run(self, *, once: bool = False) -> Report:
        """Sync until told to stop (after one sync with ``once``); returns the last report."""
        failures, reason = 0, "start"
        while True:
            report = self.sync(reason)
            failures = failures + 1 if report.is_transient else 0
            pause = 0.0 if once else self.pace.pause(report, failures, self.chance())
            self.observe(report, pause, failures)
            if once or self.stop():
                return report
            reason = self.bell.wait(pause) or ("retry" if failures else "interval")
