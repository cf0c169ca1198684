"""`make bench`: every command beside its floor, measured in turns in the same run.

python tests/bench [--sizes 100,1000,10000,50000] [--runs 5] [--only NAME] [--quick] [--output FILE]
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)  # tests/, where corpus.py lies; started as a folder it would be tests/bench itself

from bench.corpora import Corpora  # noqa: E402
from bench.measure import Run, alternate, peak_memory, run  # noqa: E402
from bench.scenarios import SCENARIOS, Bench, Prepared, Scenario  # noqa: E402
from bench.server import BenchServer  # noqa: E402
from bench.table import HEAD, Result, machine, memory_verdict, rows  # noqa: E402

PLACE = HERE.parents[1] / ".bench"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped, its folder removed
    chosen = [s for s in SCENARIOS if not options.only or s.name in options.only]
    PLACE.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=PLACE))
    results: list[Result] = []
    try:
        with BenchServer.running(scratch) as server:
            print(machine(server.version()), flush=True)
            print(HEAD, flush=True)
            for size in options.sizes:
                bench = Bench(Corpora(PLACE / "corpora", size), server, scratch)
                bench.corpora.prepare()
                bench.full()
                for scenario in chosen:
                    results.append(_measure(scenario, bench, options.runs))
                    print(rows(results[-1:]).partition("\n")[2], flush=True)
                server.drop(f"full_{size}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    verdict = memory_verdict(results)
    print(verdict)
    if options.output is not None:
        options.output.write_text(f"{rows(results)}\n{verdict}\n")
    return 0


def _measure(scenario: Scenario, bench: Bench, runs: int) -> Result:
    log = bench.scratch / "output"

    def once(prepared: Prepared) -> Run:
        with prepared as program:
            return run(program, log)

    samples = alternate(runs, lambda: once(scenario.command(bench)), lambda: once(scenario.floor(bench)))
    with scenario.command(bench) as program:
        peak = peak_memory(program, log)
    return Result(scenario, bench.size, samples, peak)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--sizes", type=_sizes, help="default: 100,1000,10000,50000")
    parser.add_argument("--runs", type=int, help="counted runs of each side; default: 5")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="100 and 1 000 workflows, three runs")
    parser.add_argument("--output", type=Path, help="write the table to a file as well")
    options = parser.parse_args()
    options.sizes = options.sizes or ((100, 1000) if options.quick else (100, 1000, 10_000, 50_000))
    options.runs = options.runs or (3 if options.quick else 5)
    return options


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.replace("_", "").split(","))


if __name__ == "__main__":
    raise SystemExit(main())
