"""What the runtime sends to the database, and what it relies on in the engine."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import psycopg
import pytest

from databases import OTHER_TENANT
from running import Instance, assign, call, expr, sleep, wait_for
from wfsync.runtime.events import send
from wfsync.runtime.registry import Action, ActionFailed
from wfsync.runtime.runs import cancel, replay, retry
from wfsync.runtime.schedules import Clock, planned
from wfsync.runtime.tasks import complete
from wfsync.store.runtime import pool as pools
from wfsync.store.runtime import queue, reading, starting, sweeping, tasks, watching, workers
from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.runtime.pool import Pool

OURS = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(workflow_\w+)")
TENANT = re.compile(r"%\(tenant\)s")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every statement that the runtime's own sessions send."""
    sent: list[str] = []

    class Recording(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(query if isinstance(query, str) else str(query))
            return super().execute(query, *args, **kwargs)

    original = pools.open_runtime_session

    def open_session(place: Place) -> Any:
        conn = original(place)
        conn.cursor_factory = Recording
        return conn

    monkeypatch.setattr(pools, "open_runtime_session", open_session)
    return sent


def everything(one: Instance) -> None:
    """Every statement that there is, for the tenant of ``one``."""
    child = one.define("child", [sleep("s", 60_000)], concurrency_limit=1)
    ask = {"id": "ask", "type": "human.task", "config": {"taskType": "t", "title": "?"}}
    calls = {"id": "c", "type": "control.callWorkflow", "workflowId": child, "workflowVersion": 1}
    one.define("w", [call("a", "t.act", {"bad": expr("payload.bad")}), wait_for("e", "go"), ask, calls])
    one.define("timed", [], trigger={"type": "recurring", "cron": "0 * * * *", "timezone": "UTC"})
    one.define("told", [assign("a", x=1)], trigger={"type": "event", "eventName": "go"}, auto_pause_on_failure=True)
    one.execute("UPDATE workflow_definitions SET created_at = '2026-01-01', updated_at = '2026-01-01'")
    run_id = one.start("w", {"bad": False})
    one.send("go", {}, "k", run=run_id)
    one.work()
    send(one.pool, one.registry, "go", {}, "k")
    with one.pool.session() as conn:
        for task in tasks.tasks(conn, one.place):
            complete(one.pool, one.registry, task.id, {}, "me")
    one.start("child")
    one.work()
    one.pass_time(61)
    one.work()
    failed = str(one.run("w", {"bad": True})["run_id"])
    retry(one.pool, failed)
    one.work()
    replay(one.pool, failed)
    cancel(one.pool, one.start("w", {"bad": False}), "")
    one.work()
    Clock(one.pool, one.registry).fire_due()
    worker = "11111111-0000-4000-8000-000000000001"
    with one.pool.session() as conn:
        workers.enter(conn, one.place, worker, "h", 1, 1)
        workers.beat(conn, one.place, worker)
        workers.workers(conn, one.place)
        workers.living(conn, one.place)
        workers.bury(conn, one.place)
        workers.leave(conn, one.place, worker)
        queue.strangers(conn, one.place)
        sweeping.revive(conn, one.place, 0)
        starting.admit_all(conn, one.place)
        planned(conn, one.place)
        watching.goes_on_by_itself(conn, one.place, run_id, 1)
        reading.runs(conn, one.place)
        for read in (reading.steps, reading.waits, reading.calls, reading.logs, reading.children, reading.history):
            read(conn, one.place, run_id)


def act(given: Any, _context: Any) -> Any:
    if given["bad"]:
        raise ActionFailed("broken")
    return {}


def test_every_statement_names_the_tenant_for_every_table(
    instance: Callable[..., Instance], statements: list[str]
) -> None:
    one = instance(Action("t.act", 1, run=act))
    everything(one)
    ours = {text for text in statements if OURS.search(text)}
    assert len(ours) > 45
    short = [text for text in ours if len(TENANT.findall(text)) < len(set(OURS.findall(text)))]
    assert short == []


def test_nothing_that_is_done_for_one_tenant_touches_another(instance: Callable[..., Instance]) -> None:
    one = instance(Action("t.act", 1, run=act))
    other = Place(one.place.target, one.place.schema, OTHER_TENANT)
    tables = [
        row["relname"]
        for row in one.rows(
            "SELECT relname FROM pg_class WHERE relname LIKE 'workflow%%' AND relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
    ]
    one.define("w", [wait_for("e", "go")], trigger={"type": "event", "eventName": "go"}, concurrency_limit=1)
    one.start("w")
    one.start("w")
    one.work()
    with one.pool.session() as conn:
        workers.enter(conn, one.place, "11111111-0000-4000-8000-000000000001", "h", 1, 1)
    one.execute("UPDATE workflow_workers SET beat_at = now() - interval '1 h'")

    def rows() -> list[str]:
        return [
            str(row) for table in tables for row in one.rows(f"SELECT xmin, xmax, ctid, * FROM {table} ORDER BY ctid")
        ]

    before = rows()
    pool = Pool(other)
    sent = send(pool, one.registry, "go", {}, "k")
    assert (sent.resumed, sent.started) == ([], [])
    assert Clock(pool, one.registry).fire_due() == []
    with pool.session() as conn:
        assert workers.bury(conn, other) == 0
        assert sweeping.revive(conn, other, 0) == 0
        assert starting.admit_all(conn, other) == 0
        assert reading.runs(conn, other) == []
        assert queue.strangers(conn, other) == ()
    pool.close()
    assert rows() == before


def test_the_engine_is_the_one_whose_private_parts_we_use() -> None:
    """design/libraries.md, point 2: taking turns back is private to DBOS, and safe because of its guard."""
    from dbos import DBOS
    from dbos._sys_db import SystemDatabase

    assert version("dbos") == "3.4.0"
    assert list(inspect.signature(DBOS._recover_pending_workflows).parameters) == ["executor_ids"]
    guard = inspect.getsource(SystemDatabase.reenqueue_for_recovery)
    assert "executor_id.in_(executor_ids)" in guard
    assert "WorkflowStatusString.PENDING.value" in guard


def test_the_engines_function_takes_what_we_give_it(instance: Callable[..., Instance]) -> None:
    one = instance()
    (found,) = one.rows(
        "SELECT proargnames[1:pronargs] AS names FROM pg_proc WHERE proname = 'enqueue_workflow'"
        " AND pronamespace = %(schema)s::regnamespace",
        schema=ENGINE_SCHEMA,
    )
    used = set(re.findall(r"(\w+) =>", queue._ENQUEUE))
    assert used <= set(found["names"])
    one.define("w", [])
    run_id = one.start("w")
    (row,) = one.rows("SELECT * FROM wfsync_engine.workflow_status")
    assert (row["queue_partition_key"], row["application_version"]) == (run_id, queue.APP_VERSION)
    assert row["workflow_uuid"] == f"{run_id}:start 0"
