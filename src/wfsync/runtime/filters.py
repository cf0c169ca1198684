"""Filters of a wait for events: may this payload resume it? (spec: runtime.md "Node types").

A filter is ``{path, op, value}``; all must hold. ``path`` goes by dots into the payload (``items.0.sku``; ``payload.``
in front may be written) or is a JSON pointer. What is not there satisfies ``!=``, ``not_in`` and ``not_exists`` only; a
null is there. Text and numbers are ordered among themselves; ``contains`` asks text for a part, a list for an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from wfsync.bundle.model import Json

__all__ = ["OPERATORS", "filter_faults", "matches", "names_of"]

_ABSENT: Final[Any] = object()


def _equal(left: Json, right: Json) -> bool:
    """JSON's equality: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    return bool(left == right)


def _ordered(left: Json, right: Json) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers or (isinstance(left, str) and isinstance(right, str))


def _in(value: Json, among: Json) -> bool:
    return isinstance(among, list) and any(_equal(value, one) for one in among)


def _contains(value: Json, part: Json) -> bool:
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    return _in(part, value)


_POSITIVE: Final[dict[str, Callable[[Json, Json], bool]]] = {
    "=": _equal,
    "in": _in,
    ">": lambda a, b: _ordered(a, b) and a > b,
    ">=": lambda a, b: _ordered(a, b) and a >= b,
    "<": lambda a, b: _ordered(a, b) and a < b,
    "<=": lambda a, b: _ordered(a, b) and a <= b,
    "contains": _contains,
    "starts_with": lambda a, b: isinstance(a, str) and isinstance(b, str) and a.startswith(b),
    "ends_with": lambda a, b: isinstance(a, str) and isinstance(b, str) and a.endswith(b),
}

OPERATORS: Final = (
    "=",
    "!=",
    "in",
    "not_in",
    "exists",
    "not_exists",
    ">",
    ">=",
    "<",
    "<=",
    "contains",
    "starts_with",
    "ends_with",
)


def matches(payload: Json, filters: Iterable[Mapping[str, Json]]) -> bool:
    """True when ``payload`` passes every one of ``filters``; a filter that is malformed matches nothing."""
    return all(_matches(payload, one) for one in filters)


def _matches(payload: Json, one: Mapping[str, Json]) -> bool:
    path, op, wanted = one.get("path"), one.get("op"), one.get("value")
    if not isinstance(path, str):
        return False
    value = _at(payload, path)
    match op:
        case "exists":
            return value is not _ABSENT
        case "not_exists":
            return value is _ABSENT
        case "!=":
            return value is _ABSENT or not _equal(value, wanted)
        case "not_in":
            return isinstance(wanted, list) and (value is _ABSENT or not _in(value, wanted))
        case str() if op in _POSITIVE:
            return value is not _ABSENT and _POSITIVE[op](value, wanted)
        case _:
            return False


def names_of(path: str) -> list[str]:
    """The names and indexes that a filter's path goes through."""
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.replace("[", ".").replace("]", "").split(".")


def _at(payload: Json, path: str) -> Json:
    parts = names_of(path)
    if not path.startswith("/") and parts[0] == "payload" and not (isinstance(payload, dict) and "payload" in payload):
        parts = parts[1:]
    value = payload
    for part in parts:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif (
            isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10 and int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            return _ABSENT
    return value


def filter_faults(filters: Json) -> list[str]:
    """What is wrong with the shape of ``filters``, for people; empty when nothing is."""
    if not isinstance(filters, list):
        return ["must be a list"]
    faults = []
    for index, one in enumerate(filters):
        if not isinstance(one, dict):
            faults.append(f"[{index}] must be an object of path, op and value")
        elif not isinstance(one.get("path"), str) or not one["path"]:
            faults.append(f"[{index}].path must be text")
        elif one.get("op") not in OPERATORS:
            faults.append(f"[{index}].op must be one of {' '.join(OPERATORS)}")
        elif one["op"] in {"in", "not_in"} and not isinstance(one.get("value"), list):
            faults.append(f"[{index}].value must be a list for {one['op']}")
    return faults
