"""What a simulation needs of a repository: called workflows, and a payload where none is given."""

from __future__ import annotations

from dataclasses import dataclass

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.in_process.world import Program
from wfsync.runtime.registry import Registry
from wfsync.runtime.simulation.made_up import from_schema
from wfsync.runtime.simulation.reading import paths_read, shaped
from wfsync.testing.workflows import NotRunnable, Prepared, Workflows

__all__ = ["Simulated", "payload_for"]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Called workflows of a repository."""

    workflows: Workflows

    def find(self, key: str, version: int) -> tuple[Program, JsonObject] | None:
        """The program and its definition; None where it is not there or cannot be run."""
        try:
            prepared = self.workflows.get(key, version)
        except NotRunnable:
            return None
        return prepared.program, prepared.definition


def payload_for(prepared: Prepared, registry: Registry) -> Json:
    """A payload that fits the workflow's schema; without one, one that has what the steps read."""
    known = registry.schemas.get(prepared.definition["payloadSchemaRef"])
    schema = prepared.payload_schema if prepared.payload_schema is not None else known and known.schema
    if isinstance(schema, dict) and schema:
        return from_schema(schema, "payload")
    return shaped(paths_read(prepared.definition), ("payload",)) or {}
