"""One process run and measured: wall clock, CPU with all its children, peak memory with all its children.

Times come from ``wait4``. Memory is measured in a run of its own, because looking at it costs time: a page counts in
proportion to how many processes share it (PSS), so that forked workers are not counted twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["Program", "Run", "Samples", "alternate", "peak_memory", "run"]

_INTERVAL = 0.01


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, and what it must say."""

    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    codes: frozenset[int] = frozenset({0})
    """Exit codes that are no failure."""
    says: str = ""
    """Part of the standard output of a run that did what is measured."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Seconds, and MB (10^6 bytes)."""

    wall: float
    cpu: float
    peak: float
    """Of the largest single process; see `peak_memory` for all together."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Runs of a command and of its floor, in turns."""

    command: tuple[Run, ...]
    floor: tuple[Run, ...]

    @property
    def wall(self) -> float:
        return median(run.wall for run in self.command)

    @property
    def cpu(self) -> float:
        return median(run.cpu for run in self.command)

    @property
    def floor_wall(self) -> float:
        return median(run.wall for run in self.floor)

    @property
    def floor_cpu(self) -> float:
        return median(run.cpu for run in self.floor)


def run(program: Program, log: Path) -> Run:
    """Run ``program`` to its end. Raises `RuntimeError` with the end of its output when it fails."""
    with log.open("w+b") as output, (log.with_suffix(".err")).open("w+b") as errors:
        started = time.perf_counter()
        process = _start(program, output.fileno(), errors.fileno())
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    _require(program, process.returncode, log)
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(wall, usage.ru_utime + usage.ru_stime, kilobytes * 1024 / 1e6)


def alternate(count: int, command: Callable[[], Run], floor: Callable[[], Run]) -> Samples:
    """``count`` runs of each, in turns, after one of each that is not counted."""
    command(), floor()
    pairs = [(command(), floor()) for _ in range(count)]
    return Samples(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def peak_memory(program: Program, log: Path) -> float | None:
    """Most memory that ``program`` and all its children had at one time, in MB; None where the system cannot tell."""
    if not Path("/proc/self/smaps_rollup").exists():
        return None
    peak = 0
    ended = threading.Event()
    with log.open("w+b") as output, (log.with_suffix(".err")).open("w+b") as errors:
        process = _start(program, output.fileno(), errors.fileno())
        threading.Thread(target=_await, args=(process, ended), daemon=True).start()
        while not ended.wait(_INTERVAL):
            peak = max(peak, sum(map(_pss, _family(process.pid))))
    _require(program, process.returncode, log)
    return peak * 1024 / 1e6


def _start(program: Program, output: int, errors: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program.command,
        cwd=program.cwd,
        env=program.environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )


def _await(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    process.wait()
    ended.set()


def _require(program: Program, code: int, log: Path) -> None:
    said = log.read_text(errors="replace")
    if code in program.codes and program.says in said:
        return
    told = log.with_suffix(".err").read_text(errors="replace")
    what = " ".join(map(str, program.command))
    raise RuntimeError(f"{what}\nended with {code}:\n{said[-1500:]}\n{told[-1500:]}")


def _family(pid: int) -> list[int]:
    """``pid`` and everything below it."""
    family = [pid]
    for parent in family:
        try:
            for thread in Path(f"/proc/{parent}/task").iterdir():
                children = (thread / "children").read_text()
                family += map(int, children.split())
        except OSError:
            continue  # it has just ended
    return family


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
