"""Bytes of a test file → its tests, or every fault in it with line and column.

A file is read strictly (no key twice, YAML 1.2) and held against ``schemas/workflow-test.v1.schema.json``; what a
schema cannot say is checked here: names that stand twice, a test without a workflow, patterns that are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.bundle import schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.source_map import Document, Path
from wfsync.errors import InputError, Problem
from wfsync.testing.matching import invalid_patterns
from wfsync.testing.model import Case, TestFile
from wfsync.testing.times import duration, moment
from wfsync.testing.tree import case_of

__all__ = ["INVALID_TEST", "read_tests"]

INVALID_TEST: Final = "INVALID_TEST"

_SCHEMA: Final = "workflow-test.v1"
_EXCLUSIVE: Final = (
    ("event", "payload", "`event`: the run gets that event's payload, through the trigger's mapping"),
    ("at", "after", "`at`"),
    ("output", "echo", "`output`"),
    ("fail", "output", "`fail`, unless `calls` says which calls fail"),
    ("fail", "echo", "`fail`, unless `calls` says which calls fail"),
    ("fail", "vars", "`fail`"),
    ("fail", "payload", "`fail`"),
)
"""What must not stand beside what, and how that is said: the schema's ``not``."""

_PATTERNS: Final = ("vars", "payload", "meta", "error", "calls", "callsInclude", "tasks", "children", "waitsFor")


def read_tests(data: bytes, syntax: Syntax, file: str) -> TestFile:
    """Read one file; ``file`` names it in messages. Raises `InputError` (``INVALID_TEST``) with every fault."""
    try:
        document = read_document(data, syntax, file)
    except InputError as error:
        raise _invalid(file, [_recoded(problem) for problem in error.problems]) from None
    problems = [_recoded(problem) for problem in document.problems]
    if not problems and _is_bundle(document.tree):  # a fault for every member would hide what is wrong
        place = document.source.key(("format",))
        message, hint = "is a bundle of workflows and no file of tests", "tests are files of their own, in tests/"
        raise _invalid(file, [Problem(code=INVALID_TEST, message=message, place=place, hint=hint)])
    problems += _schema_faults(document)
    if not problems:
        problems += [
            Problem(code=INVALID_TEST, message=message, place=document.source.value(path), hint=hint)
            for path, message, hint in _rules(document.tree)
        ]
    if problems:
        raise _invalid(file, sorted(problems, key=_position))
    return TestFile(file, tuple(_cases(document)))


def _is_bundle(tree: Json) -> bool:
    return isinstance(tree, dict) and {"format", "workflows"} <= tree.keys() and "tests" not in tree


def _cases(document: Document) -> Iterator[Case]:
    for index, tree in enumerate(document.tree["tests"]):
        yield case_of(tree, document.tree, source=document.source, path=("tests", index))


def _schema_faults(document: Document) -> Iterator[Problem]:
    if schema.is_valid(_SCHEMA, document.tree):
        return
    for fault in schema.explain(_SCHEMA, document.tree):
        member, message = fault.member, fault.message
        if fault.keyword == "not":
            member, message = _excluded(_at(document.tree, fault.path))
        elif fault.keyword == "minProperties":
            message = "must not be empty"
        elif fault.keyword == "dependencies":
            message = "`calls` says which calls fail, so `fail` must say how"
        place = document.source.value(fault.path) if member is None else document.source.key((*fault.path, member))
        yield Problem(code=INVALID_TEST, message=message, place=place, details={"keyword": fault.keyword})


def _excluded(tree: Json) -> tuple[str | None, str]:
    for first, second, name in _EXCLUSIVE:
        if isinstance(tree, dict) and first in tree and second in tree:
            return second, f"`{second}` must not stand beside {name}"
    return None, "holds members that must not stand together"


def _at(tree: Json, path: Path) -> Json:
    for step in path:
        tree = tree[step]
    return tree


def _rules(tree: JsonObject) -> Iterator[tuple[Path, str, str | None]]:
    """What the schema cannot say: paths, messages and hints."""
    yield from _times(tree, ())
    names: dict[str, int] = {}
    for index, test in enumerate(tree["tests"]):
        path: Path = ("tests", index)
        first = names.setdefault(test["name"], index)
        if first != index:
            yield (*path, "name"), "two tests of this file have this name", "rename one: results are told apart by it"
        if "workflow" not in test and "workflow" not in tree:
            yield path, "no workflow is named", "write `workflow: KEY` here, or once for all at the top of the file"
        expected = test.get("expect", {})
        for member in _PATTERNS:
            for where, message in invalid_patterns(expected.get(member), (*path, "expect", member)):
                yield where, message, None


_TIMES: Final = {"now": moment, "at": moment, "finishedAt": moment}
_SPANS: Final = ("after", "delay", "cancelAfter", "elapsed", "min", "max")
_FREE: Final = frozenset({"payload", "output", "answer", "vars", "meta", "details", "input", "context", "secrets"})
"""Members that hold whatever their author likes."""


def _times(value: object, path: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Moments that no calendar has, durations that no clock counts."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _times(item, (*path, index))
        return
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        here = (*path, name)
        if name in _FREE:
            continue
        try:
            if name in _TIMES and isinstance(member, str):
                moment(member)
            elif name in _SPANS and isinstance(member, (int, str)) and not isinstance(member, bool):
                duration(member)
            else:
                yield from _times(member, here)
        except (ValueError, OverflowError):
            yield here, "lies outside of what a calendar has", None


def _position(problem: Problem) -> tuple[int, int]:
    place = problem.place
    return (0, 0) if place is None else (place.line or 0, place.column or 0)


def _recoded(problem: Problem) -> Problem:
    """The same fault as a test file's: its readers know bundles only."""
    return Problem(
        code=INVALID_TEST, message=problem.message, place=problem.place, hint=problem.hint, related=problem.related
    )


def _invalid(file: str, problems: list[Problem]) -> InputError:
    return InputError(
        f"{file} is no file of tests",
        code=INVALID_TEST,
        hint="`wfsync schema test` prints what it may say; docs/testing.md is the guide",
        problems=problems,
    )
