"""The names of what an instance offers, for the check of dependencies (spec: runtime.md "Registry").

The file is taken literally: an instance offers what is listed and nothing else, built-in node types included, so that
the file written by an instance and one written by hand mean the same. Types starting with ``control.`` are part of the
language, not of an instance; nobody asks for them (`wfsync.bundle.dependencies`). Schemas and stubs of the entries are
read by `wfsync.bundle.declared`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.model import JsonObject
from wfsync.bundle.registry_file import node_type_id, read_registry

__all__ = ["Missing", "Registry", "names_of", "parse_registry"]


@dataclass(frozen=True, slots=True)
class Missing:
    """What a workflow needs and an instance lacks, each sorted; false when that is nothing."""

    actions: tuple[tuple[str, int], ...] = ()
    node_types: tuple[str, ...] = ()
    schema_refs: tuple[str, ...] = ()
    offered: tuple[tuple[str, tuple[int, ...]], ...] = field(default=(), compare=False)
    """Of actions that are lacking in one version: the versions that are offered."""

    def __bool__(self) -> bool:
        return bool(self.actions or self.node_types or self.schema_refs)

    def union(self, other: Missing) -> Missing:
        """What either of the two lacks: the merged lists of ``MISSING_DEPENDENCIES``."""
        return Missing(
            tuple(sorted({*self.actions, *other.actions})),
            tuple(sorted({*self.node_types, *other.node_types})),
            tuple(sorted({*self.schema_refs, *other.schema_refs})),
        )

    def to_tree(self) -> JsonObject:
        """The details of ``MISSING_DEPENDENCIES``, as bundle.md names them."""
        return {
            "missingActions": [{"actionId": action, "version": version} for action, version in self.actions],
            "missingNodeTypes": list(self.node_types),
            "missingSchemaRefs": list(self.schema_refs),
        }


@dataclass(frozen=True, slots=True)
class Registry:
    """Actions (id, version), node types and schema references that an instance offers."""

    actions: frozenset[tuple[str, int]] = frozenset()
    node_types: frozenset[str] = frozenset()
    schema_refs: frozenset[str] = frozenset()

    def missing(self, needs: Dependencies) -> Missing:
        """Which of ``needs`` are not offered; ``control.*`` is never asked for (bundle.md, "Derived values")."""
        actions = tuple(sorted(set(needs.actions) - self.actions))
        others = {action: self.versions(action) for action, _ in actions}
        return Missing(
            actions,
            tuple(sorted(kind for kind in set(needs.node_types) - self.node_types if not kind.startswith("control."))),
            tuple(sorted(set(needs.schema_refs) - self.schema_refs)),
            tuple((action, versions) for action, versions in others.items() if versions),
        )

    def versions(self, action: str) -> tuple[int, ...]:
        """The versions of ``action`` that are offered, ascending: what to name when another one was asked for."""
        return tuple(sorted(version for name, version in self.actions if name == action))


def parse_registry(data: bytes, file: str) -> Registry:
    """The names in a registry, JSON when ``file`` ends in ``.json``, else YAML; ``file`` also names it in problems.

    Raises `InputError` (``INVALID_REGISTRY``) with every fault, as `wfsync.bundle.registry_file.read_registry`.
    """
    return names_of(read_registry(data, file))


def names_of(tree: JsonObject) -> Registry:
    """The names in a sound tree."""
    return Registry(
        actions=frozenset((action["id"], action["version"]) for action in tree.get("actions", ())),
        node_types=frozenset(map(node_type_id, tree.get("nodeTypes", ()))),
        schema_refs=frozenset(entry["ref"] for entry in tree.get("schemas", ())),
    )
