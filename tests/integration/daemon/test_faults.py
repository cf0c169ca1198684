"""What must not go wrong while `watch` runs: signals and cuts inside an apply, servers that go away, two instances."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from command_line import CommandLine
from databases import Databases
from gates import PLACES, gate
from servers import new_server
from shop import until
from small_bundles import bundle
from watching import Place

Make = Callable[..., Place]

INTERVAL = 0.3


def caught(here: Place) -> int:
    """The session of wfsync that waits at a gate."""
    found: list[int] = until(lambda: here.sessions("wait_event_type = 'Lock'"), "wfsync waits at the gate")
    (pid,) = found
    return pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_the_transaction_rolls_it_back(place: Make, number: signal.Signals) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--force")
    watch.status("applied")
    with gate(here.database, PLACES["copied"]):
        here.push(bundle("a", description="two"), bundle("b"))
        caught(here)
        assert watch.end(number) == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
        until(lambda: not here.sessions(), "its session is gone")
        assert here.names() == {"a": "one"}
    assert "nothing that was not committed remains" in watch.lines[-1]
    assert here.once("--force").code == 0
    assert here.names() == {"a": "two", "b": None}


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_the_last_line_of_a_json_log_is_an_object_too(place: Make, number: signal.Signals, word: str) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch()
    watch.status("in_sync")  # nothing is being committed: a signal would wait for the report of that
    watch.end(number)
    *_, last = [json.loads(line) for line in watch.lines]
    assert last == {"level": "info", "message": f"{word}: nothing that was not committed remains"}


def test_a_signal_during_the_commit_of_a_later_sync_ends_it_with_its_report(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--force")
    watch.status("applied")
    with gate(here.database, PLACES["committing"]) as closed:
        commit = here.push(bundle("a", description="two"))
        caught(here)
        watch.process.send_signal(signal.SIGTERM)
        closed.open()
        code = watch.wait()
    if code == 0:  # the server had committed before it heard of the signal
        assert watch.syncs[-1]["status"] == "applied"
        assert watch.syncs[-1]["commit"] == commit
        assert here.names() == {"a": "two"}
    else:
        assert code == 143
        assert here.names() == {"a": "one"}


def test_the_leaders_connection_is_cut_inside_the_transaction(place: Make) -> None:
    """Its transaction goes with it; whoever leads next applies the revision, once."""
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--force")
    watch.status("applied")
    with gate(here.database, PLACES["copied"]) as closed:
        commit = here.push(bundle("a", description="two"), bundle("b"))
        pid = caught(here)
        assert here.leaders() == [pid], "it applies on the session that leads"
        with here.database.connect() as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert watch.code("CONNECTION_LOST")["leader"] is True
        assert here.names() == {"a": "one"}
        closed.open()
        watch.next(lambda s: s["status"] == "applied" and s["commit"] == commit, "the revision is applied")
    assert here.names() == {"a": "two", "b": None}
    assert [commit for outcome, commit in here.applies() if outcome == "applied"].count(commit) == 1
    assert watch.end() == 143


def test_an_idle_leader_that_is_cut_off_comes_back_without_a_failure(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch()
    watch.status("applied")
    (pid,) = here.leaders()
    with here.database.connect() as conn:
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])
    until(lambda: here.leaders() not in ([], [pid]), "it leads on another session")
    watch.skip()
    watch.status("in_sync")
    assert watch.end() == 143


def test_a_standby_takes_over_within_an_interval_when_the_leader_is_killed(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    leader = here.watch("--force", interval=2)
    leader.status("applied")
    standby = here.watch("--force", interval=2)
    assert standby.status("standby")["leader"] is False
    here.push(bundle("b"))
    leader.status("applied")
    leader.process.send_signal(signal.SIGSTOP)  # it answers nobody any more, and still leads
    commit = here.push(bundle("c"))
    standby.skip()
    standby.status("standby")
    leader.process.kill()
    taken = standby.next(lambda s: s["leader"], "the standby leads", seconds=2 + 8)
    assert (taken["status"], taken["commit"]) == ("applied", commit)
    assert here.names().keys() == {"a", "b", "c"}
    assert len(here.leaders()) == 1
    assert standby.end() == 143


def test_a_leader_killed_inside_its_transaction_leaves_nothing_and_the_standby_applies_once(place: Make) -> None:
    here = place("A")
    here.push(bundle("a", description="one"))
    leader = here.watch("--force")
    leader.status("applied")
    standby = here.watch("--force")
    standby.status("standby")
    with gate(here.database, PLACES["copied"]) as closed:
        commit = here.push(bundle("a", description="two"), bundle("b"))
        caught(here)
        leader.process.kill()
        standby.skip()
        standby.status("standby")  # the server has not noticed yet: it still waits at the gate
        assert here.names() == {"a": "one"}
        closed.open()
        standby.next(lambda s: s["status"] == "applied" and s["commit"] == commit, "the standby applies it")
    assert here.names() == {"a": "two", "b": None}
    assert [found for outcome, found in here.applies() if outcome == "applied"].count(commit) == 1
    assert standby.end() == 143


def test_two_instances_that_start_at_once_have_one_leader(place: Make) -> None:
    here = place()
    here.push(bundle("a"), bundle("b"))
    both = [here.watch("--force"), here.watch("--force")]
    for one in both:
        one.next(lambda s: s["status"] in ("applied", "standby"), "it knows its part")
    assert sorted(one.syncs[0]["status"] for one in both) == ["applied", "standby"]
    assert len(here.leaders()) == 1
    assert here.once().code == 5


def test_the_server_is_down_for_a_while(cli: CommandLine, tmp_path: Path) -> None:
    server = new_server()
    try:
        here = Place(cli, Databases(server)("wfsync"), tmp_path)
        here.push(bundle("a", description="one"))
        watch = here.watch("--force", "--max-backoff", "1.2")
        watch.status("applied")
        server.stop()
        commit = here.push(bundle("a", description="two"))
        pauses = [watch.status("failed")["next_in_seconds"] for _ in range(5)]
        assert pauses[0] < pauses[2], pauses
        assert max(pauses) <= 1.2, pauses
        assert min(pauses[2:]) > 1.0, pauses  # at the cap, but for what chance takes off
        assert {sync["code"] for sync in watch.syncs if sync["status"] == "failed"} <= {
            "CONNECTION_REFUSED",
            "CONNECTION_LOST",
            "SERVER_SHUTDOWN",
            "HOST_UNKNOWN",
        }
        server.start()
        back = watch.status("applied")
        assert (back["commit"], back["reason"]) == (commit, "retry")
        assert here.names() == {"a": "two"}
        assert watch.end() == 143
        here.end()
    finally:
        server.remove()


def test_the_remote_is_gone_for_a_while(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch("--max-backoff", "1")
    watch.status("applied")
    hidden = here.bare.path.with_name("hidden.git")
    here.bare.path.rename(hidden)
    failed = watch.status("failed")
    assert failed["code"].startswith("REMOTE"), failed
    watch.status("failed")
    hidden.rename(here.bare.path)
    watch.status("in_sync")
    assert watch.end() == 143


def test_a_row_that_moves_between_plan_and_apply_is_tried_again_at_once(place: Make) -> None:
    """The gate stands where the apply takes its first lock, after the plan."""
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--force", "--overwrite", "update")
    watch.status("applied")
    with here.database.connect() as conn, conn.transaction():
        conn.execute("UPDATE workflow_definitions SET description = 'somebody' WHERE key = 'a'")
        here.push(bundle("a", description="two"))
        caught(here)
    watch.next(
        lambda s: s["status"] in ("applied", "refused") or s.get("code") == "STALE_PLAN", "it was looked at again"
    )
    assert watch.end() == 143


def test_a_client_that_sends_nothing_holds_no_sync_up(place: Make) -> None:
    import socket

    here = place()
    here.push(bundle("a"))
    watch = here.watch("--listen", "127.0.0.1:0", env={"WFSYNC_WEBHOOK_SECRET": "x"})
    watch.status("applied")
    host, _, port = watch.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(20)]
        for one in silent[::2]:
            one.sendall(b"POST /sync HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
        here.push(bundle("b"))
        watch.status("applied")
        assert watch.ask("/healthz")[0] == 200
        watch.status("in_sync")  # it rests: a signal before that would fall into the report of the commit (exit code 0)
        assert watch.end() == 143


def test_an_address_that_is_taken_is_said_before_anything_is_synced(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch("--listen", "127.0.0.1:0", interval=3600)
    watch.status("applied")
    taken = here.once("--listen", watch.url.removeprefix("http://"))
    assert taken.code == 1
    assert "LISTEN" in taken.stderr


def test_no_password_is_logged(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    url = "postgresql://somebody:hunter2@127.0.0.1:1/db"
    watch = here.watch(conninfo=url, env={"WFSYNC_WEBHOOK_SECRET": "hunter3"})
    watch.status("failed")
    watch.end()
    assert "hunter" not in "".join(watch.lines)
