"""Values made up from JSON Schemas: the same schema, the same value, on every machine.

In this order: ``const``, ``default``, the first of ``examples`` and of ``enum``; else the simplest value of the type
that keeps to bounds and formats. A pattern is not solved: the value may break it. Every property of an object is filled
in, because branches may look at any of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject

__all__ = ["from_name", "from_schema"]

_DEEPEST: Final = 8
"""A schema may refer to itself: below this only what is required is made."""

_FORMATS: Final = {
    "date-time": "2026-01-25T12:00:00.000Z",
    "date": "2026-01-25",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uri-reference": "/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

# What a name without a schema probably holds, by how it ends.
_NAMES: Final[tuple[tuple[tuple[str, ...], Json], ...]] = (
    (("email", "mail"), "someone@example.com"),
    (("url", "uri", "link"), "https://example.com/"),
    (("date", "on", "day"), "2026-01-25"),
    (("at", "time", "until"), "2026-01-25T12:00:00.000Z"),
    (
        ("amount", "total", "count", "quantity", "price", "score", "level", "size", "percent", "number", "due", "days"),
        1,
    ),
    (("ids", "items", "list", "entries", "rows", "lines"), []),
)


def from_name(name: str) -> Json:
    """A value for something that only has a name; a guess by how names end, else text."""
    words = _words(name)
    last = words[-1] if words else ""
    for ends, value in _NAMES:
        if last in ends and (len(words) > 1 or last not in {"on", "at"}):
            return [f"made-up {name}"] if value == [] else value
    if len(words) > 1 and words[0] in {"is", "has", "can"}:
        return True
    return f"made-up {name}"


def _words(name: str) -> list[str]:
    words, word = [], ""
    for char in name:
        if char.isupper() and word and not word[-1].isupper():
            words.append(word)
            word = ""
        if char in "_- ":
            words.append(word)
            word = ""
        else:
            word += char
    return [one.lower() for one in [*words, word] if one]


def from_schema(schema: Schema, name: str = "value") -> Json:
    """A value for ``schema``, which should fit it."""
    return _made(schema, schema, name, 0)


def _made(schema: Any, root: Schema, name: str, depth: int) -> Json:
    if not isinstance(schema, dict):
        return from_name(name)
    schema = _resolved(schema, root)
    given = _given(schema)
    if given:
        return given[0]
    match _type(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _list(schema, root, name, depth)
        case "string":
            return _text(schema, name)
        case "integer":
            return _number(schema, whole=True)
        case "number":
            return _number(schema, whole=False)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return from_name(name)


def _given(schema: JsonObject) -> list[Json]:
    """The value that the schema itself gives, if it does."""
    for name in ("const", "default"):
        if name in schema:
            return [schema[name]]
    for name in ("examples", "enum"):
        choices = schema.get(name)
        if isinstance(choices, list) and choices:
            return choices[:1]
    return []


def _resolved(schema: JsonObject, root: Schema) -> JsonObject:
    """``schema`` with its references followed and its alternatives decided: the first of each."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            target = _at(root, reference[1:].split("/")[1:])
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**target, **rest} if isinstance(target, dict) else rest
            continue
        parts: list[Any] = []
        if isinstance(schema.get("allOf"), list):
            parts += schema["allOf"]
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                parts += [one for one in schema[key] if one != {"type": "null"}][:1]
        if not parts:
            return schema
        rest = {key: value for key, value in schema.items() if key not in {"allOf", "anyOf", "oneOf"}}
        schema = _merged([rest, *(part for part in parts if isinstance(part, dict))])
    return schema


def _merged(parts: Iterable[JsonObject]) -> JsonObject:
    merged: JsonObject = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties" and isinstance(value, dict):
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required" and isinstance(value, list):
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _at(tree: Any, path: list[str]) -> Any:
    for part in path:
        name = part.replace("~1", "/").replace("~0", "~")
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _type(schema: JsonObject) -> str | None:
    types = schema.get("type")
    if isinstance(types, list):
        types = next((one for one in types if one != "null"), "null")
    if isinstance(types, str):
        return types
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else None


def _object(schema: JsonObject, root: Schema, depth: int) -> JsonObject:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = [name for name in schema.get("required", ()) if isinstance(name, str)]
    names = list(dict.fromkeys([*(properties if depth < _DEEPEST else ()), *required]))
    if depth > 2 * _DEEPEST:  # it requires itself: no finite value fits
        return {}
    return {name: _made(properties.get(name, True), root, name, depth + 1) for name in names}


def _list(schema: JsonObject, root: Schema, name: str, depth: int) -> list[Json]:
    items = schema.get("items", True)
    if isinstance(items, list):
        return [_made(one, root, name, depth + 1) for one in items]
    least = schema.get("minItems", 0)
    number = max(1, least if isinstance(least, int) else 0) if depth < _DEEPEST else 0
    most = schema.get("maxItems", number)
    number = min(number, most if isinstance(most, int) else number, 100)
    return [_made(items, root, name, depth + 1) for _ in range(number)]


def _text(schema: JsonObject, name: str) -> str:
    known = _FORMATS.get(schema.get("format", ""))
    if known is not None:
        return known
    guess = from_name(name)
    text = guess if isinstance(guess, str) else f"made-up {name}"
    least, most = schema.get("minLength", 0), schema.get("maxLength", 100_000)
    if isinstance(least, int) and len(text) < least <= 100_000:
        text = text.ljust(least, "x")
    return text[:most] if isinstance(most, int) else text


def _number(schema: JsonObject, *, whole: bool) -> Json:
    step = _bound(schema, "multipleOf")
    least, most = _bound(schema, "minimum"), _bound(schema, "maximum")
    above, below = _bound(schema, "exclusiveMinimum"), _bound(schema, "exclusiveMaximum")
    away = step or (1 if whole else 0.001)
    lower = [bound for bound in (least, None if above is None else above + away) if bound is not None]
    upper = [bound for bound in (most, None if below is None else below - away) if bound is not None]
    value = min([max([1, *lower]), *upper])
    if step:
        value = -(-value // step) * step
    return int(value) if whole else value


def _bound(schema: JsonObject, name: str) -> float | None:
    value = schema.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
