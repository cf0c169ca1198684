"""What an instance has, as the tree of a ``registry.yaml`` (spec: runtime.md, ``registry export``). Pure.

The tree says what entries are, never what they do: no code and no stubs. It satisfies ``registry.v1.schema.json``, and
two registries with the same entries give the same tree, in whatever order they were put together.
"""

from __future__ import annotations

from typing import Final

import orjson

from wfsync.bundle.canonical import parse_exact
from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.input_keys import InputKey
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Registry

__all__ = ["action_tree", "node_type_tree", "registry_tree", "schema_tree"]

VERSION: Final = 1


def registry_tree(registry: Registry) -> JsonObject:
    """The tree of ``registry``: every list sorted, members that say nothing left out.

    Raises `TypeError` when a schema of a plugin holds what JSON has not (`wfsync.runtime.plugin_checks` looks before).
    """
    return {
        "version": VERSION,
        "actions": [action_tree(action) for _, action in sorted(registry.actions.items())],
        "nodeTypes": [node_type_tree(node) for _, node in sorted(registry.node_types.items())],
        "schemas": [schema_tree(entry) for _, entry in sorted(registry.schemas.items())],
    }


def action_tree(action: Action) -> JsonObject:
    """One entry of ``actions``."""
    hint = action.retry_hint
    tree: JsonObject = {
        "id": action.id,
        "version": action.version,
        "label": action.label,
        "description": action.description,
        "input": action.input_schema,
        "output": action.output_schema,
        "sideEffects": None if action.side_effects else False,
        "idempotency": _idempotency(action),
        "retry": None if hint is None else {"maxAttempts": hint.max_attempts, "backoffMs": hint.backoff_ms},
        "ambiguous": "fail" if action.ambiguous == "fail" else None,
        "transactional": True if action.transactional else None,
    }
    return _said(tree)


def node_type_tree(node: NodeType) -> JsonObject:
    """One entry of ``nodeTypes``, always as an object."""
    return _said({"id": node.id, "label": node.label, "description": node.description, "config": node.config_schema})


def schema_tree(entry: PayloadSchema) -> JsonObject:
    """One entry of ``schemas``."""
    return _said({"ref": entry.ref, "schema": entry.schema})


def _idempotency(action: Action) -> Json:
    if action.idempotency is None:
        return None
    return list(action.idempotency.pointers) if isinstance(action.idempotency, InputKey) else "own"


def _said(tree: JsonObject) -> JsonObject:
    """Members that are not None, with numbers as the readers give them: a plugin's ``1.0`` is the integer 1."""
    said: JsonObject = parse_exact(orjson.dumps({name: value for name, value in tree.items() if value is not None}))
    return said
