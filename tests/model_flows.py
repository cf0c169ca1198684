"""Workflows of the model test as small values, and what they are in a file and in a row.

A `Flow` in a file names callees by key; one in a row by the row's id, or by whatever text stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from corpus_edits import JsonObject, dependencies, steps_of
from rows import METADATA
from small_bundles import call, many, set_state
from wfsync.bundle.canonical import compact_bytes
from wfsync.store.new_rows import NewVersion, NewWorkflow

__all__ = ["Body", "Digest", "Flow", "as_bundle", "as_row", "body_in"]


@dataclass(frozen=True)
class Body:
    """One definition: it sets a state, and may call one workflow."""

    state: str
    callee: str | None = None
    version: int = 1


@dataclass(frozen=True)
class Flow:
    """One workflow, but for its key."""

    name: str
    """Stays what it was when somebody gives a row another key."""
    note: str
    paused: bool | None
    """None: in a digest, where the database owns it."""
    draft_version: int
    draft: Body
    published: tuple[tuple[int, Body], ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(number for number, _ in self.published)

    def bodies(self) -> Iterator[tuple[int | None, Body]]:
        yield None, self.draft
        yield from self.published

    def callees(self) -> set[str]:
        return {body.callee for _, body in self.bodies() if body.callee is not None}

    def naming(self, name: Callable[[str], str]) -> Flow:
        """The same with other names for its callees."""

        def named(body: Body) -> Body:
            return body if body.callee is None else replace(body, callee=name(body.callee))

        published = tuple((number, named(body)) for number, body in self.published)
        return replace(self, draft=named(self.draft), published=published)

    def neutral(self, *, owned: bool) -> Flow:
        """What a digest is of: without the field that the database owns."""
        return replace(self, paused=None) if owned else self


Digest: TypeAlias = tuple[str, Flow]
"""What a digest stands for: a key, and a neutral flow whose callees are keys."""


def _steps(body: Body) -> list[JsonObject]:
    return [set_state(body.state), *([] if body.callee is None else [call(body.callee, body.version)])]


def _definition(flow: Flow, identity: str, version: int, body: Body) -> JsonObject:
    named = {"id": identity, "version": version, "name": flow.name, "payloadSchemaRef": METADATA["payloadSchemaRef"]}
    return {**named, "steps": _steps(body)}


def _metadata(flow: Flow) -> dict[str, Any]:
    return METADATA | {"name": flow.name, "description": flow.note, "isPaused": bool(flow.paused)}


def as_bundle(key: str, flow: Flow) -> JsonObject:
    """The file of ``flow``."""
    workflow: JsonObject = {
        "key": key,
        "metadata": _metadata(flow),
        "dependencies": {},
        "draft": {
            "draftVersion": flow.draft_version,
            "definition": _definition(flow, key, flow.draft_version, flow.draft),
        },
        "publishedVersions": [
            {"version": number, "definition": _definition(flow, key, number, body), "payloadSchemaJson": None}
            for number, body in flow.published
        ],
    }
    workflow["dependencies"] = dependencies(workflow)
    return many(workflow)


def as_row(key: str, flow: Flow, identity: str) -> NewWorkflow:
    """The row of ``flow``, as somebody writes it who is not wfsync."""
    versions = tuple(
        NewVersion(number, compact_bytes(_definition(flow, identity, number, body)), None)
        for number, body in flow.published
    )
    draft = compact_bytes(_definition(flow, identity, flow.draft_version, flow.draft))
    return NewWorkflow(identity, key, _metadata(flow), flow.draft_version, draft, versions)


def body_in(definition: JsonObject) -> Body:
    """What a stored definition says."""
    steps = [step for _, _, step in steps_of(definition["steps"])]
    (state,) = [step["config"]["state"] for step in steps if step["type"] == "state.set"]
    calls = [step for step in steps if step["type"] == "control.callWorkflow"]
    if not calls:
        return Body(state)
    (one,) = calls
    return Body(state, one["workflowId"], one["workflowVersion"])
