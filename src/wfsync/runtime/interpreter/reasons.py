"""Why a branch was taken: the values that its condition looked at, for a step's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.expressions import Expression

__all__ = ["operands"]

_MOST: Final = 10
"""How many values are kept."""

_LONGEST: Final = 100
"""Characters of a text that are kept."""


def operands(expression: Expression, scope: Mapping[str, Json]) -> JsonObject:
    """What stood at the paths that ``expression`` reads: text, numbers, booleans and null, by their paths.

    What is missing, a list or an object is left out: a record is no copy of the envelope.
    """
    found: JsonObject = {}
    for path in sorted(expression.paths):
        value: Json = scope
        for name in path:
            value = value.get(name, _Missing) if isinstance(value, Mapping) else _Missing
        if value is None or isinstance(value, bool | int | float):
            found[".".join(path)] = value
        elif isinstance(value, str):
            found[".".join(path)] = value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
        if len(found) == _MOST:
            break
    return found


class _Missing:
    """Nothing is there."""
