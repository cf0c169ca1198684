"""The bench measures what it says: it is no test itself, so a slip in it would show nowhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.corpora import Corpora
from bench.measure import Program, Run, Samples, alternate, peak_memory, run
from bench.scenarios import SCENARIOS
from bench.table import Result, memory_verdict, rows

BUSY = "import time\nwhile time.process_time() < 0.2: pass\n"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}], check=True)\nprint('done')\n"


def program(code: str, says: str = "", cwd: Path = Path("/")) -> Program:
    return Program([sys.executable, "-S", "-c", code], cwd, dict(os.environ), says=says)


def test_cpu_of_children_counts_and_waiting_does_not(tmp_path: Path) -> None:
    assert run(program(CHILD, "done"), tmp_path / "log").cpu >= 0.2
    idle = run(program("import time; time.sleep(0.3)"), tmp_path / "log")
    assert idle.wall >= 0.3 > idle.cpu


def test_a_run_that_did_something_else_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        run(program("raise SystemExit(3)"), tmp_path / "log")
    with pytest.raises(RuntimeError, match="ended with 0"):
        run(program("print('7 created')", "8 created"), tmp_path / "log")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system cannot say")
def test_memory_of_children_counts(tmp_path: Path) -> None:
    grow = "data = b'x' * 50_000_000\nimport time\ntime.sleep(0.3)\n"
    alone = peak_memory(program(grow), tmp_path / "log")
    both = peak_memory(program(f"import os\nos.fork()\n{grow}"), tmp_path / "log")
    assert alone is not None
    assert both is not None
    assert 50 < alone < 100 < both < 200


def test_turns_are_taken_after_one_that_does_not_count() -> None:
    order: list[str] = []

    def turn(name: str, wall: float) -> Run:
        order.append(name)
        return Run(wall, 0, 0)

    samples = alternate(3, lambda: turn("command", len(order)), lambda: turn("floor", 1))
    assert order == ["command", "floor"] * 4
    assert samples.wall == 4
    assert samples.floor_wall == 1


def test_the_table_judges_by_the_medians() -> None:
    scenario = next(s for s in SCENARIOS if s.name == "plan")
    assert scenario.target == 1.4

    def result(command: float, size: int = 10_000, peak: float = 100) -> Result:
        runs = tuple(Run(wall, 1, 50) for wall in (command, 100, 0.1))
        return Result(scenario, size, Samples(runs, (Run(1, 1, 1),) * 3), peak)

    assert result(1.4).verdict == "ok"
    assert result(1.41).verdict == "over"
    assert result(1.41, size=100).verdict == "(over)"
    assert rows([result(1.41)]).endswith("1.40 over")
    assert "300 (ok)" in memory_verdict([result(1)])
    assert "(over), 5.0 times" in memory_verdict([result(1), result(1, 50_000, 500)])


def test_a_corpus_is_made_once_and_committed(tmp_path: Path) -> None:
    corpora = Corpora(tmp_path, 3)
    root = corpora.repository("changed")
    assert len(list((root / "workflows").rglob("*.json"))) == 3
    assert corpora.changed() == 1
    (root / "mark").touch()
    assert (corpora.repository("changed") / "mark").exists()
    base = corpora.repository("base")
    same = [p.read_bytes() == (base / p.relative_to(root)).read_bytes() for p in sorted(root.rglob("*.json"))]
    assert same.count(False) == 1
