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
from wfsync.runtime.publish_checks.values import is_wildcard

__all__ = ["certain_faults"]

_CONDITIONAL: Final = frozenset(
    {"anyOf", "oneOf", "not", "if", "then", "else", "contains", "dependentSchemas", "dependencies"}
)
"""Keywords below which a rule holds only if others do."""
_OF_THE_WHOLE: Final = frozenset(
    {"const", "enum", "uniqueItems", "unevaluatedProperties", "unevaluatedItems", *_CONDITIONAL}
)
"""Keywords that look into the values of a list or an object."""


def certain_faults(schema: Schema, value: Json) -> Iterator[LocatedFault]:
    """The faults of ``value`` that no evaluation can mend. None for a schema that is none: that is not its fault."""
    compiled = _compiled(compact_bytes(schema))
    if compiled is None:
        return
    wildcards = tuple(_wildcards(value, ()))
    for located in compiled.located_faults(value):
        if not wildcards or _is_certain(located, wildcards):
            yield located


def _is_certain(located: LocatedFault, wildcards: tuple[Path, ...]) -> bool:
    path = located.fault.path
    if any(path[: len(wildcard)] == wildcard for wildcard in wildcards):
        return False
    if not _CONDITIONAL.isdisjoint(_keywords(located.rule)):
        return False
    holds_one = any(wildcard[: len(path)] == path for wildcard in wildcards)
    return not (holds_one and located.fault.keyword in _OF_THE_WHOLE)


def _keywords(rule: tuple[str | int, ...]) -> Iterator[str | int]:
    """The keywords of a path into a schema, without the names of properties."""
    parts = iter(rule)
    for part in parts:
        yield part
        if part in ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas"):
            next(parts, None)


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
