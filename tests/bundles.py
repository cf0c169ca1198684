"""Small valid bundles for tests of the command line: one workflow a file, in canonical bytes, ready to be spoilt."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

from wfsync.bundle.canonical import canonical_bytes

__all__ = ["MOMENT", "JsonObject", "bundle", "call", "canonical", "put", "spoilt", "version"]

JsonObject = dict[str, Any]

MOMENT: Final = "2026-01-02T03:04:05.678Z"

_METADATA: Final[JsonObject] = {
    "name": "A workflow",
    "description": None,
    "payloadSchemaRef": "payload.Ticket.v1",
    "payloadSchemaMode": "pinned",
    "pinnedPayloadSchemaRef": None,
    "trigger": None,
    "isSystem": False,
    "isVisible": True,
    "isPaused": False,
    "concurrencyLimit": None,
    "autoPauseOnFailure": False,
    "failureRateThreshold": None,
    "failureRateMinRuns": None,
    "retentionPolicyOverride": None,
}


def bundle(
    key: str, *, draft: list[JsonObject] | None = None, published: dict[int, list[JsonObject]] | None = None
) -> JsonObject:
    """A canonical bundle: the steps of the draft (by default one that sets a state) and of each published version."""
    steps = [{"id": "done", "type": "state.set", "config": {"state": "DONE"}}] if draft is None else draft
    versions = [version(key, number, steps) for number, steps in sorted((published or {}).items())]
    types: set[str] = {str(s["type"]) for block in (steps, *(published or {}).values()) for s in block}
    workflow = {
        "key": key,
        "metadata": copy.deepcopy(_METADATA),
        "dependencies": {
            "actions": [],
            "nodeTypes": sorted(t for t in types if not t.startswith("control.")),
            "schemaRefs": ["payload.Ticket.v1"],
        },
        "draft": {"draftVersion": 1, "definition": _definition(key, 1, steps)},
        "publishedVersions": versions,
    }
    return {"format": "alga-psa.workflow-bundle", "formatVersion": 1, "exportedAt": MOMENT, "workflows": [workflow]}


def version(key: str, number: int, steps: list[JsonObject]) -> JsonObject:
    """A published version."""
    return {"version": number, "definition": _definition(key, number, steps), "payloadSchemaJson": None}


def call(callee: str, number: int, step_id: str = "call") -> JsonObject:
    """A step that calls version ``number`` of ``callee``."""
    return {"id": step_id, "type": "control.callWorkflow", "workflowId": callee, "workflowVersion": number}


def spoilt(tree: JsonObject, path: str, value: Any) -> JsonObject:
    """A copy of a bundle with ``value`` at a ``/``-path inside its first workflow."""
    changed = copy.deepcopy(tree)
    node: Any = changed["workflows"][0]
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in way:
        node = node[step]
    node[last] = value
    return changed


def canonical(tree: JsonObject) -> bytes:
    """The canonical bytes of a tree."""
    return canonical_bytes(tree)


def put(folder: Path, tree: JsonObject, *, name: str | None = None, pretty: bool = True) -> Path:
    """Write a bundle under its key (or ``name``); not ``pretty``: on one line, keys as they come."""
    path = folder / (name or f"{tree['workflows'][0]['key']}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(tree) if pretty else json.dumps(tree).encode())
    return path


def _definition(key: str, number: int, steps: list[JsonObject]) -> JsonObject:
    named = {"id": key, "version": number, "name": "A workflow", "payloadSchemaRef": "payload.Ticket.v1"}
    return {**named, "steps": copy.deepcopy(steps)}
