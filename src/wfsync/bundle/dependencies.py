"""What a workflow needs from its instance, derived from its definitions (spec: bundle.md "Derived values")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.steps import Steps, steps_of

__all__ = ["Dependencies", "declared", "derive"]

_CONTROL = "control."
_ACTION = "action.call"


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Sorted, unique needs: (action id, version) pairs, node types, schema references."""

    actions: tuple[tuple[str, int], ...] = ()
    node_types: tuple[str, ...] = ()
    schema_refs: tuple[str, ...] = ()

    def to_tree(self) -> JsonObject:
        """The ``dependencies`` object of a bundle."""
        return {
            "actions": [{"actionId": action, "version": version} for action, version in self.actions],
            "nodeTypes": list(self.node_types),
            "schemaRefs": list(self.schema_refs),
        }

    def union(self, other: Dependencies) -> Dependencies:
        """What either of the two needs."""
        return Dependencies(
            tuple(sorted({*self.actions, *other.actions})),
            tuple(sorted({*self.node_types, *other.node_types})),
            tuple(sorted({*self.schema_refs, *other.schema_refs})),
        )


def derive(
    metadata: Mapping[str, Json], definitions: Sequence[JsonObject], steps: Iterable[Steps] | None = None
) -> Dependencies:
    """Derive the needs of a workflow from its metadata and all its definitions.

    ``steps`` are those of each definition, for callers that have them already. Malformed parts are passed over: drafts
    may be unfinished. Lists are sorted by code point, actions by id, then version.
    """
    actions: set[tuple[str, int]] = set()
    node_types: set[str] = set()
    calls_action = False
    refs: set[Json] = {metadata.get("payloadSchemaRef"), metadata.get("pinnedPayloadSchemaRef")}
    refs.add(_source_ref(metadata.get("trigger")))
    for definition in definitions:
        ref = definition.get("payloadSchemaRef")
        if isinstance(ref, str):
            refs.add(ref)
        refs.add(_source_ref(definition.get("trigger")))
    for found in steps if steps is not None else map(steps_of, definitions):
        for step in found:
            kind = step.get("type")
            if kind == _ACTION:
                calls_action = True
                config = step.get("config")
                if type(config) is dict:
                    action, version = config.get("actionId"), config.get("version")
                    if type(action) is str and type(version) is int and version > 0:
                        actions.add((action, version))
            elif type(kind) is str:
                node_types.add(kind)
    refs.discard(None)
    refs.discard("")
    node_types.discard("")
    if calls_action:
        node_types.add(_ACTION)
    nodes = tuple(sorted(kind for kind in node_types if not kind.startswith(_CONTROL)))
    return Dependencies(tuple(sorted(actions)), nodes, tuple(sorted(refs)))


def declared(tree: Mapping[str, Json]) -> Dependencies:
    """Read a schema-valid ``dependencies`` object; ``control.*`` entries, common in foreign files, are left out."""
    return Dependencies(
        tuple(sorted((a["actionId"], a["version"]) for a in tree["actions"] if not a["actionId"].startswith(_CONTROL))),
        tuple(sorted(n for n in tree["nodeTypes"] if not n.startswith(_CONTROL))),
        tuple(sorted(tree["schemaRefs"])),
    )


def _source_ref(trigger: Json) -> str | None:
    """``sourcePayloadSchemaRef`` of an event trigger; other triggers carry none."""
    if isinstance(trigger, dict) and trigger.get("type") == "event":
        ref = trigger.get("sourcePayloadSchemaRef")
        if isinstance(ref, str):
            return ref
    return None
