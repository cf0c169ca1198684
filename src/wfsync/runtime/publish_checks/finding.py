"""One thing that publish validation has to say, and how a list of them is ordered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import BLOCKS, step_path_text

__all__ = ["Finding", "finding_at", "in_order", "step_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault or a warning; its JSON form is the specification's (runtime.md "Publish validation")."""

    severity: Literal["error", "warning"]
    step_path: str
    """``root.steps[3].then.steps[0]``; ``root`` for what belongs to no step."""
    step_id: str | None
    code: str
    message: str
    suggestion: str | None
    path: Path
    """Of the value, inside ``document``."""
    document: Literal["definition", "metadata"] = "definition"
    member: str | None = None
    """A member of the object at ``path`` whose name is the better place to show."""
    offset: int | None = None
    """Inside an expression, in characters."""

    @property
    def is_error(self) -> bool:
        """True when it keeps a workflow from being published."""
        return self.severity == "error"

    def to_json(self) -> JsonObject:
        """Exactly ``{severity, stepPath, stepId?, code, message, suggestion?}``."""
        value: JsonObject = {"severity": self.severity, "stepPath": self.step_path}
        if self.step_id is not None:
            value["stepId"] = self.step_id
        value |= {"code": self.code, "message": self.message}
        if self.suggestion is not None:
            value["suggestion"] = self.suggestion
        return value


def step_of(path: Path) -> Path:
    """The longest leading part of ``path`` that names a step; empty for what belongs to none."""
    end = 0
    for position in range(0, len(path) - 1, 2):
        name, index = path[position], path[position + 1]
        if not isinstance(index, int) or (name != "steps" if position == 0 else name not in BLOCKS):
            break
        end = position + 2
    return path[:end]


def finding_at(  # noqa: PLR0913 - the fields of a finding
    definition: JsonObject,
    path: Path,
    code: str,
    message: str,
    suggestion: str | None = None,
    *,
    severity: Literal["error", "warning"] = "error",
    member: str | None = None,
    offset: int | None = None,
) -> Finding:
    """A finding at ``path`` of ``definition``, with the step that this belongs to."""
    step_path = step_of(path)
    step: Json = definition
    for part in step_path:
        step = step[part]
    step_id = step.get("id") if step_path and isinstance(step, dict) else None
    return Finding(
        severity=severity,
        step_path=step_path_text(step_path),
        step_id=step_id if isinstance(step_id, str) else None,
        code=code,
        message=message,
        suggestion=suggestion,
        path=path,
        member=member,
        offset=offset,
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, in the order of the document: what concerns all of it first, then the steps from top to
    bottom. Members of an object count in the order of their names, because a stored document has no other one.
    """
    return tuple(sorted(dict.fromkeys(findings), key=_place))


def _place(finding: Finding) -> tuple[object, ...]:
    step = step_of(finding.path) if finding.document == "definition" else ()
    where = tuple((_BLOCK_ORDER.get(p, 0), "", 0) if isinstance(p, str) else (0, "", p) for p in step)
    rest = finding.path[len(step) :] + (() if finding.member is None else (finding.member,))
    inside = tuple((0, p, 0) if isinstance(p, str) else (1, "", p) for p in rest)
    return (where, finding.document, inside, finding.code, finding.message)


_BLOCK_ORDER = {name: position for position, name in enumerate(BLOCKS, 1)}
