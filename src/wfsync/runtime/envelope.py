"""What a run carries from step to step (spec: runtime.md "Envelope"): plain JSON that is replaced, never changed."""

from __future__ import annotations

from collections.abc import Mapping

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.moments import moment_text
from wfsync.runtime.protocol import Started

__all__ = ["new_envelope", "scope_of"]


def new_envelope(started: Started) -> JsonObject:
    """The envelope that a run starts with."""
    return {
        "v": 1,
        "run": {
            "id": started.run_id,
            "workflowId": started.workflow_id,
            "workflowVersion": started.workflow_version,
            "startedAt": moment_text(started.at),
        },
        "payload": started.payload,
        "meta": dict(started.meta),
        "vars": {},
    }


def scope_of(envelope: JsonObject, local: Mapping[str, Json]) -> dict[str, Json]:
    """What expressions see: ``payload``, ``vars``, ``meta``, ``error`` where there is one, and a loop's variables."""
    scope = {"payload": envelope["payload"], "vars": envelope["vars"], "meta": envelope["meta"]}
    if "error" in envelope:
        scope["error"] = envelope["error"]
    if local:
        scope.update(local)
    return scope
