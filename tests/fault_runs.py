"""Runs while their workers are killed, paused and cut off: who does that, and what must be true after it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import fault_worker
from databases import Database
from running import Instance, assign, call, expr, sleep, wait_for
from wfsync.runtime.definition import compile_definition
from wfsync.runtime.history import event_from_json
from wfsync.runtime.interpreter import fold

RETRY: Final = {"maxAttempts": 5, "backoffMs": 50}
EFFECTS: Final = 8
"""Of one run and its child."""


def prepare(one: Instance) -> None:
    """Two workflows with everything that can be interrupted."""
    one.execute("CREATE TABLE effects (run_id text, key text, n integer)")
    one.execute("CREATE TABLE calls (run_id text, key text, attempt integer)")
    child = one.define(
        "child",
        [
            call("c1", "f.effect", {"n": expr("payload.n")}),
            call("c2", "f.external", {"n": expr("payload.n")}, retry=RETRY),
            sleep("c3", 50),
            call("c4", "f.effect", {"n": expr("vars.c2.n")}),
        ],
    )
    loop = {
        "id": "loop",
        "type": "control.forEach",
        "items": expr("[1, 2, 3]"),
        "itemVar": "item",
        "concurrency": 2,
        "body": [
            call("each", "f.external", {"n": expr("item")}, retry=RETRY, saveAs="vars.seen"),
            call("told", "f.effect", {"n": expr("vars.seen.n")}, saveAs="vars.last"),
        ],
    }
    one.define(
        "parent",
        [
            call("a", "f.effect", {"n": expr("payload.n")}),
            call("b", "f.external", {"n": expr("vars.a.n")}, retry=RETRY),
            call("p", "f.pure", {"n": expr("vars.b.n")}),
            loop,
            sleep("s", 100),
            wait_for("w", "go", expr("$string(payload.n)")),
            {
                "id": "call",
                "type": "control.callWorkflow",
                "workflowId": child,
                "workflowVersion": 1,
                "inputMapping": {"n": expr("vars.p.n")},
                "outputMapping": {"vars.fromChild": expr("vars.c4.n")},
            },
            call("z", "f.effect", {"n": expr("vars.fromChild")}),
            call("y", "f.effect", {"n": expr("vars.event.m")}),
            assign("end", total=expr("vars.a.n + vars.b.n + vars.p.n + vars.z.n + vars.y.n")),
        ],
    )


def expected(n: int) -> int:
    """``vars.total`` of a run with ``payload.n``, as an uninterrupted run has it."""
    a, b = n, 2 * n
    p = b + 1
    return a + b + p + 2 * p + (n + 7)


@dataclass(slots=True)
class Crew:
    """Worker processes; those that are gone are replaced."""

    database: Database
    size: int
    random: random.Random
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    paused: list[tuple[float, subprocess.Popen[bytes]]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def muster(self) -> None:
        """As many workers as there should be; those that were paused for long enough go on."""
        now = time.monotonic()
        for until, process in list(self.paused):
            if now >= until:
                process.send_signal(signal.SIGCONT)
                self.paused.remove((until, process))
        self.workers = [process for process in self.workers if process.poll() is None]
        while len(self.workers) - len(self.paused) < self.size:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, Path(fault_worker.__file__), self.database.conninfo, "8"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
                )
            )

    def harm(self, pause: float) -> None:
        """One fault: a worker is killed or paused, or connections are cut."""
        kind = self.random.choices(["kill", "pause", "cut"], [4, 1, 5])[0]
        awake = [p for p in self.workers if p not in [process for _, process in self.paused] and p.poll() is None]
        if kind == "cut":
            with self.database.connect() as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'wfsync/%%' AND pid <> pg_backend_pid() AND random() < %s",
                    [self.random.choice([0.1, 0.4, 1.0])],
                )
        elif not awake:
            return
        elif kind == "pause":
            process = self.random.choice(awake)
            process.send_signal(signal.SIGSTOP)
            self.paused.append((time.monotonic() + pause, process))
        else:
            self.random.choice(awake).kill()
        self.done[kind] = self.done.get(kind, 0) + 1

    def dismiss(self) -> None:
        """No worker any more."""
        for process in self.workers:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
        for process in self.workers:
            process.wait(10)


def endure(one: Instance, *, seed: int, faults: int, runs: int, size: int = 2) -> dict[str, int]:
    """Start runs and do harm until all have ended; then `check`. What was done, by kind."""
    dice = random.Random(seed)
    crew = Crew(one.database, size, dice)
    told: set[str] = set()
    started = 0
    try:
        crew.muster()
        left, last_fault, next_fault = faults, time.monotonic(), time.monotonic() + 1.5
        deadline = time.monotonic() + 90 + faults * 2
        while True:
            crew.muster()
            if started < runs * (1 - left / faults) + 2 and started < runs:
                again(partial(one.start, "parent", {"n": started}))
                started += 1
            # From the database: a start whose answer was lost was a start all the same.
            parents = one.rows("SELECT run_id::text AS id, input_json FROM workflow_runs WHERE parent_run_id IS NULL")
            for parent in parents:
                if parent["id"] not in told and dice.random() < 0.3:  # kept where the run does not wait yet
                    n = parent["input_json"]["n"]
                    again(partial(one.send, "go", {"m": n + 7}, str(n), parent["id"]))
                    told.add(parent["id"])
            if left and time.monotonic() >= next_fault:
                crew.harm(pause=dice.uniform(16, 19))
                left -= 1
                last_fault = time.monotonic()
                next_fault = time.monotonic() + dice.uniform(0.1, 0.8)
            if not left and started == runs and len(told) == len(parents) and _all_ended(one):
                break
            assert time.monotonic() < deadline, _unfinished(one)
            time.sleep(0.05)
        # Taken over within 30 seconds (issue 4, item 6), and then finished; what is left is for a busy machine.
        assert time.monotonic() - last_fault < 45
    finally:
        crew.dismiss()
    check(one)
    return crew.done


def again(work: Any) -> Any:
    """A sender whose connection may be cut as well: it tries again, as people do."""
    from wfsync.errors import DatabaseError

    for _ in range(10):
        try:
            return work()
        except DatabaseError:
            time.sleep(0.05)
    return work()


def _all_ended(one: Instance) -> bool:
    return not one.rows("SELECT 1 FROM workflow_runs WHERE completed_at IS NULL LIMIT 1")


def _unfinished(one: Instance) -> str:
    rows = one.rows(
        "SELECT r.run_id::text, r.status, r.node_path, r.fence, r.aborted_turns, (SELECT json_agg(s.status) FROM"
        " wfsync_engine.workflow_status s WHERE s.queue_partition_key = r.run_id::text) AS turns,"
        " (SELECT json_agg(w.wait_type || ' ' || w.status) FROM workflow_run_waits w WHERE w.run_id = r.run_id)"
        " AS waits, (SELECT json_agg(l.message) FROM workflow_run_logs l WHERE l.run_id = r.run_id) AS logs"
        " FROM workflow_runs r WHERE completed_at IS NULL"
    )
    return "\n".join(map(str, rows))


def check(one: Instance) -> None:
    """Every run has ended as an uninterrupted one would, and each step's effect is there exactly once."""
    for row in one.rows("SELECT * FROM workflow_runs"):
        assert row["status"] == "SUCCEEDED", row
    parents = one.rows("SELECT * FROM workflow_runs WHERE parent_run_id IS NULL")
    children = one.rows("SELECT * FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert len(children) == len(parents)
    for row in parents:
        n = row["input_json"]["n"]
        assert row["output_json"]["vars"]["total"] == expected(n), row
    twice = one.rows("SELECT key, count(*) FROM effects GROUP BY key HAVING count(*) <> 1")
    assert twice == []
    (effects,) = one.rows("SELECT count(*) AS n FROM effects")
    assert effects["n"] == EFFECTS * len(parents)
    # an external call at least once, and never after its outcome was recorded: one row a key, with its outcome
    missing = one.rows(
        "SELECT i.idempotency_key FROM workflow_action_invocations i WHERE i.action_id = 'f.external'"
        " AND NOT EXISTS (SELECT FROM calls c WHERE c.key = i.idempotency_key)"
    )
    assert missing == []
    left = one.rows("SELECT * FROM workflow_action_invocations WHERE status <> 'SUCCEEDED'")
    assert left == []
    assert one.rows("SELECT * FROM workflow_run_steps WHERE status NOT IN ('SUCCEEDED', 'RETRY_SCHEDULED')") == []
    gaps = one.rows(
        "SELECT run_id FROM workflow_run_history GROUP BY run_id HAVING count(*) <> max(seq) OR min(seq) <> 1"
    )
    assert gaps == []
    _folded(one)


def _folded(one: Instance) -> None:
    """What was recorded is what a fold over the history gives."""
    definitions = {
        row["hash"]: compile_definition(row["definition"])
        for row in one.rows("SELECT * FROM workflow_definition_contents")
    }
    for row in one.rows("SELECT * FROM workflow_runs"):
        events = one.rows("SELECT event FROM workflow_run_history WHERE run_id = %(r)s ORDER BY seq", r=row["run_id"])
        machine = fold(
            definitions[row["definition_hash"]], [event_from_json(e["event"]) for e in events], fault_worker.registry()
        )
        assert machine.finish is not None
        assert machine.finish.envelope["vars"] == row["output_json"]["vars"]
