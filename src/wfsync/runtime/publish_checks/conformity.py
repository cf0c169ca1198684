"""Does a value with expressions in it fit a JSON Schema? Only what is certain before they are evaluated is a fault.

An expression or a secret stands for any value of its place. So faults at such a place and below are none; and where the
verdict of a rule depends on a value that nobody knows yet (an alternative, a condition, an enumeration), it is left to
the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from wfsync.bundle.canonical import compact_bytes, parse_exact
from wfsync.bundle.json_schema import InvalidSchemaError, JsonSchema, LocatedFault, Schema, compile_schema
from wfsync.bundle.model import Json
from wfsync.bundle.source_map import Path
from wfsync.runtime.publish_checks.schemas import referred
from wfsync.runtime.publish_checks.values import is_wildcard

__all__ = ["certain_faults"]

_DEPENDENT: Final = frozenset(
    {
        "anyOf",
        "const",
        "contains",
        "dependencies",
        "dependentSchemas",
        "enum",
        "not",
        "oneOf",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
"""Keywords whose verdict may depend on any value inside."""
_OF_MANY: Final = frozenset({"allOf", "patternProperties", "prefixItems", "properties"})
"""Keywords that hold several schemas; the rule's path goes on with the name or index of one."""
_INWARD: Final = frozenset({"additionalProperties", "items", "patternProperties", "prefixItems", "properties"})
"""Keywords that lead from an object or a list to what is in it."""
_ASKS_ONLY_NAMED: Final = frozenset({"properties", "required", "type"})
"""Keywords of an ``if`` that asks for nothing but the values of its ``properties``."""


def certain_faults(schema: Schema, value: Json) -> Iterator[LocatedFault]:
    """The faults of ``value`` that no evaluation can mend. None for a schema that is none: that is not its fault."""
    compiled = _compiled(compact_bytes(schema))
    if compiled is None:
        return
    wildcards = tuple(_wildcards(value, ()))
    for located in compiled.located_faults(value):
        if not wildcards or _is_certain(schema, located, wildcards):
            yield located


def _is_certain(root: Schema, located: LocatedFault, wildcards: tuple[Path, ...]) -> bool:
    """Whether the fault stands whatever ``wildcards`` become: follows the rule through the schema, and the value."""
    path = located.fault.path
    if any(path[: len(wildcard)] == wildcard for wildcard in wildcards):
        return False
    schema: Json = root
    depth = 0
    rest = list(reversed(located.rule))
    while rest:
        word = rest.pop()
        here = [wildcard[depth:] for wildcard in wildcards if wildcard[:depth] == path[:depth]]
        if not isinstance(schema, dict) or word in _DEPENDENT:
            return not here
        if word in ("if", "then", "else") and _depends(schema.get("if"), here):
            return False
        schema = referred(root, schema.get(word)) if word == "$ref" else schema.get(word)
        if rest and (word in _OF_MANY or isinstance(schema, list)):
            schema = _part(schema, rest.pop())
        if word in _INWARD:
            depth += 1
    return True


def _depends(condition: Json, wildcards: list[Path]) -> bool:
    """Whether an ``if`` may be decided by one of ``wildcards``."""
    if not isinstance(condition, dict) or not condition.keys() <= _ASKS_ONLY_NAMED:
        return bool(wildcards)
    asked = condition.get("properties", {})
    return any(not wildcard or wildcard[0] in asked for wildcard in wildcards)


def _part(schemas: Json, name: str | int) -> Json:
    """The member or item of ``schemas``; None where there is none."""
    if isinstance(schemas, dict):
        return schemas.get(str(name))
    return schemas[name] if isinstance(schemas, list) and isinstance(name, int) and name < len(schemas) else None


def _wildcards(value: Json, path: Path) -> Iterator[Path]:
    if is_wildcard(value):
        yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _wildcards(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _wildcards(item, (*path, index))


@lru_cache(maxsize=512)
def _compiled(schema: bytes) -> JsonSchema | None:
    try:
        return compile_schema(parse_exact(schema), masked=True)
    except InvalidSchemaError:
        return None
