"""Prometheus's text: what it says after which syncs, and that it can be read."""

from __future__ import annotations

import re
from pathlib import Path

from daemon_reports import report
from wfsync.daemon.metrics import CATALOGUE, Metrics, metrics_text
from wfsync.errors import DatabaseError, Problem, Refused

PAGE = Path(__file__).parents[3] / "docs" / "operating.md"
SAMPLE = re.compile(r'^(?P<name>[a-z_]+)(?:\{(?P<labels>[a-z_]+="(?:[^"\\\n]|\\.)*")\})? (?P<value>\S+)$')


def read(metrics: Metrics) -> dict[str, float]:
    """Every sample, by its name with labels."""
    found = {}
    for line in metrics_text(metrics).splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            found[line.rpartition(" ")[0]] = float(match["value"])
    return found


def test_nothing_is_claimed_before_the_first_sync() -> None:
    found = read(Metrics(5.0))
    assert "wfsync_in_sync" not in found
    assert "wfsync_last_sync_timestamp_seconds" not in found
    assert found["wfsync_start_time_seconds"] == 5
    assert found['wfsync_syncs_total{status="failed"}'] == 0


def test_an_applied_sync() -> None:
    found = read(Metrics(0.0).after(report("applied", written={"create": 2, "overwrite": 1}), 60, 0))
    assert found["wfsync_in_sync"] == 1
    assert found["wfsync_leader"] == 1
    assert found['wfsync_changes_total{action="create"}'] == 2
    assert found['wfsync_changes_total{action="delete"}'] == 0
    assert found["wfsync_last_success_timestamp_seconds"] == 1000.5
    assert found["wfsync_last_applied_timestamp_seconds"] == 1000.5
    assert found["wfsync_next_sync_timestamp_seconds"] == 1060.5
    assert found["wfsync_last_sync_duration_seconds"] == 0.25
    assert found['wfsync_commit_info{commit="' + "c" * 40 + '"}'] == 1


def test_a_failure_is_not_in_sync_and_keeps_what_was_compared() -> None:
    metrics = Metrics(0.0).after(report("in_sync"), 60, 0)
    metrics = metrics.after(report("failed", DatabaseError("x", code="CONNECTION_LOST"), at=2000.0), 1, 1)
    found = read(metrics.after(report("failed", DatabaseError("x", code="CONNECTION_LOST"), at=2001.0), 2, 2))
    assert found["wfsync_in_sync"] == 0
    assert found["wfsync_unchanged_workflows"] == 3
    assert found["wfsync_last_success_timestamp_seconds"] == 1000.5
    assert found["wfsync_last_sync_timestamp_seconds"] == 2001
    assert found['wfsync_failures_total{code="CONNECTION_LOST"}'] == 2
    assert found["wfsync_consecutive_failures"] == 2


def test_a_refusal_counts_each_of_its_codes_once() -> None:
    problems = [Problem(code="ACTIVE_RUNS", message="a"), Problem(code="PROTECTED", message="b")] * 2
    refused = report(
        "refused", Refused("no", code="ACTIVE_RUNS", problems=problems), pending={"overwrite": 2}, drifted=1
    )
    found = read(Metrics(0.0).after(refused, 60, 0))
    assert found['wfsync_failures_total{code="ACTIVE_RUNS"}'] == 1
    assert found['wfsync_failures_total{code="PROTECTED"}'] == 1
    assert found['wfsync_pending_changes{action="overwrite"}'] == 2
    assert found["wfsync_drifted_workflows"] == 1
    assert found["wfsync_in_sync"] == 0


def test_a_standby_does_not_say_whether_it_is_in_sync() -> None:
    found = read(Metrics(0.0).after(report("standby"), 30, 0))
    assert "wfsync_in_sync" not in found
    assert found["wfsync_leader"] == 0


def test_what_is_suspended_or_held_is_not_in_sync() -> None:
    assert read(Metrics(0.0).after(report("suspended", pending={"create": 1}), 60, 0))["wfsync_in_sync"] == 0
    assert read(Metrics(0.0).after(report("suspended"), 60, 0))["wfsync_in_sync"] == 1
    assert read(Metrics(0.0).after(report("in_sync", held=1), 60, 0))["wfsync_in_sync"] == 0
    assert read(Metrics(0.0).after(report("suspended"), 60, 0))["wfsync_suspended"] == 1


def test_names_and_help_are_as_prometheus_wants_them() -> None:
    for metric in CATALOGUE:
        assert re.fullmatch(r"wfsync_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert "\n" not in metric.help


def test_the_page_lists_every_metric_in_its_words() -> None:
    rows = re.findall(
        r"^\| `(wfsync_[a-z_]+)(?:\{(\w+)\})?` \| (\w+) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert [(name, kind, text) for name, _, kind, text in rows] == [(m.name, m.kind, m.help) for m in CATALOGUE]
