"""When the next sync is due: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wfsync.daemon.report import Report

__all__ = ["Pace"]

_FIRST_RETRY: Final = 1.0
"""Seconds; doubled with every failure in a row."""
_JITTER: Final = 0.1
"""Part of a pause that chance decides, so that many instances do not come to a server in step."""
_STANDBY: Final = 0.5
"""A standby looks twice an interval, so that it has taken over and synced within one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to sync."""

    interval: float
    """Seconds from the end of one sync to the next; never exceeded but after failures."""
    longest: float = 300.0
    """The cap of the back-off; an interval above it is the cap."""

    def pause(self, report: Report, failures: int, chance: float) -> float:
        """Seconds to sleep after ``report``, the last of ``failures`` transient failures in a row; ``chance`` is
        between 0 and 1.

        A failure that may pass by itself is tried again after a second, two, four, … up to the cap. Everything else
        waits for the interval, since only a new revision or a person changes it.
        """
        if report.is_transient and failures > 0:
            cap = max(self.longest, self.interval)
            whole = min(min(_FIRST_RETRY, self.interval) * 2.0 ** min(failures - 1, 30), cap)
        elif report.status == "standby":
            whole = self.interval * _STANDBY
        else:
            whole = self.interval
        return whole * (1.0 - _JITTER * chance)
