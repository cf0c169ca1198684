"""Problems as text, as JSON and as annotations of a GitHub pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from wfsync.errors import Place, Problem, Severity
from wfsync.plan.codec import PLAN_FORMAT_VERSION, problem_value
from wfsync.plan.secrets import hide_problem
from wfsync.render.escape import github_data, github_property, json_document, plain
from wfsync.render.style import Paint, Style

__all__ = ["problem_lines", "problems_github", "problems_json", "problems_text"]

_STYLES: Final[dict[Severity, Style]] = {"error": "red", "warning": "yellow", "note": "cyan"}
_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "notice"}


def problems_text(problems: Iterable[Problem], *, color: bool = False) -> str:
    """Each problem as ``file:line:column: error CODE: message`` with its pointer, other places and hint below.

    Empty for no problems; else it ends with one newline.
    """
    paint = Paint(color)
    lines = [line for problem in problems for line in problem_lines(problem, paint)]
    return "".join(f"{line}\n" for line in lines)


def problem_lines(problem: Problem, paint: Paint) -> Iterator[str]:
    """The lines of one problem, escaped for a terminal."""
    problem = hide_problem(problem)
    where = "" if problem.place is None else f"{_place(problem.place)}: "
    about = "" if problem.key is None else f"{plain(problem.key)}: "
    kind = paint(_STYLES[problem.severity], f"{problem.severity} {plain(problem.code)}")
    yield f"{where}{kind}: {about}{plain(problem.message)}"
    if problem.place is not None and problem.place.pointer:
        yield f"    at {plain(problem.place.pointer)}"
    for place in problem.related:
        yield f"    see {_place(place)}"
    if problem.hint is not None:
        yield f"    {plain(problem.hint)}"


def problems_json(problems: Sequence[Problem]) -> str:
    """One document: ``summary``, ``errors``, ``warnings`` (with the notes), as the plan's JSON has them."""
    counts = {severity: sum(p.severity == severity for p in problems) for severity in _STYLES}
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "summary": {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"]},
            "errors": [problem_value(problem) for problem in problems if problem.is_error],
            "warnings": [problem_value(problem) for problem in problems if not problem.is_error],
        }
    )


def problems_github(problems: Iterable[Problem]) -> str:
    """Workflow commands that annotate a pull request's files: ``::error file=…,line=…,col=…,title=CODE::message``."""
    return "".join(f"{_annotation(problem)}\n" for problem in problems)


def _annotation(problem: Problem) -> str:
    problem = hide_problem(problem)
    properties: dict[str, str] = {}
    place = problem.place
    if place is not None:
        properties["file"] = place.file
        if place.line is not None:
            properties["line"] = str(place.line)
            if place.column is not None:
                properties["col"] = str(place.column)
    properties["title"] = problem.code
    text = problem.message if problem.key is None else f"{problem.key}: {problem.message}"
    if place is not None and place.pointer:
        text += f"\nat {place.pointer}"
    if problem.hint is not None:
        text += f"\n{problem.hint}"
    listed = ",".join(f"{name}={github_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[problem.severity]} {listed}::{github_data(text)}"


def _place(place: Place) -> str:
    return plain(str(place))
