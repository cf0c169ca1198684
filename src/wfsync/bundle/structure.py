"""Trees ⇄ `Workflow`: the one place that knows the shape of a bundle (spec: bundle.md "Fields").

`from_tree` takes schema- and rule-valid trees only; `to_tree` and `bundle_tree` write what a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wfsync.bundle.dependencies import Dependencies, derive
from wfsync.bundle.model import FORMAT, FORMAT_VERSION, Json, JsonObject, PublishedVersion, Workflow
from wfsync.bundle.numbers import parse_number
from wfsync.bundle.references import rewrite

__all__ = ["DEFAULT_SCHEMA_MODE", "bundle_tree", "from_tree", "relabel", "to_tree", "without_id"]

DEFAULT_SCHEMA_MODE = "pinned"


def from_tree(tree: JsonObject) -> Workflow:
    """A valid ``workflows[]`` entry as a `Workflow`: metadata normalised, ids removed, versions in ascending order."""
    metadata = dict(tree["metadata"])
    threshold = metadata["failureRateThreshold"]
    if isinstance(threshold, str):
        metadata["failureRateThreshold"] = parse_number(threshold)
    if metadata["payloadSchemaMode"] is None:
        metadata["payloadSchemaMode"] = DEFAULT_SCHEMA_MODE
    published = tree["publishedVersions"]
    if len(published) > 1:
        published = sorted(published, key=_number)
    return Workflow(
        tree["key"],
        metadata,
        tree["draft"]["draftVersion"],
        without_id(tree["draft"]["definition"]),
        tuple(PublishedVersion(p["version"], without_id(p["definition"]), p["payloadSchemaJson"]) for p in published),
    )


def without_id(definition: JsonObject) -> JsonObject:
    """``definition`` without its ``id``; the argument is not changed."""
    if "id" not in definition:
        return definition
    rest = definition.copy()
    del rest["id"]
    return rest


def to_tree(workflow: Workflow, definition_id: str | None, dependencies: Dependencies | None = None) -> JsonObject:
    """The ``workflows[]`` entry of ``workflow`` with derived dependencies.

    Every definition gets ``id`` = ``definition_id`` (a file writes the key); None leaves it out, as the digest wants.
    ``dependencies`` are those that `derive` gives, for callers that have them already.
    """
    if definition_id is None:
        draft = workflow.draft
        definitions = [v.definition for v in workflow.versions]
    else:
        draft = {**workflow.draft, "id": definition_id}
        definitions = [{**v.definition, "id": definition_id} for v in workflow.versions]
    if dependencies is None:
        dependencies = derive(workflow.metadata, workflow.definitions())
    return {
        "key": workflow.key,
        "metadata": workflow.metadata,
        "dependencies": dependencies.to_tree(),
        "draft": {"draftVersion": workflow.draft_version, "definition": draft},
        "publishedVersions": [
            {"version": v.version, "definition": definition, "payloadSchemaJson": v.payload_schema}
            for v, definition in zip(workflow.versions, definitions, strict=True)
        ],
    }


def bundle_tree(workflows: Sequence[Workflow], exported_at: str) -> JsonObject:
    """A whole bundle, as a file holds it: the tree whose canonical bytes `fmt` and `export` write."""
    return {
        "format": FORMAT,
        "formatVersion": FORMAT_VERSION,
        "exportedAt": exported_at,
        "workflows": [to_tree(workflow, workflow.key) for workflow in workflows],
    }


def relabel(workflow: Workflow, target: Callable[[str], str]) -> Workflow:
    """``workflow`` with every called workflow's name replaced by ``target(name)``; itself when nothing changes."""
    draft = rewrite(workflow.draft, target)
    versions = tuple(
        v
        if (new := rewrite(v.definition, target)) is v.definition
        else PublishedVersion(v.version, new, v.payload_schema)
        for v in workflow.versions
    )
    if draft is workflow.draft and all(a is b for a, b in zip(versions, workflow.versions, strict=True)):
        return workflow
    return Workflow(workflow.key, workflow.metadata, workflow.draft_version, draft, versions)


def _number(entry: Json) -> int:
    number: int = entry["version"]
    return number
