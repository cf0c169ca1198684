"""Bundles that say only what a test about references and rows is about; plain values, in canonical order.

(`bundles` makes files to be spoilt; here versions, calls and foreign ids are what varies.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from corpus import canonical
from corpus_edits import JsonObject, dependencies
from rows import METADATA

__all__ = ["bundle", "call", "canonical", "many", "set_state"]

_REF: Final = "payload.Ticket.v1"


def set_state(state: str = "DONE", step_id: str = "mark") -> JsonObject:
    """A step that calls nobody."""
    return {"id": step_id, "type": "state.set", "config": {"state": state}}


def call(callee: str, version: int = 1, step_id: str = "call") -> JsonObject:
    """A step that calls ``callee``: a key, or an id."""
    return {"id": step_id, "type": "control.callWorkflow", "workflowId": callee, "workflowVersion": version}


def bundle(
    key: str,
    steps: Sequence[JsonObject] | None = None,
    versions: Mapping[int, Sequence[JsonObject]] | Sequence[int] = (1,),
    *,
    identity: str | None = None,
    **metadata: Any,
) -> JsonObject:
    """A bundle of one workflow: the draft's ``steps``, and those of each published version (else the same).

    ``identity`` is every ``definition.id``, by default the key, as canonical files have it. The name is the key.
    """
    draft = [set_state()] if steps is None else list(steps)
    published = versions if isinstance(versions, Mapping) else dict.fromkeys(versions, draft)

    def definition(version: int, body: Sequence[JsonObject]) -> JsonObject:
        named = {"id": identity or key, "version": version, "name": f"{key} {version}", "payloadSchemaRef": _REF}
        return {**named, "steps": list(body)}

    draft_version = max(published, default=0) + 1
    workflow: JsonObject = {
        "key": key,
        "metadata": METADATA | {"name": key} | metadata,
        "dependencies": {},
        "draft": {"draftVersion": draft_version, "definition": definition(draft_version, draft)},
        "publishedVersions": [
            {
                "version": number,
                "definition": definition(number, body),
                "payloadSchemaJson": {"type": "object"} if number % 2 else None,
            }
            for number, body in published.items()
        ],
    }
    workflow["dependencies"] = dependencies(workflow)
    return many(workflow)


def many(*members: JsonObject) -> JsonObject:
    """One bundle of all workflows of ``members``: workflow objects, or bundles of them."""
    return {
        "format": "alga-psa.workflow-bundle",
        "formatVersion": 1,
        "exportedAt": "2026-01-01T00:00:00.000Z",
        "workflows": [w for member in members for w in member.get("workflows", [member])],
    }
