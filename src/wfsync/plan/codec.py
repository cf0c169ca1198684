"""Plan → JSON value, format version "1.0" (spec: cli.md "Output"; schema: ``schemas/plan.v1.schema.json``).

The document has the same members on every path, failure included: a consumer never meets a missing ``errors``. A new
member is a new minor version; a changed meaning is a new major one. It holds no workflow content beyond the field
changes, whose secrets are hidden already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.errors import Place, Problem, WfsyncError
from wfsync.plan.change import Blocked, Change, FieldChange, Kept, Missing
from wfsync.plan.model import Plan, SourceRef, Summary, TargetRef
from wfsync.plan.secrets import hide_problem

__all__ = [
    "PLAN_FORMAT_VERSION",
    "blocked_value",
    "error_problems",
    "error_values",
    "failure_to_value",
    "field_change_value",
    "plan_to_value",
    "problem_value",
    "source_value",
    "summary_value",
    "target_value",
]

PLAN_FORMAT_VERSION: Final = "1.0"


def plan_to_value(plan: Plan, error: WfsyncError | None = None) -> JsonObject:
    """The plan as a JSON value. ``blocks`` names what apply would refuse.

    ``errors`` is empty, unless the plan was made and then went wrong (``error``): apply refused it or failed.
    """
    return {
        "format_version": PLAN_FORMAT_VERSION,
        "digest": plan.digest,
        "source": source_value(plan.source),
        "target": target_value(plan.target),
        "overwrite": plan.overwrite,
        "prune": plan.prune,
        "on_drift": plan.on_drift,
        "summary": summary_value(plan.summary()),
        "changes": [_change_value(change) for change in plan.changes],
        "kept": [_kept_value(kept) for kept in plan.kept],
        "warnings": [problem_value(problem) for problem in plan.warnings],
        "blocks": [blocked_value(block) for block in plan.blocks],
        "errors": [] if error is None else error_values(error),
    }


def failure_to_value(error: WfsyncError, warnings: Iterable[Problem] = ()) -> JsonObject:
    """The document of a plan that could not be made: no numbers (``summary`` is null), no changes, all errors.

    Its warnings are ``warnings`` and those among the problems of ``error``.
    """
    beside = [problem for problem in error.problems if not problem.is_error]
    return {
        "format_version": PLAN_FORMAT_VERSION,
        "digest": None,
        "source": None,
        "target": None,
        "overwrite": None,
        "prune": None,
        "on_drift": None,
        "summary": None,
        "changes": [],
        "kept": [],
        "warnings": [problem_value(problem) for problem in (*warnings, *beside)],
        "blocks": [],
        "errors": error_values(error),
    }


def error_problems(error: WfsyncError) -> list[Problem]:
    """Every fault behind ``error``, or the error itself where it lists none."""
    faults = [problem for problem in error.problems if problem.is_error]
    return faults or [Problem(code=error.code, message=error.message, hint=error.hint, details=error.details)]


def error_values(error: WfsyncError) -> list[JsonObject]:
    """`error_problems` as JSON values."""
    return [problem_value(problem) for problem in error_problems(error)]


def problem_value(problem: Problem) -> JsonObject:
    """One fault, warning or note, with its place; without secrets."""
    problem = hide_problem(problem)
    return {
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "key": problem.key,
        "place": None if problem.place is None else _place_value(problem.place),
        "hint": problem.hint,
        "related": [_place_value(place) for place in problem.related],
        "details": dict(problem.details),
    }


def blocked_value(block: Blocked) -> JsonObject:
    """One reason why apply would refuse."""
    return {
        "code": block.code,
        "key": block.key,
        "message": block.message,
        "hint": block.hint,
        "details": dict(block.details),
    }


def source_value(source: SourceRef) -> JsonObject:
    """Where the files were read."""
    return {
        "root": source.root,
        "directory": source.directory,
        "commit": source.commit,
        "branch": source.branch,
        "dirty": source.dirty,
        "rev": source.rev,
    }


def target_value(target: TargetRef) -> JsonObject:
    """Which database, never with a password."""
    return {
        "display": target.display,
        "tenant": target.tenant,
        "layout": target.layout,
        "kind": target.kind,
        "environment": target.environment,
    }


def summary_value(summary: Summary) -> JsonObject:
    """The numbers of the last line."""
    return {
        "create": summary.create,
        "overwrite": summary.overwrite,
        "delete": summary.delete,
        "relink": summary.relink,
        "unchanged": summary.unchanged,
    }


def _change_value(change: Change) -> JsonObject:
    return {
        "key": change.key,
        "action": change.action,
        "reason": change.reason,
        "before_digest": change.before_digest,
        "after_digest": change.after_digest,
        "file": change.file,
        "workflow_id": change.workflow_id,
        "versions": list(change.versions),
        "paths": [field_change_value(path) for path in change.paths],
        "cascades": [
            {"table": c.table, "effect": c.effect, "rows": c.rows, "capped": c.capped} for c in change.cascades
        ],
        "active_runs": dict(change.active_runs),
        "updated_at": change.updated_at,
        "updated_by": change.updated_by,
        "state": change.state,
        "drift": change.drift,
        "managed_by": change.managed_by,
        "renamed_from": change.renamed_from,
        "renamed_to": change.renamed_to,
    }


def _kept_value(kept: Kept) -> JsonObject:
    return {
        "key": kept.key,
        "why": kept.why,
        "state": kept.state,
        "reason": kept.reason,
        "file": kept.file,
        "workflow_id": kept.workflow_id,
        "updated_at": kept.updated_at,
        "updated_by": kept.updated_by,
    }


def field_change_value(path: FieldChange) -> JsonObject:
    """One difference. ``old`` and ``new`` are always there; null also says "nothing", which ``op`` tells apart."""
    return {
        "op": path.op,
        "path": path.path,
        "old": None if isinstance(path.old, Missing) else path.old,
        "new": None if isinstance(path.new, Missing) else path.new,
        "masked": path.masked,
        "note": path.note,
    }


def _place_value(place: Place) -> JsonObject:
    return {"file": place.file, "line": place.line, "column": place.column, "pointer": place.pointer}
