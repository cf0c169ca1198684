"""Holds a value against a pattern, as tests write it (docs/testing.md "What is compared").

Objects by the members that the pattern lists, lists item by item and of equal length, everything else by equality:
1 equals 1.0, true never equals 1. An object of one member that begins with ``$`` says something else:

* ``{$any: true}`` – whatever it is, but there; ``{$absent: true}`` – not there;
* ``{$matches: REGEX}`` – text in which the expression is found;
* ``{$exactly: VALUE}`` – this value, no member more, and none of it read as a pattern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from wfsync.bundle.json_schema import InvalidSchemaError, JsonSchema, compile_schema
from wfsync.bundle.model import Json
from wfsync.bundle.source_map import Path

__all__ = ["MISSING", "Mismatch", "equal", "invalid_patterns", "mismatches"]


class _Missing:
    """The value of what is not there."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()

_OPERATORS: Final = ("$any", "$absent", "$matches", "$exactly")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place where value and pattern differ. ``note`` says what the two values alone would not."""

    path: Path
    expected: Json
    actual: Json
    note: str = ""


def mismatches(pattern: Json, value: Json, path: Path = ()) -> Iterator[Mismatch]:
    """Every difference between ``value`` (`MISSING`: there is none) and ``pattern``; paths begin with ``path``."""
    operator = _operator(pattern)
    if operator is not None:
        yield from _operated(operator, pattern[operator], value, path)
    elif isinstance(pattern, dict) and isinstance(value, Mapping):
        for name, expected in pattern.items():
            yield from mismatches(expected, value.get(name, MISSING), (*path, name))
    elif isinstance(pattern, list) and isinstance(value, (list, tuple)):
        for index, (expected, actual) in enumerate(zip(pattern, value, strict=False)):
            yield from mismatches(expected, actual, (*path, index))
        if len(pattern) != len(value):
            yield from _uneven(pattern, list(value), path)
    elif isinstance(pattern, (dict, list)) or not equal(pattern, value):
        yield Mismatch(path, pattern, value)


def invalid_patterns(pattern: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """What is wrong with operators in ``pattern``, each with its place."""
    operator = _operator(pattern)
    if operator is not None:
        operand = pattern[operator]
        if operator == "$matches" and (not isinstance(operand, str) or _regex(operand) is None):
            yield (*path, operator), "is no regular expression (look-around and back-references are not known)"
        if operator in {"$any", "$absent"} and operand is not True:
            yield (*path, operator), "takes true and nothing else"
    elif isinstance(pattern, dict):
        for name, member in pattern.items():
            if name.startswith("$") and name not in {"$expr", "$secret"}:
                known = ", ".join(_OPERATORS)
                yield (*path, name), f"is no operator, or not alone (known: {known}); $exactly compares it as it is"
            else:
                yield from invalid_patterns(member, (*path, name))
    elif isinstance(pattern, list):
        for index, item in enumerate(pattern):
            yield from invalid_patterns(item, (*path, index))


def equal(left: Json, right: Json) -> bool:
    """JSON's equality: 1 and 1.0 are one number, true and 1 are not one value."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def _operator(pattern: Json) -> str | None:
    if isinstance(pattern, dict) and len(pattern) == 1:
        (name,) = pattern
        return name if name in _OPERATORS else None
    return None


def _operated(operator: str, operand: Json, value: Json, path: Path) -> Iterator[Mismatch]:
    pattern = {operator: operand}
    match operator:
        case "$any" if value is MISSING:
            yield Mismatch(path, pattern, value)
        case "$absent" if value is not MISSING:
            yield Mismatch(path, pattern, value)
        case "$exactly" if not equal(operand, value):
            yield Mismatch(path, pattern, value)
        case "$matches":
            regex = _regex(operand)
            if not isinstance(value, str) or regex is None or regex.faults(value):
                yield Mismatch(path, pattern, value)
        case _:
            pass


def _uneven(pattern: list[Json], value: list[Json], path: Path) -> Iterator[Mismatch]:
    both = min(len(pattern), len(value))
    note = f"{len(pattern)} expected, {len(value)} there"
    if len(value) > both:
        yield Mismatch((*path, both), MISSING, value[both], note)
    else:
        yield Mismatch((*path, both), pattern[both], MISSING, note)


@lru_cache(256)
def _regex(text: str) -> JsonSchema | None:
    """An engine that cannot backtrack: a test file comes from a pull request like any other."""
    try:
        return compile_schema({"pattern": text})
    except InvalidSchemaError:
        return None
