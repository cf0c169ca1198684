"""Is what a plugin gives a plugin? Its types are promises that nobody kept a compiler's eye on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from wfsync.bundle.json_schema import schema_faults
from wfsync.bundle.source_map import pointer
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Plugin, RetryHint

__all__ = ["plugin_faults"]

_CONTROL: Final = "control."


def plugin_faults(plugin: Plugin) -> Iterator[str]:
    """What is wrong with ``plugin``, a sentence for each fault; nothing when it can be used."""
    yield from _text(plugin.name, "name")
    yield from _entries(plugin.actions, "actions", Action, _action)
    yield from _entries(plugin.node_types, "node_types", NodeType, _node_type)
    yield from _entries(plugin.schemas, "schemas", PayloadSchema, _payload_schema)


def _entries(given: Any, name: str, kind: type, faults: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    """Faults of a list of entries of ``kind``, each as its own function finds them."""
    if not isinstance(given, tuple | list):
        yield f"{name} is {_kind(given)}, not a tuple"
        return
    met: set[object] = set()
    for index, entry in enumerate(given):
        if not isinstance(entry, kind):
            yield f"{name}[{index}] is {_kind(entry)}, not {kind.__name__}"
            continue
        found = [f"{name}[{index}]: {fault}" for fault in faults(entry)]
        yield from found
        if not found:
            identity = _identity(entry)
            if identity in met:
                yield f"{name}[{index}]: {identity} stands in this plugin already"
            met.add(identity)


def _identity(entry: Any) -> str:
    if isinstance(entry, Action):
        return f"{entry.id} version {entry.version}"
    return str(entry.id if isinstance(entry, NodeType) else entry.ref)


def _action(action: Any) -> Iterator[str]:
    yield from _text(action.id, "id")
    if type(action.version) is not int or action.version < 1:
        yield f"version is {action.version!r:.40}, not an integer of at least 1"
    yield from _schema(action.input_schema, "input_schema")
    yield from _schema(action.output_schema, "output_schema")
    for name in ("run", "idempotency"):
        value = getattr(action, name)
        if value is not None and not callable(value):
            yield f"{name} is {_kind(value)}, which cannot be called"
    if action.retry_hint is not None and not isinstance(action.retry_hint, RetryHint):
        yield f"retry_hint is {_kind(action.retry_hint)}, not RetryHint"
    if action.ambiguous not in ("retry", "fail"):
        yield "ambiguous is neither retry nor fail"


def _node_type(node: Any) -> Iterator[str]:
    yield from _text(node.id, "id")
    if isinstance(node.id, str) and node.id.startswith(_CONTROL):
        yield f"{node.id} belongs to the language; no plugin may offer {_CONTROL}*"
    yield from _schema(node.config_schema, "config_schema")


def _payload_schema(entry: Any) -> Iterator[str]:
    yield from _text(entry.ref, "ref")
    yield from _schema(entry.schema, "schema")


def _text(value: Any, name: str) -> Iterator[str]:
    if not isinstance(value, str) or not value:
        yield f"{name} is {_kind(value) if value != '' else 'empty'}, not text"


def _schema(schema: Any, name: str) -> Iterator[str]:
    if schema is None:
        return
    if not isinstance(schema, dict | bool):
        yield f"{name} is {_kind(schema)}, not a JSON Schema"
        return
    faults = schema_faults(schema)
    for fault in faults:
        yield f"{name}{pointer(fault.path)}: {fault.message}"
    if not faults and not _is_json(schema):
        yield f"{name} holds what JSON has not"


def _is_json(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
