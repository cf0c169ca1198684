"""``python tests/bench/runtime.py``: runs a second, what waiting costs, and how fast an event is heard.

Three measurements on a real PostgreSQL, each in worker processes of their own: runs/s of a five-step workflow with 1, 2
and 4 workers; threads and memory of one worker beside 5 000 waiting runs; event → resumed, p50 and p99.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import fault_worker
from databases import Database, Databases
from running import Instance, RunningDatabases, assign, call, expr, wait_for
from servers import new_server

PURE: Final = [assign("a", n=expr("payload.n")), *[call(f"p{n}", "f.pure", {"n": expr("vars.n")}) for n in range(4)]]
EFFECTS: Final = [call(f"e{n}", "f.effect", {"n": expr("payload.n")}) for n in range(5)]


def main() -> int:
    options = _options()
    server = new_server(settings={"max_connections": "200", "autovacuum": "on", "synchronous_commit": "on"})
    try:
        databases = Databases(server)
        running = RunningDatabases(server, databases)
        for name, steps in (("five steps, no effects", PURE), ("five steps, five transactional effects", EFFECTS)):
            for count in options.workers:
                one = _instance(running)
                one.define("w", steps)
                print(f"{name}, {count} workers: {_throughput(one, count, options.runs):.0f} runs/s", flush=True)
                one.close()
        one = _instance(running)
        one.define("w", [wait_for("a", "go", expr("$string(payload.n)"))])
        _waiting(one, options.waiting)
        _latency(one, options.events)
        one.close()
    finally:
        server.remove()
    return 0


def _instance(running: RunningDatabases) -> Instance:
    one = Instance(running())
    one.registry = fault_worker.registry()
    one.execute("CREATE TABLE effects (run_id text, key text, n integer)")
    one.execute("CREATE TABLE calls (run_id text, key text, attempt integer)")
    return one


@contextmanager
def _workers(database: Database, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    workers = [
        subprocess.Popen(
            [sys.executable, fault_worker.__file__, database.conninfo, "20"],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(fault_worker.__file__).parent)},
        )
        for _ in range(count)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        yield workers
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(30)


def _throughput(one: Instance, count: int, runs: int) -> float:
    """Runs that are there before the workers are; the first fifth, while those start, and the last tenth count not."""
    for n in range(runs):
        one.start("w", {"n": n})
    with _workers(one.database, count):
        _ended(one, runs)
    (row,) = one.rows(
        "SELECT count(*) AS n, extract(epoch FROM max(completed_at) - min(completed_at)) AS took FROM ("
        " SELECT *, percent_rank() OVER (ORDER BY completed_at) AS place FROM workflow_runs) r"
        " WHERE place BETWEEN 0.2 AND 0.9"
    )
    return float(row["n"]) / float(row["took"])


def _waiting(one: Instance, count: int) -> None:
    for n in range(count):
        one.start("w", {"n": n})
    with _workers(one.database, 1) as (worker,):
        _all(one, "WAITING", count)
        time.sleep(3)
        status = Path(f"/proc/{worker.pid}/status").read_text()
        facts = dict(line.split(":", 1) for line in status.splitlines())
        before = _cpu(worker.pid)
        time.sleep(5)
        cpu = (_cpu(worker.pid) - before) / 5
        print(
            f"one worker beside {count} waiting runs: {int(facts['VmRSS'].split()[0]) / 1024:.0f} MB,"
            f" {facts['Threads'].strip()} threads, {cpu:.0%} of a core while nothing happens",
            flush=True,
        )


def _latency(one: Instance, events: int) -> None:
    with _workers(one.database, 1):
        took = []
        for n in range(events):
            sent = time.perf_counter()
            (met,) = one.send("go", {}, str(n)).resumed
            while one.the(met["run"])["status"] != "SUCCEEDED":
                time.sleep(0.002)
            took.append((time.perf_counter() - sent) * 1000)
    cuts = statistics.quantiles(took, n=100)
    print(f"event → run ended, {events} events: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms", flush=True)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ended(one: Instance, count: int) -> None:
    _all(one, "SUCCEEDED", count)


def _all(one: Instance, status: str, count: int) -> None:
    deadline = time.monotonic() + 600
    while one.rows("SELECT count(*) AS n FROM workflow_runs WHERE status = %(s)s", s=status)[0]["n"] < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--workers", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 4])
    parser.add_argument("--waiting", type=int, default=5000)
    parser.add_argument("--events", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
