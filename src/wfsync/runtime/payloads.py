"""Is a payload what a workflow wants? (spec: runtime.md "Events and triggers")

The schema that was pinned with the published version decides; else the one that the registry has under the version's
``payloadSchemaRef``. Where neither says anything, every JSON value is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfsync.bundle.json_schema import InvalidSchemaError, Schema, compile_schema
from wfsync.bundle.model import Json
from wfsync.bundle.source_map import pointer
from wfsync.runtime.registry import Registry

if TYPE_CHECKING:
    from wfsync.store.runtime.catalogue import Program

__all__ = ["payload_faults", "schema_faults"]


def payload_faults(program: Program, payload: Json, registry: Registry) -> tuple[str, ...]:
    """Why ``payload`` does not fit ``program``, each with its place; empty when it does."""
    pinned = program.payload_schema
    if isinstance(pinned, dict | bool):
        return schema_faults(pinned, payload)
    ref = program.definition.get("payloadSchemaRef")
    entry = registry.schemas.get(ref) if isinstance(ref, str) else None
    return () if entry is None or entry.schema is None else schema_faults(entry.schema, payload)


def schema_faults(schema: Schema, value: Json) -> tuple[str, ...]:
    """Why ``value`` breaks ``schema``, for people."""
    try:
        faults = compile_schema(schema).faults(value)
    except InvalidSchemaError as error:
        return (f"the schema itself is wrong: {error}",)
    return tuple(f"{pointer(fault.path)}: {fault.message}" if fault.path else fault.message for fault in faults)
