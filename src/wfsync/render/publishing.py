"""What came of a publish, for people and machines. No value of a workflow is shown."""

from __future__ import annotations

from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.errors import Problem
from wfsync.plan.codec import PLAN_FORMAT_VERSION, problem_value
from wfsync.plan.secrets import hide_message, hide_tokens
from wfsync.publishing.report import Action, Report
from wfsync.render.escape import json_document, plain
from wfsync.render.problems import problems_text
from wfsync.runtime.publish_checks import Finding

__all__ = ["report_json", "report_text"]

_DONE: Final[dict[Action, str]] = {
    "published": "Published {key} {version} in {where}",
    "unchanged": "Nothing to publish: the draft of {key} is what its version {version} says",
    "checked": "Checked {key}: it would become version {version} of {where}",
    "refused": "Refused {key}: nothing was published",
}


def report_text(report: Report, *, quiet: bool = False, color: bool = False) -> str:
    """Every finding with its place, and one line that says what was done."""
    shown = [p for p in report.finds.problems if p.is_error or not quiet]
    version = "" if report.version is None else str(report.version)
    line = _DONE[report.action].format(key=plain(report.key), version=version, where=plain(report.where))
    if report.action == "checked" and report.finds.has_errors:
        line = f"Checked {plain(report.key)}: it would be refused"
    counts = f": {_count(report, 'error')}, {_count(report, 'warning')}" if report.action != "unchanged" else ""
    return f"{problems_text(shown, color=color)}{line}{counts}.\n"


def report_json(report: Report) -> str:
    """One document. ``findings`` have exactly the members of the specification; ``errors`` and ``warnings`` are the
    same with their places, as everywhere.
    """
    problems: tuple[Problem, ...] = (*report.finds.problems, *report.notes)
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "key": report.key,
            "action": report.action,
            "version": report.version,
            "file": None if report.in_database else report.where,
            "target": report.where if report.in_database else None,
            "apply_id": report.apply_id,
            "summary": {"errors": report.finds.count("error"), "warnings": report.finds.count("warning")},
            "findings": [_finding_value(finding) for finding in report.finds.findings],
            "errors": [problem_value(problem) for problem in problems if problem.is_error],
            "warnings": [problem_value(problem) for problem in problems if not problem.is_error],
        }
    )


def _finding_value(finding: Finding) -> JsonObject:
    """``finding`` as the specification has it; what looks like a secret in its words is masked, and tokens in
    its ids.
    """
    value = finding.to_json()
    words: JsonObject = {name: hide_message(value[name]) for name in ("message", "suggestion") if name in value}
    return {**{name: hide_tokens(content) for name, content in value.items()}, **words}


def _count(report: Report, severity: str) -> str:
    number = report.finds.count(severity)
    return f"{number} {severity}{'s' * (number != 1)}"
