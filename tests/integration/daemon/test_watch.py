"""``wfsync watch`` as a process: what it does with revisions, rings and signals."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import CommandLine
from databases import LayoutName
from shop import until
from small_bundles import bundle
from watching import Place, Watch

Make = Callable[..., Place]

SECRET = "open sesame"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize("layout", ["wfsync", "A½"])
def test_a_push_is_synced_within_an_interval(place: Make, layout: LayoutName) -> None:
    here = place(layout)
    first = here.push(bundle("a", description="one"), bundle("b"))
    watch = here.watch("--force")
    applied = watch.status("applied")
    assert (applied["commit"], applied["written"]["create"], applied["reason"]) == (first, 2, "start")
    second = here.push(bundle("a", description="two"))
    pushed = time.monotonic()
    applied = watch.status("applied")
    assert time.monotonic() - pushed < 10  # an interval, a fetch, and a busy machine
    assert (applied["commit"], applied["written"]["overwrite"]) == (second, 1)
    assert here.names() == {"a": "two", "b": None}
    assert watch.status("in_sync")["unchanged"] == 2
    assert watch.end() == 143
    assert here.leaders() == []


def test_webhooks_and_sighup_sync_now(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch("--listen", "127.0.0.1:0", interval=3600, env={"WFSYNC_WEBHOOK_SECRET": SECRET})
    watch.status("applied")
    here.push(bundle("b"))
    body = b'{"ref": "refs/heads/main"}'
    assert watch.ask("/sync", body)[0] == 401
    assert watch.ask("/sync", body, signed(body, "another"))[0] == 401
    assert watch.ask("/sync", body, {"X-Gitlab-Token": "another"})[0] == 401
    assert here.names().keys() == {"a"}
    assert watch.ask("/sync", body, signed(body))[0] == 202
    assert watch.status("applied")["reason"] == "webhook"
    here.push(bundle("c"))
    assert watch.ask("/sync", body, {"X-Gitlab-Token": SECRET})[0] == 202
    assert watch.status("applied")["reason"] == "webhook"
    here.push(bundle("d"))
    watch.process.send_signal(signal.SIGHUP)
    assert watch.status("applied")["reason"] == "signal"
    assert here.names().keys() == {"a", "b", "c", "d"}
    assert SECRET not in "".join(watch.lines)
    assert watch.end(signal.SIGINT) == 130


def test_health_and_metrics_follow_the_syncs(place: Make) -> None:
    here = place()
    commit = here.push(bundle("a"))
    watch = here.watch("--listen", "127.0.0.1:0", interval=3600)
    watch.status("applied")
    assert watch.ask("/healthz") == (200, "ok\n")
    code, text = watch.ask("/readyz")
    assert (code, json.loads(text)["status"]) == (200, "applied")
    assert watch.metric("wfsync_in_sync") == 1
    assert watch.metric("wfsync_leader") == 1
    assert watch.metric('wfsync_changes_total{action="create"}') == 1
    assert watch.metric(f'wfsync_commit_info{{commit="{commit}"}}') == 1
    assert abs((watch.metric("wfsync_last_sync_timestamp_seconds") or 0) - time.time()) < 60
    assert watch.ask("/sync", b"{}", signed(b"{}"))[0] == 403  # no secret, no door
    here.work.write("workflows/a.json", b"{")
    here.push()
    watch.process.send_signal(signal.SIGHUP)
    failed = watch.status("failed")
    code, text = watch.ask("/readyz")
    assert (code, json.loads(text)["code"]) == (200, failed["code"])  # git and the database were reached
    assert watch.metric("wfsync_in_sync") == 0
    assert watch.metric(f'wfsync_failures_total{{code="{failed["code"]}"}}') == 1
    here.configure("no_such_setting: 1\n")
    here.push()
    watch.process.send_signal(signal.SIGHUP)
    watch.code("INVALID_CONFIG")
    assert watch.ask("/readyz")[0] == 200
    here.bare.path.rename(here.bare.path.with_name("hidden.git"))
    watch.process.send_signal(signal.SIGHUP)
    assert watch.status("failed")["code"].startswith("REMOTE")
    assert watch.ask("/readyz")[0] == 503
    assert watch.ask("/healthz")[0] == 200


def test_a_standby_sends_a_webhook_to_the_leader(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    secret = {"WFSYNC_WEBHOOK_SECRET": SECRET}
    leader = here.watch("--listen", "127.0.0.1:0", interval=3600, env=secret)
    leader.status("applied")
    standby = here.watch("--listen", "127.0.0.1:0", interval=3600, env=secret)
    standby.status("standby")
    here.push(bundle("b"))
    assert standby.ask("/sync", b"{}", signed(b"{}", "another"))[0] == 401
    code, text = standby.ask("/sync", b"{}", signed(b"{}"))
    assert (code, json.loads(text)["status"]) == (503, "standby")
    assert standby.ask("/readyz")[0] == 200
    assert leader.ask("/sync", b"{}", signed(b"{}"))[0] == 202
    assert leader.status("applied")["reason"] == "webhook"
    assert [sync["reason"] for sync in standby.syncs] == ["start"]


def test_a_wrong_revision_is_reported_once_and_the_next_one_heals(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--force")
    watch.status("applied")
    here.work.write("workflows/a.json", b'{"format": 1')
    here.work.write("workflows/b.json", b"[]")
    here.push()
    failed = watch.status("failed")
    assert {p["place"]["file"] for p in failed["problems"]} == {"workflows/a.json", "workflows/b.json"}
    assert watch.status("failed")["problems"] == []
    assert here.names() == {"a": "one"}
    (here.work.path / "workflows/b.json").unlink()
    here.push(bundle("a", description="two"))
    assert watch.status("applied")["written"]["overwrite"] == 1
    here.configure("no_such_setting: 1\n")
    here.push()
    assert watch.status("failed")["code"] == "INVALID_CONFIG"
    here.configure()
    here.push()
    watch.status("in_sync")
    assert watch.end() == 143


def test_what_apply_would_refuse_is_refused_and_the_loop_goes_on(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    watch = here.watch("--listen", "127.0.0.1:0")
    watch.status("applied")
    here.push(bundle("a", description="two"), bundle("b"))
    refused = watch.status("refused")
    assert (refused["code"], refused["level"]) == ("WORKFLOW_KEY_CONFLICT", "warning")
    assert refused["pending"] == {"create": 1, "overwrite": 1, "delete": 0, "relink": 0}
    assert here.names() == {"a": "one"}
    assert watch.metric("wfsync_in_sync") == 0
    assert watch.metric('wfsync_pending_changes{action="overwrite"}') == 1
    assert watch.ask("/readyz")[0] == 200
    here.push(bundle("a", description="one"))
    assert watch.status("applied")["written"]["create"] == 1
    assert here.names() == {"a": "one", "b": None}


def test_suspend_in_the_repository_and_by_signal(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch("--listen", "127.0.0.1:0")
    watch.status("applied")
    here.configure("suspend: true\n")
    here.push(bundle("b"))
    assert watch.status("suspended")["pending"]["create"] == 1
    assert watch.metric("wfsync_suspended") == 1
    assert here.names().keys() == {"a"}
    here.configure()
    here.push()
    assert watch.status("applied")["written"]["create"] == 1
    watch.process.send_signal(signal.SIGUSR1)
    watch.status("suspended")
    here.push(bundle("c"))
    watch.next(lambda sync: sync["status"] == "suspended" and sync["pending"]["create"], "it sees the change")
    assert here.names().keys() == {"a", "b"}
    assert here.leaders() != []
    watch.process.send_signal(signal.SIGUSR2)
    watch.status("applied")
    assert here.names().keys() == {"a", "b", "c"}


def test_the_configuration_is_read_again_at_each_revision(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    watch = here.watch()
    watch.status("applied")
    here.work.git("mv", "workflows", "elsewhere")
    here.configure()
    here.work.write("wfsync.yaml", b"version: 1\ndirectory: elsewhere\nsource: test/flows\n")
    here.push()
    moved = here.work.head()
    synced = watch.next(lambda sync: sync["commit"] == moved, "it reads the new folder")
    assert (synced["status"], synced["unchanged"]) == ("in_sync", 1)


def test_text_lines_are_one_a_sync(place: Make) -> None:
    here = place()
    here.push(bundle("a"))
    arguments = [one for one in here.arguments("--once") if one not in ("--log-format", "json")]
    first = here.cli(*arguments, cwd=here.folder)
    assert (first.code, first.stdout) == (0, "")
    (line,) = first.stderr.splitlines()
    assert line.startswith("wfsync: sync applied: 1 created, 0 unchanged; commit ")
    assert here.cli("-q", *arguments, cwd=here.folder).output == ""


def test_text_says_what_to_do_once_and_again_when_the_error_is_another(place: Make) -> None:
    here = place()
    first = here.push(bundle("a", description="one"))
    here.push(bundle("a", description="two"))
    assert here.once().code == 0
    here.work.git("reset", "-q", "--hard", first)
    here.work.git("push", "-q", "--force", "origin", "main")
    options = [one for one in here.arguments("--force") if one not in ("--log-format", "json")]
    once = here.cli(*options, "--once", cwd=here.folder)
    assert once.code == 4
    hint = "--allow-rewind"
    line, *more = once.stderr.splitlines()
    assert "REWIND" in line
    assert [said for said in more if said.startswith("    ") and hint in said] != []
    text = Watch(here.cli.start(*options, "--interval", "0.2", cwd=here.folder))
    here.started.append(text)

    def syncs(code: str) -> int:
        return sum(f"{code}: " in said for said in list(text.lines))

    until(lambda: syncs("REWIND") >= 3, "it refuses again and again")
    assert sum(said.startswith("    ") and hint in said for said in list(text.lines)) == 1
    hidden = here.bare.path.with_name("hidden.git")
    here.bare.path.rename(hidden)
    until(lambda: syncs("REMOTE_NOT_FOUND") >= 2, "the remote is gone")
    hidden.rename(here.bare.path)
    refused = syncs("REWIND")
    until(lambda: syncs("REWIND") > refused + 1, "it is back")
    assert sum(said.startswith("    ") and hint in said for said in list(text.lines)) == 2
    assert sum(said.startswith("    ") and hint not in said for said in list(text.lines)) == 1  # of the remote
    assert text.end() == 143


def test_a_long_list_of_faults_is_cut_and_says_so(place: Make) -> None:
    here = place()
    for number in range(53):
        here.work.write(f"workflows/w{number}.json", b"[]")
    here.push()
    (failed,) = [json.loads(line) for line in here.once().stderr.splitlines() if '"sync"' in line]
    assert (len(failed["problems"]), failed["problems_total"]) == (50, 53)
    text = here.cli(*(one for one in here.arguments("--once") if one not in ("--log-format", "json")), cwd=here.folder)
    assert text.stderr.splitlines()[-1] == "… and 3 more; `wfsync validate` of the same revision lists all"


def test_once_ends_with_the_exit_code_of_an_apply(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    assert here.once().code == 0
    assert here.once().code == 0
    here.push(bundle("a", description="two"))
    refused = here.once()
    assert (refused.code, "next in" in refused.stderr) == (3, False)  # none follows
    assert here.once("--force").code == 0
    here.work.write("workflows/a.json", b"{")
    here.push()
    assert here.once().code == 1
    assert here.once("--interval", "0").code == 64
    assert here.once("--listen", "nonsense").code == 64
    assert here.names() == {"a": "two"}


def test_a_work_tree_a_bare_repository_and_a_plain_folder(place: Make, tmp_path: Path) -> None:
    here = place()
    here.push(bundle("a"))
    plain = tmp_path / "plain"
    shutil.copytree(here.work.path, plain, ignore=shutil.ignore_patterns(".git"))
    head = ["--database", here.database.conninfo, "--log-format", "json", "watch", "--once"]
    for tail in (here.work.path, (here.bare.path, "--rev", "main"), plain):
        done = here.cli(*head, *(tail if isinstance(tail, tuple) else (tail,)), cwd=tmp_path)
        assert done.code == 0, done.stderr
    assert here.names() == {"a": None}


def test_the_embedded_server_works_too(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    assert cli("init", tmp_path).code == 0
    try:
        done = cli("--log-format", "json", "watch", "--once", tmp_path)
        assert done.code == 0, done.stderr
        assert json.loads(done.stderr.splitlines()[-1])["status"] == "applied"
        again = cli("--log-format", "json", "watch", "--once", tmp_path)
        assert json.loads(again.stderr.splitlines()[-1])["status"] == "in_sync"
    finally:
        cli("db", "stop", cwd=tmp_path)


def test_an_older_or_diverged_commit_needs_consent(place: Make) -> None:
    here = place()
    first = here.push(bundle("a", description="one"))
    second = here.push(bundle("a", description="two"))
    watch = here.watch("--force")
    assert watch.status("applied")["commit"] == second
    here.work.git("reset", "-q", "--hard", first)
    here.work.git("push", "-q", "--force", "origin", "main")
    refused = watch.code("REWIND")
    assert (refused["status"], refused["commit"]) == ("refused", first)
    here.push(bundle("a", description="three"))
    refused = watch.next(lambda s: s["commit"] == here.work.head(), "it sees the other line")
    assert refused["code"] == "REWIND"
    assert here.names() == {"a": "two"}
    assert watch.end() == 143
    assert here.once("--force").code == 4  # a new process knows it from the ledger
    assert here.once("--force", "--allow-rewind").code == 0
    assert here.names() == {"a": "three"}
    assert here.once("--force").code == 0


def test_a_commit_that_was_only_seen_is_not_gone_back_from(place: Make) -> None:
    """Somebody stops the service by a commit, repairs the row by hand; then the branch moves back."""
    here = place()
    first = here.push(bundle("a", description="one"))
    watch = here.watch("--force", "--on-drift", "overwrite")
    watch.status("applied")
    here.configure("suspend: true\n")
    here.push()
    watch.status("suspended")
    here.database.execute("UPDATE workflow_definitions SET description = 'repaired'")
    here.work.git("reset", "-q", "--hard", first)
    here.work.git("push", "-q", "--force", "origin", "main")
    assert watch.code("REWIND")["status"] == "refused"
    assert here.names() == {"a": "repaired"}
    assert watch.end() == 143


def test_consent_to_go_back_is_remembered_where_nothing_differs(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"))
    assert here.once("--force").code == 0
    here.work.git("checkout", "-q", "--orphan", "rescued")
    here.work.git("commit", "-q", "-m", "the same, of a line of its own")
    here.work.git("push", "-q", "--force", "origin", "rescued:main")
    assert here.once("--force").code == 4
    assert here.once("--force", "--allow-rewind").code == 0
    assert here.once("--force").code == 0


def test_what_somebody_else_applied_meanwhile_is_not_gone_back_from(place: Make) -> None:
    """The service's own commit is the older one by then, although it was synced by this very process."""
    here = place()
    first = here.push(bundle("a", description="one"))
    watch = here.watch("--force")
    assert watch.status("applied")["commit"] == first
    here.write(bundle("a", description="two"))
    here.work.commit()  # not pushed: CI has it, and the service's remote lags behind
    tenant = ["--tenant", here.database.tenant] if here.database.tenant else []
    done = here.cli("--database", here.database.conninfo, *tenant, "apply", "--force", cwd=here.work.path)
    assert done.code == 0, done.output
    refused = watch.code("REWIND")
    assert (refused["status"], refused["commit"]) == ("refused", first)
    assert here.names() == {"a": "two"}
    here.work.git("push", "-q", "origin", "main")
    assert watch.next(lambda s: s["status"] == "in_sync", "it has caught up")["commit"] == here.work.head()
    assert watch.end() == 143


def test_applies_of_the_service_are_in_the_ledger(place: Make) -> None:
    here = place()
    commits = [here.push(bundle("a", description="one"))]
    watch = here.watch("--force")
    watch.status("applied")
    commits.append(here.push(bundle("a", description="two")))
    watch.status("applied")
    assert here.applies() == [("applied", commit) for commit in commits]
    with here.database.connect() as conn:
        rows = conn.execute("SELECT DISTINCT command, source FROM wfsync.applies").fetchall()
    assert rows == [("watch", "test/flows")]


def test_drift_is_refused_until_somebody_decides(place: Make) -> None:
    here = place()
    here.push(bundle("a", description="one"), bundle("b", description="one"))
    watch = here.watch("--force", "--listen", "127.0.0.1:0")
    watch.status("applied")
    here.database.execute("UPDATE workflow_definitions SET description = 'by hand' WHERE key = 'a'")
    drift = watch.code("DRIFT")
    assert (drift["status"], drift["drifted"]) == ("refused", 1)
    assert watch.metric("wfsync_drifted_workflows") == 1
    assert watch.metric("wfsync_in_sync") == 0
    assert watch.end() == 143
    assert here.once("--force").code == 3
    here.push(bundle("b", description="two"))
    assert here.once("--force", "--on-drift", "skip").code == 0
    assert here.names() == {"a": "by hand", "b": "two"}
    assert here.once("--force", "--on-drift", "overwrite").code == 0
    assert here.names() == {"a": "one", "b": "two"}


def test_pruning_is_consented_to_at_start_or_in_the_repository(place: Make) -> None:
    here = place()
    here.push(bundle("a"), bundle("b"), bundle("c"))
    here.once()
    (here.work.path / "workflows/b.json").unlink()
    here.push()
    assert here.once().code == 0
    assert here.names().keys() == {"a", "b", "c"}
    assert here.once("--prune").code == 0
    assert here.names().keys() == {"a", "c"}
    (here.work.path / "workflows/c.json").unlink()
    here.configure("policy: { prune: true, max_deletes: 0 }\n")
    here.push()
    braked = here.once()
    assert (braked.code, "MAX_DELETES" in braked.stderr) == (4, True), braked.stderr
    here.configure("policy: { prune: true }\n")
    here.push()
    assert here.once().code == 0
    assert here.names().keys() == {"a"}
