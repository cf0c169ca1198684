"""JUnit XML, which every CI system shows as test results.

Of `validate`: one case for each file. Errors make a case fail, warnings and notes stand in its output. What concerns no
single file is a case of its own. Decision: a case has at most one ``<failure>``, which lists every error: readers that
expect one show only the first. Of `test`: one case for each test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from wfsync.errors import Problem
from wfsync.plan.secrets import hide_problem
from wfsync.render.escape import plain
from wfsync.render.problems import problems_text

__all__ = ["Case", "suite_junit", "validation_junit"]

_SUITE: Final = "wfsync validate"
_GENERAL: Final = "repository"
"""The case of what concerns no file."""


def validation_junit(files: Iterable[str], problems: Sequence[Problem]) -> str:
    """One ``<testsuite>``: a case for each of ``files`` (and for each further file that a problem names)."""
    by_file: dict[str, list[Problem]] = defaultdict(list)
    for file in files:
        by_file[file] = []
    for problem in problems:
        by_file[_GENERAL if problem.place is None else problem.place.file].append(problem)
    failures = sum(any(p.is_error for p in found) for found in by_file.values())
    counts = f'tests="{len(by_file)}" failures="{failures}" errors="0" skipped="0"'
    cases = "".join(_case(file, found) for file, found in by_file.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="{_SUITE}" {counts}>\n  <testsuite name="{_SUITE}" {counts}>\n{cases}'
        "  </testsuite>\n</testsuites>\n"
    )


def _case(file: str, problems: Sequence[Problem]) -> str:
    name = quoteattr(plain(file))
    opening = f'    <testcase classname="{_SUITE}" name={name} file={name}'
    if not problems:
        return f"{opening}/>\n"
    errors = [problem for problem in problems if problem.is_error]
    rest = [problem for problem in problems if not problem.is_error]
    parts = [f"{opening}>\n"]
    if errors:
        first = hide_problem(errors[0])
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        message, kind = quoteattr(plain(first.message + more)), quoteattr(plain(first.code))
        parts.append(f"      <failure type={kind} message={message}>{escape(problems_text(errors))}</failure>\n")
    if rest:
        parts.append(f"      <system-out>{escape(problems_text(rest))}</system-out>\n")
    parts.append("    </testcase>\n")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Case:
    """One test. ``kind`` None: it passed; ``text`` says everything, in lines that are escaped for a terminal."""

    group: str
    name: str
    file: str
    line: int
    seconds: float
    kind: Literal["failure", "error"] | None = None
    message: str = ""
    text: str = ""


def suite_junit(name: str, cases: Sequence[Case], seconds: float) -> str:
    """One ``<testsuite>`` of ``cases``."""
    failures, errors = (sum(case.kind == kind for case in cases) for kind in ("failure", "error"))
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0" time="{seconds:.3f}"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="{name}" {counts}>\n  <testsuite name="{name}" {counts}>\n'
        f"{''.join(map(_tested, cases))}  </testsuite>\n</testsuites>\n"
    )


def _tested(case: Case) -> str:
    group, name, file = (quoteattr(plain(text)) for text in (case.group, case.name, case.file))
    opening = f'    <testcase classname={group} name={name} file={file} line="{case.line}" time="{case.seconds:.6f}"'
    if case.kind is None:
        return f"{opening}/>\n"
    message = quoteattr(plain(case.message))
    return f"{opening}>\n      <{case.kind} message={message}>{escape(case.text)}</{case.kind}>\n    </testcase>\n"
