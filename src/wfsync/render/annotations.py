"""A plan as workflow commands of GitHub Actions: annotations of the pull request (spec: cli.md "Output").

GitHub shows ten annotations of each kind for a step. So the line to grep comes first, refusals before the rest, and
workflows beyond the first ones are only counted; the whole plan belongs into the step's summary
(``--output markdown=…``).

Decisions where the specification is silent: a plan is no failure, so nothing in it is an error, a refusal included:
deletes, refusals, lost edits and what comes with an overwrite are warnings, other changes are notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.errors import Place, Problem, Severity, WfsyncError
from wfsync.plan.change import Change
from wfsync.plan.codec import error_problems
from wfsync.plan.model import Plan
from wfsync.render.words import VERBS, cascade_lines, drift_line, plan_line, runs_line

__all__ = ["failure_annotations", "plan_annotations", "titled"]

_MOST: Final = 50
"""Workflows that get an annotation of their own."""


def plan_annotations(plan: Plan) -> Iterator[Problem]:
    """The annotations of a plan, as values whose ``code`` is the title."""
    yield titled("wfsync plan", "note", plan_line(plan.summary()))
    for block in plan.blocks:
        yield Problem(
            code=block.code,
            severity="warning",
            message=f"apply would refuse: {block.message}",
            key=block.key,
            hint=block.hint,
        )
    yield from (problem for problem in plan.warnings if problem.severity != "note")
    for change in plan.changes[:_MOST]:
        yield _of(change)
    if len(plan.changes) > _MOST:
        yield titled("wfsync plan", "note", f"{len(plan.changes) - _MOST} more workflows would change")


def failure_annotations(error: WfsyncError) -> Iterator[Problem]:
    """Why there is no plan."""
    yield from error_problems(error)
    yield from (problem for problem in error.problems if problem.severity == "warning")


def _of(change: Change) -> Problem:
    effects = [*cascade_lines(change.cascades)]
    effects += [line for line in (runs_line(change.active_runs), drift_line(change)) if line is not None]
    severity: Severity = "warning" if change.action == "delete" or effects else "note"
    place = None if change.file is None else Place(change.file)
    return titled(f"{VERBS[change.action]} {change.key}", severity, "\n".join([change.reason, *effects]), place)


def titled(title: str, severity: Severity, message: str, place: Place | None = None) -> Problem:
    """An annotation that is no problem: its title stands where a code would."""
    return Problem(code=title, severity=severity, message=message, place=place)
