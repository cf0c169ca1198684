"""One line of log a sync, for people and for machines. What is wrong is listed once, not every minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

from wfsync.daemon.report import ACTIONS, Report
from wfsync.errors import Problem
from wfsync.plan.codec import problem_value
from wfsync.plan.secrets import hide_message
from wfsync.render.escape import plain

__all__ = ["left_out", "level", "new_hint", "new_problems", "sync_line", "sync_object"]

_MOST_PROBLEMS: Final = 50
_PAST: Final = {"create": "created", "overwrite": "overwritten", "delete": "deleted", "relink": "relinked"}


def level(report: Report) -> Literal["info", "warning", "error"]:
    """How loud to be."""
    if report.status == "failed":
        return "error"
    return "warning" if report.status == "refused" else "info"


def new_problems(report: Report, before: Report | None) -> tuple[Problem, ...]:
    """What is wrong, unless the sync before said the same."""
    known = () if before is None else before.problems
    return () if known == report.problems else report.problems[:_MOST_PROBLEMS]


def left_out(report: Report, listed: tuple[Problem, ...], *, quiet: bool) -> str | None:
    """The words below a list that was cut, which would be taken for the whole one without them."""
    rest = [problem for problem in report.problems[len(listed) :] if problem.is_error or not quiet]
    if not listed or not rest:
        return None
    command = "validate" if report.status == "failed" else "plan"
    return f"… and {len(rest)} more; `wfsync {command}` of the same revision lists all"


def new_hint(report: Report, before: Report | None) -> str | None:
    """What to do about the error, unless the sync before had the same one, or a problem says it already."""
    error, known = report.error, None if before is None else before.error
    if error is None or error.hint is None or any(problem.hint == error.hint for problem in error.problems):
        return None
    if known is not None and (known.code, known.message, known.hint) == (error.code, error.message, error.hint):
        return None
    return plain(hide_message(error.hint))


def sync_line(report: Report, pause: float) -> str:
    """``sync applied: 2 created, 41 unchanged; commit 0123456789ab, 0.42 s, by webhook``."""
    return f"sync {report.status}: " + "; ".join(_parts(report, pause))


def _parts(report: Report, pause: float) -> Iterator[str]:
    if report.error is not None:
        yield f"{report.error.code}: {plain(hide_message(report.error.message))}"
    if report.status == "standby":
        yield "another instance leads"
    counts = [f"{report.written[a]} {_PAST[a]}" for a in ACTIONS if report.written.get(a)]
    counts += [f"{report.pending[a]} to {a}" for a in ACTIONS if report.pending.get(a)]
    counts += [f"{report.unchanged} unchanged"] if report.unchanged is not None else []
    counts += [f"{report.drifted} drifted"] if report.drifted else []
    counts += [f"{report.held} held"] if report.held else []
    if counts:
        yield ", ".join(counts)
    facts = [f"commit {report.commit[:12]}"] if report.commit else []
    facts += [f"{report.seconds:.2f} s", f"by {report.reason}"]
    facts += [f"next in {pause:.0f} s"] if report.error is not None and pause else []
    yield ", ".join(facts)


def sync_object(report: Report, pause: float, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """The same for ``--log-format json``: one object a sync."""
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(report.at, UTC).isoformat(timespec="milliseconds"),
        "level": level(report),
        "event": "sync",
        "status": report.status,
        "reason": report.reason,
        "leader": report.leader,
        "commit": report.commit,
        "seconds": round(report.seconds, 3),
        "next_in_seconds": round(pause, 1),
    }
    if report.unchanged is not None:
        found["written"] = {action: report.written.get(action, 0) for action in ACTIONS}
        found["pending"] = {action: report.pending.get(action, 0) for action in ACTIONS}
        found["unchanged"] = report.unchanged
        found["drifted"] = report.drifted
        found["held"] = report.held
    if report.error is not None:
        message, hint = hide_message(report.error.message), hide_message(report.error.hint or "")
        found |= {"code": report.error.code, "message": message, "hint": hint or None}
    found["problems"] = [problem_value(problem) for problem in problems]
    return found | {"problems_total": len(report.problems)}
