"""Workflow ids and keys inside definitions (spec: bundle.md "References between workflows").

``control.callWorkflow.workflowId`` holds the callee's key in a file and its ``workflow_id`` in the database. The
functions here find the calls of a definition and rewrite them; which text becomes which is the caller's decision.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.steps import StepPath, Steps, Walked, walk

__all__ = ["CALL_STEP", "Call", "calls", "calls_in", "is_uuid", "plain_uuid", "rewrite"]

CALL_STEP: Final = "control.callWorkflow"

_UUID_DIGITS: Final = 32
_UUID = re.compile(r"(?:urn:uuid:)?\{?(?:-*[0-9a-f]){32}-*\}?", re.IGNORECASE)


class Call(Struct, frozen=True, gc=False):
    """One call of another workflow."""

    path: StepPath
    """Of the calling step, inside its definition."""
    target: str
    """The callee: a key, or a UUID."""
    version: int
    """The called version; 0 when the step does not name a valid one (only drafts may)."""
    in_version: int | None
    """The published version that calls, or None for the draft."""


def is_uuid(text: str) -> bool:
    """True when ``text`` reads as a UUID in a form that Python or PostgreSQL accepts (any case, braces, odd dashes)."""
    return len(text) >= _UUID_DIGITS and _UUID.fullmatch(text) is not None


def plain_uuid(text: str) -> str:
    """``text`` in PostgreSQL's spelling of a UUID (lower case, four dashes); itself when it is none."""
    if not is_uuid(text):
        return text
    digits = text.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def calls(walked: Walked, in_version: int | None) -> list[Call]:
    """Every call among the steps of one definition that names a target, in document order."""
    found = []
    for path, step in walked:
        if step.get("type") == CALL_STEP:
            target, version = step.get("workflowId"), step.get("workflowVersion")
            if isinstance(target, str) and target:
                found.append(Call(path, target, version if type(version) is int and version > 0 else 0, in_version))
    return found


def calls_in(definition: JsonObject, steps: Steps, in_version: int | None) -> list[Call]:
    """The `calls` of ``definition``, whose ``steps`` are known: most definitions call nobody and are not walked."""
    for step in steps:
        if step.get("type") == CALL_STEP:
            return calls(walk(definition), in_version)
    return []


def rewrite(definition: JsonObject, target: Callable[[str], str]) -> JsonObject:
    """Return ``definition`` with every call's ``workflowId`` replaced by ``target(workflowId)``.

    The argument is never changed: objects and lists on the way to a changed step are copied, all else is shared.
    When nothing changes, ``definition`` itself is returned.
    """
    changes = [
        (call.path, new) for call in calls(walk(definition), None) if (new := target(call.target)) != call.target
    ]
    for path, new in changes:
        definition = _with(definition, (*path, "workflowId"), new)
    return definition


def _with(tree: Json, path: StepPath, value: Json) -> Json:
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = _with(tree[path[0]], path[1:], value)
    return copy
