"""A worker process for tests of faults: ``python fault_worker.py CONNINFO CONCURRENCY``; ends on SIGTERM.

Its actions leave rows in ``effects`` (in the transaction that records the step) and in ``calls`` (on a connection of
their own, as an external service would).
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
import time
from typing import Any

import psycopg

from wfsync.runtime.plugins import installed
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, Registry
from wfsync.runtime.worker import Worker
from wfsync.store.instance import NIL_TENANT
from wfsync.store.runtime.place import Place
from wfsync.store.target import Target

CONNINFO = sys.argv[1] if len(sys.argv) > 1 else ""


def effect(given: Any, context: ActionContext) -> Any:
    context.transaction.execute(
        "INSERT INTO effects (run_id, key, n) VALUES (%s, %s, %s)",
        [context.run_id, context.idempotency_key, given["n"]],
    )
    return {"n": given["n"]}


def external(given: Any, context: ActionContext) -> Any:
    """Sometimes slow, sometimes failing at first: always the same for the same key."""
    chance = hashlib.sha256(context.idempotency_key.encode()).digest()
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO calls (run_id, key, attempt) VALUES (%s, %s, %s)",
            [context.run_id, context.idempotency_key, context.attempt],
        )
    time.sleep(chance[0] / 255 * 0.1)
    if chance[1] < 64 and context.attempt == 1:
        raise ActionFailed("not yet", category="TransientError")
    return {"n": given["n"] * 2}


def registry() -> Registry:
    return Registry.of(
        [
            Action("f.effect", 1, run=effect, transactional=True),
            Action("f.external", 1, run=external),
            Action("f.pure", 1, run=lambda given, _context: {"n": given["n"] + 1}, side_effects=False),
        ]
    ).over(installed())


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = Worker(Place(Target("named", CONNINFO), "public", NIL_TENANT), registry(), int(sys.argv[2]))
    worker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    stop.wait()
    worker.stop(10)


if __name__ == "__main__":
    main()
