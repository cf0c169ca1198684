"""A suite run to its end: verdicts and coverage."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass

from wfsync.state.progress import Track, untracked
from wfsync.testing.coverage import Covered, cover
from wfsync.testing.outcome import Seen, Verdict
from wfsync.testing.running import Suite
from wfsync.testing.workflows import NotRunnable, Prepared

__all__ = ["TestReport", "run_suite"]

_COLLECTED = 500
"""Tests after which garbage is looked for: the command line runs without a collector."""


@dataclass(frozen=True, slots=True)
class TestReport:
    """What came of all tests that were run."""

    __test__ = False  # pytest takes it for a test otherwise

    verdicts: tuple[Verdict, ...]
    seconds: float
    coverage: tuple[Covered, ...] | None = None
    """None: it was not measured."""

    def count(self, result: str) -> int:
        """How many tests passed, failed, or could not be carried through (``error``)."""
        return sum(verdict.result == result for verdict in self.verdicts)

    @property
    def percent(self) -> float:
        """Of all steps and branches; 100 where there are none."""
        every = sum(one.steps + one.branches for one in self.coverage or ())
        missed = sum(one.steps_missed + one.branches_missed for one in self.coverage or ())
        return 100.0 if every == 0 else 100.0 * (every - missed) / every

    def passes(self, fail_under: float | None = None) -> bool:
        """Whether all tests passed, and enough was tried."""
        enough = fail_under is None or self.percent >= fail_under
        return enough and self.count("passed") == len(self.verdicts)


def run_suite(
    suite: Suite,
    *,
    jobs: int,
    stop_at_first: bool = False,
    coverage: bool = False,
    whole: bool = False,
    track: Track = untracked,
) -> TestReport:
    """Run ``suite``. ``coverage`` measures the versions that tests are about; with ``whole`` also the newest version of
    every other workflow of the repository, of which then nothing was tried.
    """
    began = time.perf_counter()
    verdicts: list[Verdict] = []
    for verdict in track(suite.verdicts(jobs=jobs, stop_at_first=stop_at_first), "testing", len(suite.cases)):
        verdicts.append(verdict)
        if len(verdicts) % _COLLECTED == 0 and jobs <= 1:
            gc.collect()
    seconds = time.perf_counter() - began
    if not coverage:
        return TestReport(tuple(verdicts), seconds)
    seen: set[Seen] = set()
    for verdict in verdicts:
        seen |= verdict.seen
    measured = [*suite.tested(), *(_newest(suite) if whole else ())]
    return TestReport(tuple(verdicts), seconds, tuple(cover(suite.workflows, measured, seen)))


def _newest(suite: Suite) -> Iterable[Prepared]:
    for key in suite.workflows.every_key():
        try:
            yield suite.workflows.get(key)
        except NotRunnable:
            continue  # what is wrong with it `validate` says; a test of it would be an error
