"""What a monitoring system may ask: numbers of the syncs so far, as a value, and as Prometheus's text format 0.0.4.

``docs/operating.md`` has the table of them; a test compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from wfsync import __version__
from wfsync.daemon.report import ACTIONS, STATUSES, Report

__all__ = ["CATALOGUE", "Metric", "Metrics", "metrics_text"]

_Kind: TypeAlias = Literal["counter", "gauge"]
_Sample: TypeAlias = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The sum of all reports. Immutable, so that a thread that shows it needs no lock."""

    started: float
    last: Report | None = None
    last_compared: Report | None = None
    """The last sync that found out whether database and git agree."""
    last_success: float | None = None
    """When a sync last ended ``in_sync`` or ``applied``."""
    last_applied: float | None = None
    syncs: Mapping[str, int] = field(default_factory=dict)
    """By status."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """By code; refusals too."""
    written: Mapping[str, int] = field(default_factory=dict)
    """By action."""
    failing: int = 0
    """Syncs in a row that failed in passing."""
    suspended: bool = False
    next_sync: float | None = None

    def after(self, report: Report, pause: float, failing: int) -> Metrics:
        """The sum with one report more."""
        good = report.status in ("in_sync", "applied")
        codes = () if report.code is None else tuple(dict.fromkeys((report.code, *_problem_codes(report))))
        return replace(
            self,
            last=report,
            last_compared=report if report.unchanged is not None else self.last_compared,
            last_success=report.at if good else self.last_success,
            last_applied=report.at if report.status == "applied" else self.last_applied,
            syncs=_plus(self.syncs, {report.status: 1}),
            failures=_plus(self.failures, dict.fromkeys(codes, 1)),
            written=_plus(self.written, report.written),
            failing=failing,
            suspended=report.status == "suspended",
            next_sync=report.at + pause,
        )


def _problem_codes(report: Report) -> Iterator[str]:
    if report.error is not None and report.status == "refused":
        yield from (problem.code for problem in report.error.problems if problem.is_error)


def _plus(sums: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: sums.get(name, 0) + more.get(name, 0) for name in (*sums, *(n for n in more if n not in sums))}


@dataclass(frozen=True, slots=True)
class Metric:
    """One name of the exposition."""

    name: str
    kind: _Kind
    help: str
    samples: Callable[[Metrics], Iterable[_Sample]]
    """What is not known yet has no sample: 0 would be a claim."""


def metrics_text(metrics: Metrics) -> str:
    """``GET /metrics``."""
    return "".join(f"{line}\n" for metric in CATALOGUE for line in _lines(metric, metrics))


def _lines(metric: Metric, metrics: Metrics) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples(metrics):
        inner = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels.items())
        yield f"{metric.name}{{{inner}}} {_number(value)}" if inner else f"{metric.name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


# -- samples ---------------------------------------------------------------------------------------------------------


def _one(value: float | None) -> list[_Sample]:
    return [] if value is None else [({}, value)]


def _labelled(label: str, values: Mapping[str, float], names: Iterable[str] | None = None) -> list[_Sample]:
    return [({label: name}, values.get(name, 0)) for name in (sorted(values) if names is None else names)]


def _last(read: Callable[[Report], float | None]) -> Callable[[Metrics], list[_Sample]]:
    """Of the last sync."""
    return lambda metrics: [] if metrics.last is None else _one(read(metrics.last))


def _compared(read: Callable[[Report], float | None]) -> Callable[[Metrics], list[_Sample]]:
    """Of the last sync that compared anything."""
    return lambda metrics: [] if metrics.last_compared is None else _one(read(metrics.last_compared))


def _in_sync(report: Report) -> bool | None:
    # What was in sync once is not known to be so while nobody can look
    return False if report.status == "failed" else report.in_sync


def _commit(metrics: Metrics) -> list[_Sample]:
    compared = metrics.last_compared
    return [] if compared is None or compared.commit is None else [({"commit": compared.commit}, 1)]


def _pending(metrics: Metrics) -> list[_Sample]:
    return [] if metrics.last_compared is None else _labelled("action", metrics.last_compared.pending, ACTIONS)


CATALOGUE: Final = (
    Metric(
        "wfsync_build_info",
        "gauge",
        "Always 1; the label is the version of wfsync.",
        lambda _: [({"version": __version__}, 1)],
    ),
    Metric("wfsync_start_time_seconds", "gauge", "When this process began.", lambda m: _one(m.started)),
    Metric(
        "wfsync_leader",
        "gauge",
        "1 while this instance leads its target, 0 while it stands by.",
        _last(lambda r: r.leader),
    ),
    Metric(
        "wfsync_suspended",
        "gauge",
        "1 while it compares only and applies nothing.",
        lambda m: _one(m.suspended),
    ),
    Metric(
        "wfsync_in_sync",
        "gauge",
        "1 when the last sync left the database as git says, 0 when not or when it failed; absent on a standby.",
        _last(_in_sync),
    ),
    Metric("wfsync_commit_info", "gauge", "Always 1; the label is the commit that was compared last.", _commit),
    Metric(
        "wfsync_syncs_total", "counter", "Syncs by how they ended.", lambda m: _labelled("status", m.syncs, STATUSES)
    ),
    Metric(
        "wfsync_failures_total",
        "counter",
        "Failed and refused syncs by code (wfsync explain CODE).",
        lambda m: _labelled("code", m.failures),
    ),
    Metric(
        "wfsync_consecutive_failures",
        "gauge",
        "Syncs in a row that failed and are tried again with back-off.",
        lambda m: _one(m.failing),
    ),
    Metric(
        "wfsync_last_sync_timestamp_seconds",
        "gauge",
        "When the last sync ended, however it ended.",
        _last(lambda r: r.at),
    ),
    Metric("wfsync_last_sync_duration_seconds", "gauge", "How long it took.", _last(lambda r: r.seconds)),
    Metric(
        "wfsync_last_success_timestamp_seconds",
        "gauge",
        "When a sync last ended in_sync or applied.",
        lambda m: _one(m.last_success),
    ),
    Metric(
        "wfsync_last_applied_timestamp_seconds",
        "gauge",
        "When a sync last wrote something.",
        lambda m: _one(m.last_applied),
    ),
    Metric("wfsync_next_sync_timestamp_seconds", "gauge", "When the next sync is due.", lambda m: _one(m.next_sync)),
    Metric(
        "wfsync_changes_total",
        "counter",
        "Workflows written, by action.",
        lambda m: _labelled("action", m.written, ACTIONS),
    ),
    Metric(
        "wfsync_pending_changes",
        "gauge",
        "Workflows that still differ after the last comparison, by action.",
        _pending,
    ),
    Metric(
        "wfsync_unchanged_workflows",
        "gauge",
        "Workflows that were equal at the last comparison.",
        _compared(lambda r: r.unchanged),
    ),
    Metric(
        "wfsync_drifted_workflows",
        "gauge",
        "Workflows that somebody changed in the database since our last apply.",
        _compared(lambda r: r.drifted),
    ),
    Metric("wfsync_held_workflows", "gauge", "Workflows that a rollback holds.", _compared(lambda r: r.held)),
)
"""Every metric, in the order of the exposition."""
