"""``run``, ``runs``, ``events``, ``tasks``, ``worker`` and ``schedules`` as people call them (issue 4, item 7)."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import CommandLine
from databases import Databases, LayoutName
from running import RunningDatabases, assign, call, expr, wait_for
from small_bundles import bundle
from workplace import Workplace

RETRY = {"maxAttempts": 2, "backoffMs": 10, "jitter": False}
HELLO = [assign("greet", hello=expr("'hello ' & payload.name"))]
ASK = [{"id": "ask", "type": "human.task", "config": {"taskType": "approval", "title": "Approve it?"}}]
BROKEN = [call("parse", "transform.parse_json", {"text": "{"}, retry=RETRY)]


@pytest.fixture(scope="module")
def work(home: Path, _running: RunningDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """Workflows, applied once for all tests of this file: an apply costs more than a run."""
    folder = tmp_path_factory.mktemp("work")
    place = Workplace(CommandLine(home, folder), _running(kept=True), folder)
    (folder / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\nregistry: registry.yaml\n")
    types = ["transform.assign", "human.task", "action.call", "event.wait", "state.set"]
    form = {"type": "object", "required": ["approved"]}
    registry: dict[str, Any] = {
        "version": 1,
        "nodeTypes": types,
        "actions": [{"id": "transform.parse_json", "version": 1}],
        "schemas": [{"ref": "task.approval", "schema": form}, {"ref": "payload.Ticket.v1"}],
    }
    (folder / "registry.yaml").write_text(yaml.safe_dump(registry))
    place.write(
        bundle("hello", HELLO),
        bundle("ask", ASK),
        bundle("broken", BROKEN),
        bundle("heard", [wait_for("w", "paid", expr("payload.key")), *HELLO]),
        bundle("started", HELLO, trigger={"type": "event", "eventName": "came"}),
        bundle("nightly", trigger={"type": "recurring", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}),
    )
    place.ok("apply")
    yield place
    _running.remove(place.database.name)


def run_id(work: Workplace) -> str:
    listed = work.ok("runs", "list", "--limit", "1", "--format", "json").json()["runs"]
    return str(listed[0]["id"])


def test_run_shows_its_steps_and_ends_with_the_run(work: Workplace) -> None:
    done = work.ok("run", "hello", "--payload", '{"name": "you"}', "--format", "json")
    assert done.json()["run"]["status"] == "SUCCEEDED"
    assert done.json()["run"]["output"]["vars"] == {"hello": "hello you"}
    assert "no worker is running: this command works on it" in done.stderr
    assert "succeeded" in done.stderr
    assert "greet (transform.assign)" in done.stderr
    shown = work.ok("runs", "show", run_id(work)[:8])
    assert "SUCCEEDED" in shown.stdout
    assert "└─ greet (transform.assign) SUCCEEDED" in shown.stdout
    assert work.ok("runs", "show", run_id(work), "--format", "mermaid").stdout.startswith("flowchart")
    assert work.ok("runs", "list", "--status", "canceled", "--workflow", "hello").stdout == "No runs.\n"


def test_a_run_that_fails_says_where_and_why_and_can_be_retried(work: Workplace) -> None:
    failed = work.fails(1, "run", "broken", "--format", "json")
    assert failed.json()["run"]["status"] == "FAILED"  # one document
    assert "error RUN_FAILED" in failed.stderr
    assert "root.steps[0]" in failed.stderr
    shown = work.ok("runs", "show", run_id(work), "--format", "json").json()
    assert [step["status"] for step in shown["steps"]][-1] == "FAILED"
    assert shown["run"]["error"]["nodePath"] == "root.steps[0]"
    again = work.fails(1, "runs", "retry", run_id(work))
    assert "RUN_FAILED" in again.stderr
    work.fails(1, "runs", "replay", run_id(work))
    (newest, older) = work.ok("runs", "list", "--workflow", "broken", "--format", "json").json()["runs"]
    assert newest["replay_of_run_id"] == older["id"]


def test_what_cannot_be_run_is_said_before_anything_happens(work: Workplace) -> None:
    before = _runs(work)
    assert "did you mean hello?" in work.fails(1, "run", "helo").stderr
    assert "it has 1" in work.fails(1, "run", "hello", "--version", "7").stderr
    assert "INVALID_JSON" in work.fails(1, "run", "hello", "--payload", "{oops").stderr
    assert "INVALID_JSON" in work.fails(1, "run", "hello", "--payload", "@missing.json").stderr
    assert "INVALID_PAYLOAD" in work.fails(1, "run", "hello", "--payload", "[]").stderr
    work.database.execute("UPDATE workflow_definitions SET is_paused = true")
    assert "WORKFLOW_PAUSED" in work.fails(4, "run", "hello").stderr
    work.database.execute("UPDATE workflow_definitions SET is_paused = false")
    assert _runs(work) == before


def test_a_run_waits_for_a_person(work: Workplace) -> None:
    waits = work.ok("run", "ask")
    assert "WAITING" in waits.stdout
    (task,) = work.ok("tasks", "list", "--format", "json").json()["tasks"]
    assert "INVALID_ANSWER" in work.fails(1, "tasks", "complete", task["id"], "--answer", '{"no": 1}').stderr
    work.ok("tasks", "complete", task["id"][:8], "--answer", '{"approved": true}')
    assert work.ok("tasks", "list").stdout == "No tasks.\n"
    assert "  answered by " in work.ok("tasks", "list", "--all").stdout
    assert "TASK_CLOSED" in work.fails(3, "tasks", "complete", task["id"], "--answer", '{"approved": true}').stderr


def test_a_run_is_canceled_without_a_worker(work: Workplace) -> None:
    work.ok("run", "ask")
    work.ok("runs", "cancel", run_id(work), "--reason", "not needed")
    assert _status(work, run_id(work)) == "CANCELED"
    assert "RUN_ENDED" in work.fails(3, "runs", "cancel", run_id(work)).stderr
    assert "UNKNOWN_RUN" in work.fails(1, "runs", "show", "ffffffff").stderr


def test_what_a_run_heard_before_its_end_goes_first(work: Workplace) -> None:
    work.ok("run", "ask")
    (task,) = work.ok("tasks", "list", "--format", "json").json()["tasks"]
    work.ok("tasks", "complete", task["id"], "--answer", '{"approved": true}')
    late = work.fails(3, "runs", "cancel", run_id(work))
    assert "has ended already: SUCCEEDED" in late.stderr
    assert late.stdout == ""
    assert _status(work, run_id(work)) == "SUCCEEDED"


def test_workers_do_the_work_hear_of_applies_and_drain(work: Workplace) -> None:
    worker = work.cli.start(
        "--database", work.database.conninfo, "--tenant", str(work.database.tenant), "worker", cwd=work.folder
    )
    try:
        _await(lambda: _living(work) == 1)
        queued = work.ok("run", "heard", "--payload", '{"key": "k", "name": "x"}', "--format", "json").json()["run"]
        assert queued["status"] in {"QUEUED", "RUNNING", "WAITING"}
        _await(lambda: _status(work, queued["id"]) == "WAITING")
        sent = work.ok("events", "send", "paid", "--correlation-key", "k", "--format", "json").json()
        assert [met["run"] for met in sent["resumed"]] == [queued["id"]]
        _await(lambda: _status(work, queued["id"]) == "SUCCEEDED")
        # what an apply brings takes effect at once
        work.write(bundle("started", HELLO, trigger={"type": "event", "eventName": "came.later"}))
        work.ok("apply", "--force")
        assert work.ok("events", "send", "came", "--format", "json").json()["started"] == []
        sent = work.ok("events", "send", "came.later", "--payload", '{"name": "y"}', "--format", "json").json()
        _await(lambda: _status(work, sent["started"][0]["run"]) == "SUCCEEDED")
        assert "nightly" in work.ok("schedules").stdout
        (nightly,) = work.ok("schedules", "--format", "json").json()["schedules"]
        assert nightly["next_at"] is not None
    finally:
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=40)
    assert worker.returncode == 0, err
    assert out == b"Stopped.\n"
    assert b"Traceback" not in err
    assert _living(work) == 0


def _runs(work: Workplace) -> int:
    with work.database.connect() as conn:
        row = conn.execute("SELECT count(*) FROM workflow_runs").fetchone()
    return int(row[0]) if row else 0


def _living(work: Workplace) -> int:
    with work.database.connect() as conn:
        row = conn.execute("SELECT count(*) FROM workflow_workers WHERE ended_at IS NULL").fetchone()
    return int(row[0]) if row else 0


def _status(work: Workplace, run: str) -> str | None:
    with work.database.connect() as conn:
        row = conn.execute("SELECT status FROM workflow_runs WHERE run_id = %s", [run]).fetchone()
    return str(row[0]) if row else None


def _await(true: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("layout", ["A", "B-Citus"])
def test_an_instance_that_somebody_else_made_is_not_ours_to_run(
    cli: CommandLine, database: Databases, tmp_path: Path, layout: LayoutName
) -> None:
    place = Workplace(cli, database(layout), tmp_path)
    refused = place.fails(1, "run", "hello")
    assert "error RUNTIME_UNAVAILABLE" in refused.stderr
    assert "db upgrade" in refused.stderr


def test_an_event_of_which_nothing_comes_is_explained(work: Workplace) -> None:
    assert "without --correlation-key it answers no wait, and no published" in work.ok("events", "send", "no").stderr
    assert "no run waits for it with this key" in work.ok("events", "send", "no", "--correlation-key", "k").stderr
    work.ok("run", "ask")
    assert "and is not kept" in work.ok("events", "send", "no", "--run", run_id(work)).stderr


def test_json_documents_are_whole(work: Workplace) -> None:
    for command in (["runs", "list"], ["tasks", "list"], ["schedules"], ["events", "send", "nothing"]):
        done = work.ok(*command, "--format", "json")
        assert json.loads(done.stdout)["format_version"] == "1.0"
