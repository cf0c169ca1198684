"""Every expression of a definition compiles and is allowed (spec: runtime.md "Expressions", issue 4 item 2).

In a published version a fault is an error, in a draft a warning; the policy may make all of them warnings. Needs the
libraries of ``wfsync[runtime]``: who asks for this check looks whether they are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.rules.definitions import step_of
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import step_path_text
from wfsync.errors import Severity
from wfsync.expressions import ExpressionFault, check_expression

__all__ = ["check", "expressions_in"]

_REMEMBERED: Final = 16_384
"""Texts: definitions repeat each other, above all the versions of one workflow."""


def check(workflow: JsonObject, *, published: Severity = "error") -> Iterator[Fault]:
    """Faults of the draft's and of every published definition's expressions, wherever they stand."""
    yield from _check(workflow["draft"]["definition"], ("draft", "definition"), "warning")
    for index, version in enumerate(workflow["publishedVersions"]):
        yield from _check(version["definition"], ("publishedVersions", index, "definition"), published)


def expressions_in(definition: Json) -> Iterator[tuple[Path, str]]:
    """Every ``{"$expr": text}`` with the path of its text, in no particular order."""
    rest: list[tuple[Path, Json]] = [((), definition)]
    while rest:
        path, value = rest.pop()
        if type(value) is dict:
            text = value.get("$expr")
            if type(text) is str:
                yield (*path, "$expr"), text
            rest += [((*path, name), item) for name, item in value.items() if type(item) is dict or type(item) is list]
        elif type(value) is list:
            rest += [((*path, n), item) for n, item in enumerate(value) if type(item) is dict or type(item) is list]


def _check(definition: JsonObject, path: Path, severity: Severity) -> Iterator[Fault]:
    if all(_fault_of(text) is None for text in _texts(definition)):
        return
    for where, text in expressions_in(definition):
        fault = _fault_of(text)
        if fault is None:
            continue
        inside = fault.offset is not None and fault.offset < len(text)
        at = f", at character {(fault.offset or 0) + 1} of {len(text)}" if inside else ""
        yield Fault(
            code="INVALID_DEFINITION",
            path=(*path, *where),
            message=f"the expression is wrong{at}: {fault.message}",
            hint=fault.hint,
            severity=severity,
            inside=None if fault.offset is None else (text, fault.offset),
            details={
                "stepPath": step_path_text(step_of(where)),
                "reason": "INVALID_EXPR",
                "fault": fault.code,
                "offset": fault.offset,
            },
        )


def _texts(definition: JsonObject) -> set[str]:
    """The texts that `expressions_in` finds, without their paths: a third as dear."""
    texts: set[str] = set()
    rest: list[Json] = [definition]
    for value in rest:  # which grows
        items = value
        if type(value) is dict:
            items = value.values()
            text = value.get("$expr")
            if type(text) is str:
                texts.add(text)
        rest += [item for item in items if type(item) is dict or type(item) is list]
    return texts


@lru_cache(maxsize=_REMEMBERED)
def _fault_of(text: str) -> ExpressionFault | None:
    return check_expression(text)
