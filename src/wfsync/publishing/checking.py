"""A draft and its surroundings → findings, as values and as problems with a place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from wfsync.bundle.model import Json, Workflow
from wfsync.bundle.source_map import Path, SourceMap
from wfsync.errors import Place, Problem
from wfsync.publishing.report import Finds
from wfsync.publishing.version import with_kept_schema
from wfsync.runtime.publish_checks import Callees, Finding, check, named_secrets
from wfsync.runtime.registry import Registry

__all__ = ["Surroundings", "finds_in", "problem_of"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a draft is checked against."""

    registry: Registry
    secrets: Callable[[Collection[str]], Collection[str] | None]
    """Of the secrets that a draft names, those that there are; None when nobody can tell. Not asked if it has none."""


def finds_in(workflow: Workflow, around: Surroundings, callees: Callees | None, source: SourceMap | None) -> Finds:
    """What publish validation says of the draft. ``source`` has the places of the file, if it stands in one.

    A version that the draft becomes may call itself.
    """
    named = named_secrets(workflow.draft)
    findings = check(
        workflow.draft,
        metadata=workflow.metadata,
        registry=with_kept_schema(workflow, around.registry),
        secrets=around.secrets(named) if named else None,
        workflows=callees,
    )
    return Finds(findings, tuple(problem_of(finding, workflow, source) for finding in findings))


def problem_of(
    finding: Finding, workflow: Workflow, source: SourceMap | None, base: Path = ("workflows", 0)
) -> Problem:
    """``finding`` on the draft of ``workflow`` as a problem; without ``source`` it says the step instead of a place."""
    place = None
    if source is not None:
        within: Path = ("metadata",) if finding.document == "metadata" else ("draft", "definition")
        place = _place(finding, workflow, source, (*base, *within, *finding.path))
    step = finding.step_path if finding.step_id is None else f"{finding.step_path} ({finding.step_id})"
    return Problem(
        code=finding.code,
        message=f"{step}: {finding.message}" if finding.step_path != "root" else finding.message,
        severity=finding.severity,
        place=place,
        key=workflow.key,
        hint=finding.suggestion,
        details={"stepPath": finding.step_path, "stepId": finding.step_id, "offset": finding.offset},
    )


def _place(finding: Finding, workflow: Workflow, source: SourceMap, path: Path) -> Place:
    if finding.member is not None:
        return source.key((*path, finding.member))
    if finding.offset is not None:
        text: Json = workflow.draft
        for part in finding.path:
            text = text[part]
        return source.inside(path, text, finding.offset)
    return source.value(path)
