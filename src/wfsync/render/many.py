"""One command on many targets, for people and machines: what came of each, and how many ended how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.errors import Problem
from wfsync.pipeline.many import Ending, GroupReport, TargetReport
from wfsync.plan.codec import (
    PLAN_FORMAT_VERSION,
    error_values,
    plan_to_value,
    problem_value,
    source_value,
    summary_value,
)
from wfsync.plan.secrets import hide_message
from wfsync.render.annotations import failure_annotations, plan_annotations, titled
from wfsync.render.comment import MAX_COMMENT, Comment, marker
from wfsync.render.escape import code_span, fence_for, html_text, json_document, markdown_text, plain
from wfsync.render.json import outcome_value
from wfsync.render.problems import problem_lines
from wfsync.render.shorten import shorten
from wfsync.render.standing import stock_line, stock_text, stock_value
from wfsync.render.style import Paint, Style
from wfsync.render.text import plan_text
from wfsync.render.words import applied_line, plan_line, source_line

__all__ = ["group_annotations", "group_json", "group_line", "group_markdown", "group_text", "target_words"]

_SYMBOLS: Final[dict[Ending, tuple[str, Style]]] = {
    "applied": ("+", "green"),
    "unchanged": ("=", "dim"),
    "in_sync": ("=", "dim"),
    "pending": ("~", "yellow"),
    "differs": ("~", "yellow"),
    "blocked": ("!", "yellow"),
    "locked": ("!", "red"),
    "conflict": ("!", "red"),
    "refused": ("!", "red"),
    "failed": ("!", "red"),
    "interrupted": ("!", "red"),
    "skipped": ("-", "dim"),
}
_SENTENCE: Final = 400
_DETAILS: Final = MAX_COMMENT // 4


def group_text(report: GroupReport, *, width: int | None = None, color: bool = False, verbose: int = 0) -> str:
    """A line for each target, with what changes on it below; equal changes are listed once. The last line counts."""
    paint = Paint(color)
    at_once = f"{report.jobs} at once" if report.jobs > 1 else "one after the other"
    lines = [f"Group: {plain(report.group)}, {at_once}", f"Source: {source_line(report.source)}"]
    lines += [f"Managed as: {plain(report.source_name)}"] if report.command == "status" else []
    shown: dict[str, str] = {}
    wave = None
    for target in report.targets:
        if target.wave != wave:
            wave = target.wave
            lines += ["", f"Wave {plain(wave)}:"]
        symbol, style = _SYMBOLS[target.ending]
        lines.append(f"{paint(style, symbol)} {paint('bold', plain(target.name))}  {target_words(target)}")
        lines += _error_lines(target, paint)
        body = _body(target, width=width, color=color, verbose=verbose)
        same = shown.setdefault(body, target.name)
        changes = body.splitlines() if same == target.name else [f"as {plain(same)}"]
        lines += [f"    {line}" for line in (*(changes if body else ()), *_warning_lines(target, paint))]
    return "\n".join([*lines, "", group_line(report)]) + "\n"


def group_line(report: GroupReport) -> str:
    """The line to grep: the last one."""
    total = len(report.targets)
    counts = ", ".join(f"{count} {ending.replace('_', ' ')}" for ending, count in report.counts().items())
    return f"Targets: {total}: {counts}."


def target_words(target: TargetReport) -> str:
    """How it ended on one target, in a line."""
    ending = target.ending.replace("_", " ")
    if target.error is not None:
        return f"{ending}: {plain(target.error.code)}: {plain(hide_message(target.error.message))}"
    if target.because is not None:
        return f"{ending}: {plain(target.because)}"
    if target.outcome is not None:
        return f"{ending}. {applied_line(target.outcome)}"
    if target.plan is not None:
        return f"{ending}. {plan_line(target.plan.summary())}"
    return f"{ending}. {stock_line(target.stock)}" if target.stock is not None else ending


def _error_lines(target: TargetReport, paint: Paint) -> Iterator[str]:
    if target.error is None:
        return
    listed = target.plan is not None and bool(target.plan.blocks)  # the plan's refusals say the same
    for problem in () if listed else target.error.problems:
        for line in problem_lines(problem, paint):
            yield f"    {line}"
    if target.error.hint and not listed:
        yield f"    {plain(hide_message(target.error.hint))}"


def _body(target: TargetReport, *, width: int | None, color: bool = False, verbose: int = 0) -> str:
    """What changes, without what names the target: the same text for the same changes."""
    if target.stock is not None:
        stock = replace(target.stock, warnings=())
        text, ends = stock_text(stock, color=color, verbose=verbose), 1
    elif target.plan is not None:
        plan = replace(target.plan, warnings=())
        text, ends = plan_text(plan, width=width, color=color, verbose=verbose), 2
    else:
        return ""
    rest = text.partition("\n\n")[2].splitlines()[:-ends]
    return "\n".join(line for line in rest if line.strip())


def _warning_lines(target: TargetReport, paint: Paint) -> Iterator[str]:
    """They name rows, so that no two targets have the same."""
    for holder in (target.plan, target.stock):
        for warning in () if holder is None else holder.warnings:
            yield from problem_lines(warning, paint)
    for note in () if target.outcome is None else target.outcome.notes:
        yield from problem_lines(note, paint)


def group_json(report: GroupReport) -> str:
    """One document; ``result`` of a target is the document that the command prints of one (spec: cli.md "Output")."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "command": report.command,
            "group": report.group,
            "source": {**source_value(report.source), "name": report.source_name},
            "waves": list(report.waves),
            "summary": {"targets": len(report.targets), **report.counts()},
            "stopped": report.stopped_by is not None,
            "seconds": round(report.seconds, 3),
            "targets": [_target_value(target) for target in report.targets],
            "warnings": [problem_value(problem) for problem in report.warnings],
            "errors": [
                {**value, "target": target.name}
                for target in report.targets
                if target.error is not None
                for value in error_values(target.error)
            ],
        }
    )


def _target_value(target: TargetReport) -> JsonObject:
    summary: JsonObject | None = None
    result: JsonObject | None = None
    if target.stock is not None:
        result = stock_value(target.stock)
        summary = result["summary"]
    elif target.outcome is not None:
        result = outcome_value(target.outcome)
        summary = result["outcome"]["summary"]
    elif target.plan is not None:
        result = plan_to_value(target.plan, target.error)
        summary = summary_value(target.plan.summary())
    error = target.error
    return {
        "name": target.name,
        "environment": target.environment,
        "tenant": target.tenant,
        "wave": target.wave,
        "outcome": target.ending,
        "because": target.because,
        "summary": summary,
        "error": None
        if error is None
        else problem_value(Problem(code=error.code, message=error.message, hint=error.hint, details=error.details)),
        "seconds": round(target.seconds, 3),
        "result": result,
    }


def group_markdown(report: GroupReport, *, limit: int = MAX_COMMENT) -> str:
    """A pull-request comment: a row for each target, and what changes, folded; equal changes once."""
    head = (
        f"{marker(report.command, group=report.group)}\n### wfsync {report.command}\n\n"
        f"**Group:** {markdown_text(report.group)}  \n"
        f"**Source:** {markdown_text(shorten(source_line(report.source), _SENTENCE))}\n"
    )
    comment = Comment(head, f"\n{group_line(report)}\n", limit)
    # What failed must not be what is cut off
    ordered = sorted(report.targets, key=lambda target: not target.failed)
    comment.section("\n| | target | wave | |\n| --- | --- | --- | --- |\n", [_row(t) for t in ordered], "targets")
    bodies: dict[str, list[str]] = {}
    for target in ordered:
        body = _body(target, width=None)
        if body:
            bodies.setdefault(body, []).append(target.name)
    warnings = [
        f"- {code_span(target.name)} {markdown_text(shorten(line, _SENTENCE))}\n"
        for target in ordered
        for line in _warning_lines(target, Paint(color=False))
        if not line.startswith(" ")
    ]
    comment.section("\n**Warnings:**\n\n", warnings, "warnings")
    comment.section("\n", [_details(body, names) for body, names in bodies.items()], "targets' changes")
    return comment.text()


def _row(target: TargetReport) -> str:
    words = markdown_text(shorten(target_words(target), _SENTENCE))
    return f"| `{_SYMBOLS[target.ending][0]}` | {code_span(target.name)} | {code_span(target.wave)} | {words} |\n"


def _details(body: str, names: list[str]) -> str:
    body = body if len(body) <= _DETAILS else body[:_DETAILS].rpartition("\n")[0] + "\n# and more, left out here"
    fence = fence_for(body)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    title = f"<code>{html_text(names[0])}</code>{more}"
    return f"<details><summary>{title}</summary>\n\n{fence}\n{body}\n{fence}\n\n</details>\n"


def group_annotations(report: GroupReport) -> Iterator[Problem]:
    """As of one plan; what several targets have in common is said once."""
    yield titled("wfsync plan", "note", group_line(report))
    seen = set()
    for target in report.targets:
        found = [] if target.plan is None else [*plan_annotations(target.plan)][1:]
        if target.error is not None:
            found = [*failure_annotations(target.error)]
        for problem in found:
            said = (problem.code, problem.message, problem.key, problem.place)
            if said not in seen:
                seen.add(said)
                yield Problem(
                    code=problem.code,
                    severity=problem.severity,
                    message=f"{target.name}: {problem.message}",
                    place=problem.place,
                    key=problem.key,
                    hint=problem.hint,
                )
