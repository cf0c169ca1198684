"""What `validate` found, as text, as JSON and as annotations of a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from wfsync.errors import Problem
from wfsync.plan.codec import PLAN_FORMAT_VERSION, problem_value
from wfsync.render.escape import json_document
from wfsync.render.problems import problems_text

__all__ = ["summary_line", "validation_json", "validation_text"]


def summary_line(files: int, problems: Sequence[Problem]) -> str:
    """The line to grep: ``Validated 16 files: 0 errors, 1 warning.``"""
    errors, warnings = (sum(p.severity == severity for p in problems) for severity in ("error", "warning"))
    return f"Validated {_count(files, 'file')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}."


def validation_text(
    files: int, problems: Sequence[Problem], *, shown: Sequence[Problem] | None = None, color: bool = False
) -> str:
    """Every problem (or only those of ``shown``) with its place, and the line that counts all of them."""
    return problems_text(problems if shown is None else shown, color=color) + summary_line(files, problems) + "\n"


def validation_json(files: int, problems: Sequence[Problem]) -> str:
    """One document: ``summary``, ``errors``, ``warnings`` (with the notes), as the plan's JSON has them."""
    counts = {severity: sum(p.severity == severity for p in problems) for severity in ("error", "warning", "note")}
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "summary": {
                "files": files,
                "errors": counts["error"],
                "warnings": counts["warning"],
                "notes": counts["note"],
            },
            "errors": [problem_value(problem) for problem in problems if problem.is_error],
            "warnings": [problem_value(problem) for problem in problems if not problem.is_error],
        }
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
