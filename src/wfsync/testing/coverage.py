"""Which steps and branches of a workflow were tried.

Points of a definition: every step; ``then`` and ``else`` of a `control.if` (``else`` also where there is none: the
condition was once false), the ``body`` of a `control.forEach`, the ``catch`` of a `control.tryCatch`, and of an
`event.wait` with a time limit that it was once too late (``timeout``) and once not (``event``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from wfsync.bundle.model import JsonObject
from wfsync.bundle.source_map import Path
from wfsync.errors import Place
from wfsync.runtime.protocol import StepRecord, StepStatus
from wfsync.testing.outcome import Seen
from wfsync.testing.workflows import Prepared, Workflows

__all__ = ["Covered", "Point", "cover", "points", "seen_in"]


@dataclass(frozen=True, slots=True)
class Point:
    """Something of a definition that a run may do. ``branch`` ``""``: begin the step."""

    path: str
    step: str
    branch: str
    place: Path
    """In the definition."""


@dataclass(frozen=True, slots=True)
class Covered:
    """One version of one workflow. ``missed`` are the points that no test tried, with their places."""

    workflow: str
    version: str
    file: str
    steps: int
    steps_missed: int
    branches: int
    branches_missed: int
    missed: tuple[tuple[Point, Place], ...]

    @property
    def percent(self) -> float:
        """Of all points; 100 where there are none."""
        every = self.steps + self.branches
        return 100.0 if every == 0 else 100.0 * (every - self.steps_missed - self.branches_missed) / every


def points(prepared: Prepared) -> Iterator[Point]:
    """All points of a definition, in document order."""
    for path, (place, step) in prepared.steps.items():
        yield Point(path, step["id"], "", place)
        for branch in _branches(step):
            yield Point(path, step["id"], branch, (*place, branch) if branch in step else place)


def _branches(step: JsonObject) -> tuple[str, ...]:
    match step["type"]:
        case "control.if":
            return ("then", "else")
        case "control.forEach":
            return ("body",)
        case "control.tryCatch":
            return ("catch",)
        case "event.wait" if step.get("config", {}).get("timeoutMs") is not None:
            return ("event", "timeout")
        case _:
            return ()


def seen_in(workflow: str, version: int, steps: Iterable[StepRecord], *, is_draft: bool) -> Iterator[Seen]:
    """What a run did, by the records of its steps in the order in which they began."""
    records = list(steps)
    begun = {record.pos.path for record in records}
    for record in records:
        path = record.pos.path
        yield workflow, version, is_draft, path, ""
        branch = _taken(record, begun)
        if branch:
            yield workflow, version, is_draft, path, branch


def _taken(record: StepRecord, begun: Collection[str]) -> str:
    output = record.output if isinstance(record.output, dict) else {}
    match record.step_type:
        case "control.if":
            return str(output.get("branch", ""))
        case "control.forEach":
            return "body" if f"{record.pos.path}.body.steps[0]" in begun else ""
        case "control.tryCatch":
            return "catch" if output.get("caught") or f"{record.pos.path}.catch.steps[0]" in begun else ""
        case "event.wait":
            if record.status is StepStatus.SUCCEEDED:
                return "event"
            timed_out = record.error is not None and record.error.get("category") == "TimeoutError"
            return "timeout" if timed_out else ""
        case _:
            return ""


def cover(workflows: Workflows, tested: Iterable[Prepared], seen: Collection[Seen]) -> list[Covered]:
    """The coverage of each of ``tested``, by workflow and version."""
    found = []
    for prepared in sorted(set_of(tested), key=lambda p: (p.program.key, p.version is None, p.version or 0)):
        key, version, is_draft = prepared.program.key, prepared.program.version, prepared.version is None
        every = list(points(prepared))
        missed = [p for p in every if (key, version, is_draft, p.path, p.branch) not in seen]
        places = workflows.places(prepared, [point.place for point in missed])
        found.append(
            Covered(
                workflow=key,
                version="draft" if is_draft else f"v{version}",
                file=prepared.file,
                steps=sum(not point.branch for point in every),
                steps_missed=sum(not point.branch for point in missed),
                branches=sum(bool(point.branch) for point in every),
                branches_missed=sum(bool(point.branch) for point in missed),
                missed=tuple(zip(missed, places, strict=True)),
            )
        )
    return found


def set_of(tested: Iterable[Prepared]) -> list[Prepared]:
    """Each version once."""
    return list({(p.program.key, p.version): p for p in tested}.values())
