"""Results as text, and what machine gave them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.measure import Samples
from bench.scenarios import Scenario

__all__ = ["MEMORY_LIMIT", "Result", "machine", "memory_verdict", "rows"]

MEMORY_LIMIT = 300.0
"""MB, at 10 000 workflows; at 50 000 half as much again."""


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario at one size."""

    scenario: Scenario
    size: int
    samples: Samples
    peak: float | None
    """MB, of the command with its worker processes."""

    @property
    def ratio(self) -> float:
        return self.samples.wall / self.samples.floor_wall

    @property
    def verdict(self) -> str:
        """Targets hold from 10 000 on; below, start-up decides."""
        if self.scenario.target is None:
            return ""
        word = "ok" if self.ratio <= self.scenario.target else "over"
        return word if self.size >= 10_000 else f"({word})"


HEAD = (
    f"{'N':>6}  {'command':<31} {'wall s':>7} {'CPU s':>7} {'µs/wf':>6} {'MB':>5}   "
    f"{'floor':<13} {'wall s':>7} {'CPU s':>7}   {'ratio':>5} {'range':>11} {'target':>6}"
)


def rows(results: Sequence[Result]) -> str:
    """The table. µs/wf is wall clock a workflow, start-up included; range is that of the pairs of runs."""
    lines = [HEAD]
    for result in results:
        s, target = result.samples, result.scenario.target
        pairs = [a.wall / b.wall for a, b in zip(s.command, s.floor, strict=True)]
        memory = max(run.peak for run in s.command) if result.peak is None else result.peak
        lines.append(
            f"{result.size:>6}  {result.scenario.what:<31} {s.wall:>7.3f} {s.cpu:>7.3f}"
            f" {s.wall / result.size * 1e6:>6.0f} {memory:>5.0f}   {result.scenario.floor_name:<13}"
            f" {s.floor_wall:>7.3f} {s.floor_cpu:>7.3f}   {result.ratio:>5.2f}"
            f" {f'{min(pairs):.2f}–{max(pairs):.2f}':>11}"
            f" {'' if target is None else f'{target:.2f}':>6} {result.verdict}".rstrip()
        )
    return "\n".join(lines)


def memory_verdict(results: Sequence[Result]) -> str:
    """The client's peak memory against the limit at 10 000, and against half as much again at 50 000."""
    peaks = {
        size: max((r.peak for r in results if r.size == size and r.peak is not None), default=None)
        for size in (10_000, 50_000)
    }
    small, large = peaks[10_000], peaks[50_000]
    if small is None:
        return ""
    text = f"peak memory at 10 000: {small:.0f} MB of {MEMORY_LIMIT:.0f} ({_word(small <= MEMORY_LIMIT)})"
    if large is not None:
        limit = 1.5 * MEMORY_LIMIT
        text += (
            f"; at 50 000: {large:.0f} MB of {limit:.0f} ({_word(large <= limit)}), {large / small:.1f} times as much"
        )
    return text


def machine(server_version: str) -> str:
    """What the numbers were measured on."""
    names = ("orjson", "msgspec", "jsonschema-rs", "psycopg", "pygit2")
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f};"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()},"
        f" PostgreSQL {server_version}, " + ", ".join(f"{name} {version(name)}" for name in names)
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _word(ok: bool) -> str:
    return "ok" if ok else "over"
