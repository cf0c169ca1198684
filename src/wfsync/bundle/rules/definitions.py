"""The structure of definitions: strict shapes and unique step ids (spec: runtime.md "Definition").

In a published version a fault is an error, in a draft a warning; the policy may make all of them warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfsync.bundle import schema
from wfsync.bundle.model import JsonObject
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import Steps, step_path_text, walk
from wfsync.errors import Severity

__all__ = ["check", "step_of"]

_SCHEMA: schema.SchemaName = "workflow-definition.v1"


def check(workflow: JsonObject, steps: Sequence[Steps], *, published: Severity = "error") -> Iterator[Fault]:
    """Faults of the draft's and of every published definition; ``published`` is the severity for the latter.

    ``steps`` holds those of the draft, then of each version as it stands in the tree.
    """
    yield from _check(workflow["draft"]["definition"], steps[0], ("draft", "definition"), "warning")
    for index, version in enumerate(workflow["publishedVersions"]):
        path = ("publishedVersions", index, "definition")
        yield from _check(version["definition"], steps[index + 1], path, published)


def _check(definition: JsonObject, steps: Steps, path: Path, severity: Severity) -> Iterator[Fault]:
    if not schema.is_valid(_SCHEMA, definition):
        for fault in schema.explain(_SCHEMA, definition):
            yield Fault(
                code="INVALID_DEFINITION",
                path=path + fault.path,
                message=fault.message,
                severity=severity,
                member=fault.member,
                details={"stepPath": step_path_text(step_of(fault.path)), "keyword": fault.keyword},
            )
    ids = [step_id for step in steps if type(step_id := step.get("id")) is str]
    if len(set(ids)) < len(ids):
        yield from _repeated_ids(definition, path, severity)


def _repeated_ids(definition: JsonObject, path: Path, severity: Severity) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for step_path, step in walk(definition):
        step_id = step.get("id")
        if not isinstance(step_id, str):
            continue
        if step_id in first:
            yield Fault(
                code="INVALID_DEFINITION",
                path=(*path, *step_path, "id"),
                message=f"step id {step_id!r} stands twice in this definition",
                hint="step ids are unique in the whole tree of a definition",
                severity=severity,
                related=((*path, *first[step_id], "id"),),
                details={"stepPath": step_path_text(step_path), "stepId": step_id, "reason": "DUPLICATE_STEP_ID"},
            )
        else:
            first[step_id] = step_path


def step_of(path: Path) -> Path:
    """The longest leading part of ``path`` that names a step: ends with an index."""
    end = 0
    for position in range(1, len(path), 2):
        if not isinstance(path[position], int):
            break
        end = position + 1
    return path[:end]
