"""What `wfsync test` found, as text and as JSON; as JUnit XML in `wfsync.render.junit`. Tokens are masked, also in ids
and in names of tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from wfsync.bundle.model import Json, JsonObject
from wfsync.plan.secrets import hide_text, hide_tokens
from wfsync.render.escape import json_document, plain
from wfsync.render.junit import Case, suite_junit
from wfsync.render.shorten import shorten, value_pair, value_text
from wfsync.render.style import Paint
from wfsync.testing.coverage import Covered
from wfsync.testing.matching import MISSING
from wfsync.testing.outcome import Difference, Outcome, Verdict
from wfsync.testing.report import TestReport

__all__ = ["report_json", "report_junit", "report_text"]

FORMAT_VERSION: Final = "1.0"

_VALUE: Final = 240
"""Characters of a value that a line shows."""
_CALLS: Final = 12
_STEPS: Final = 40
_MISSED: Final = 20
"""How many untried points of one workflow are listed; -v lists all."""

_WORDS: Final = {"passed": "ok", "failed": "FAIL", "error": "ERROR"}


def report_text(
    report: TestReport, *, fail_under: float | None = None, verbose: bool = False, color: bool = False
) -> str:
    """Each test that did not pass, with what differs and what happened; coverage; the line that counts."""
    paint = Paint(color)
    lines: list[str] = []
    for verdict in report.verdicts:
        if verdict.result == "passed":
            if verbose:
                lines.append(_heading(verdict, paint))
        else:
            lines += [*verdict_lines(verdict, paint), ""]
    if report.coverage is not None:
        lines += [*_coverage(report, fail_under, paint, verbose=verbose), ""]
    lines.append(summary_line(report))
    lines = [hide_text(line) for line in lines]
    return "\n".join(lines) + "\n"


def summary_line(report: TestReport) -> str:
    """The line to grep: ``Tests: 31 passed, 2 failed, 0 errors.``"""
    errors = report.count("error")
    return (
        f"Tests: {report.count('passed')} passed, {report.count('failed')} failed, {errors} error{'s' * (errors != 1)}."
    )


def verdict_lines(verdict: Verdict, paint: Paint) -> Iterator[str]:
    """One test that did not pass, for a terminal."""
    yield _heading(verdict, paint)
    if verdict.trouble is not None:
        yield f"  {plain(verdict.trouble.message)}"
        for line in verdict.trouble.more:
            yield f"  {plain(line)}"
        if verdict.trouble.hint:
            yield f"    {plain(verdict.trouble.hint)}"
    for difference in verdict.differences:
        yield from _difference(difference, paint)
    if verdict.outcome is not None:
        yield from _what_happened(verdict.outcome)


def _heading(verdict: Verdict, paint: Paint) -> str:
    word = paint("green" if verdict.result == "passed" else "red", _WORDS[verdict.result])
    about = plain(f"{verdict.workflow} {verdict.version}".rstrip())
    return f"{word} {plain(verdict.file)}:{verdict.line} {plain(verdict.name)} [{about}]"


def _difference(one: Difference, paint: Paint) -> Iterator[str]:
    yield f"  {paint('bold', plain(hide_text(one.what)))}  ({plain(one.place)})"
    if one.note:
        yield f"      {plain(shorten(one.note, 2 * _VALUE))}"
    expected, actual = _pair(one)
    yield f"    {paint('red', '- ' + expected)}"
    yield f"    {paint('green', '+ ' + actual)}"


def _pair(one: Difference) -> tuple[str, str]:
    """Expected and actual value on a line each."""
    if one.what == "path" and isinstance(one.expected, list) and isinstance(one.actual, list):
        return _path(one.expected), _path(one.actual)
    if one.expected is MISSING:
        return "nothing", value_text(one.actual, _VALUE)
    if one.actual is MISSING:
        return value_text(one.expected, _VALUE), "nothing"
    return value_pair(one.expected, one.actual, _VALUE)


def _path(steps: Sequence[str]) -> str:
    return plain(" → ".join(steps)) or "no step"


def _what_happened(outcome: Outcome) -> Iterator[str]:
    if outcome.path:
        left_out = len(outcome.path) - _STEPS
        first = f"… ({left_out} more) → " if left_out > 0 else ""
        yield f"  steps: {first}{_path(outcome.path[-_STEPS:])}"
    for index, call in enumerate(outcome.calls[:_CALLS]):
        label = "calls:" if index == 0 else "      "
        action = plain(f"{call['action']}@{call['version']} ({call['step']})")
        yield f"  {label} {action} {value_text(call['input'], _VALUE)}"
    if len(outcome.calls) > _CALLS:
        yield f"         and {len(outcome.calls) - _CALLS} more"


def _coverage(report: TestReport, fail_under: float | None, paint: Paint, *, verbose: bool) -> Iterator[str]:
    measured = report.coverage or ()
    width = max((len(_name(one)) for one in measured), default=0)
    for one in measured:
        full = not one.missed
        percent = paint("green" if full else "yellow", f"{one.percent:5.1f}%")
        tried = f"{one.steps - one.steps_missed}/{one.steps} steps"
        branches = f"{one.branches - one.branches_missed}/{one.branches} branches"
        yield f"{percent}  {plain(_name(one)):<{width}}  {tried:>13}  {branches:>15}"
        listed = one.missed if verbose else one.missed[:_MISSED]
        for point, place in listed:
            what = f"step {point.step}" if not point.branch else f"{point.step}: {point.branch}"
            yield f"          {plain(str(place))} {plain(what)}"
        if len(one.missed) > len(listed):
            yield f"          and {len(one.missed) - len(listed)} more; -v lists all"
    wanted = ""
    if fail_under is not None:
        verdict = "enough" if report.percent >= fail_under else "too little"
        wanted = f" ({verdict}: {fail_under:g}% wanted)"
    yield f"Coverage: {report.percent:.1f}% of steps and branches{wanted}."


def _name(one: Covered) -> str:
    return f"{one.workflow} {one.version}"


def report_json(report: TestReport) -> str:
    """One document: ``summary``, ``tests``, ``coverage`` where it was measured."""
    document: JsonObject = {
        "format_version": FORMAT_VERSION,
        "summary": {
            "tests": len(report.verdicts),
            "passed": report.count("passed"),
            "failed": report.count("failed"),
            "errors": report.count("error"),
            "seconds": round(report.seconds, 3),
        },
        "tests": [_verdict_value(verdict) for verdict in report.verdicts],
        "errors": [],
        "warnings": [],
    }
    if report.coverage is not None:
        document["coverage"] = {
            "percent": round(report.percent, 1),
            "workflows": [_covered_value(one) for one in report.coverage],
        }
    return json_document(hide_tokens(document))


def _verdict_value(verdict: Verdict) -> JsonObject:
    value: JsonObject = {
        "id": verdict.id,
        "file": verdict.file,
        "line": verdict.line,
        "name": verdict.name,
        "workflow": verdict.workflow,
        "version": verdict.version or None,
        "result": verdict.result,
        "seconds": round(verdict.seconds, 6),
    }
    if verdict.trouble is not None:
        trouble = verdict.trouble
        value["trouble"] = {"message": trouble.message, "hint": trouble.hint or None, "more": list(trouble.more)}
    if verdict.result != "passed":
        value["differences"] = [_difference_value(one) for one in verdict.differences]
    if verdict.outcome is not None:
        value["status"] = verdict.outcome.status or None
        value["path"] = list(verdict.outcome.path)
        value["calls"] = list(verdict.outcome.calls)
        value["error"] = verdict.outcome.error
    return value


def _difference_value(one: Difference) -> JsonObject:
    value: dict[str, Json] = {"what": one.what, "place": one.place}
    if one.expected is not MISSING:
        value["expected"] = one.expected
    if one.actual is not MISSING:
        value["actual"] = one.actual
    if one.note:
        value["note"] = one.note
    return value


def _covered_value(one: Covered) -> JsonObject:
    return {
        "workflow": one.workflow,
        "version": one.version,
        "file": one.file,
        "percent": round(one.percent, 1),
        "steps": one.steps,
        "steps_missed": one.steps_missed,
        "branches": one.branches,
        "branches_missed": one.branches_missed,
        "missed": [
            {
                "step": point.step,
                "stepPath": point.path,
                "branch": point.branch or None,
                "line": place.line,
                "column": place.column,
            }
            for point, place in one.missed
        ],
    }


def report_junit(report: TestReport) -> str:
    """JUnit XML: a suite for all, a case for each test, its file as the class."""
    return suite_junit("wfsync test", [_junit_case(verdict) for verdict in report.verdicts], report.seconds)


def _junit_case(verdict: Verdict) -> Case:
    name = hide_text(verdict.name)
    if verdict.result == "passed":
        return Case(verdict.file, name, verdict.file, verdict.line, verdict.seconds)
    _, *rest = verdict_lines(verdict, Paint(color=False))
    if verdict.trouble is not None:
        message = verdict.trouble.message
    else:
        message = ", ".join(one.what for one in verdict.differences) + " not as expected"
    kind: Literal["failure", "error"] = "failure" if verdict.result == "failed" else "error"
    text = "".join(f"{hide_text(line)}\n" for line in rest)
    return Case(verdict.file, name, verdict.file, verdict.line, verdict.seconds, kind, hide_text(message), text)
