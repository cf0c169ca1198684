"""How the built-in actions are written down: schemas of both ends, bounds of what comes out.

Every object of a schema is closed (``additionalProperties: false``), so that a mapping with a slip in a name fails at
publish instead of being ignored by night.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.registry import Action, ActionContext, ActionFailed

__all__ = [
    "FORBIDDEN_NAMES",
    "MAX_OUTPUT_BYTES",
    "anything",
    "array",
    "bounded",
    "flag",
    "integer",
    "invalid",
    "is_storable",
    "obj",
    "pure",
    "text",
]

MAX_OUTPUT_BYTES: Final = 256 * 1024
"""The most JSON that an action of ours gives back, as for expressions (runtime.md "Expressions")."""

FORBIDDEN_NAMES: Final = frozenset({"__proto__", "prototype", "constructor"})
"""Refused as names of fields, as in assignment paths (runtime.md "Node types")."""


def text(description: str, **rules: Json) -> JsonObject:
    """The schema of a text."""
    return {"type": "string", "description": description, **rules}


def integer(description: str, **rules: Json) -> JsonObject:
    """The schema of a whole number."""
    return {"type": "integer", "description": description, **rules}


def flag(description: str, *, default: bool) -> JsonObject:
    """The schema of a boolean that may be left out."""
    return {"type": "boolean", "description": description, "default": default}


def array(description: str, items: JsonObject | None = None, **rules: Json) -> JsonObject:
    """The schema of a list."""
    return {"type": "array", "description": description, "items": {} if items is None else items, **rules}


def anything(description: str) -> JsonObject:
    """The schema of any JSON value."""
    return {"description": description}


def obj(required: JsonObject, optional: JsonObject | None = None, **rules: Json) -> JsonObject:
    """The schema of a closed object with these fields."""
    properties = {**required, **(optional or {})}
    schema: JsonObject = {"type": "object", "additionalProperties": False, "properties": properties, **rules}
    if required:
        schema["required"] = list(required)
    return schema


def pure(
    action: str, label: str, description: str, *, takes: JsonObject, gives: JsonObject, does: Callable[[Any], Json]
) -> Action:
    """Version 1 of an action without side effects, whose outcome is a function of its input only."""

    def run(given: Json, _context: ActionContext) -> Json:
        return bounded(does(given))

    return Action(
        id=action,
        version=1,
        input_schema=takes,
        output_schema=gives,
        label=label,
        description=description,
        side_effects=False,
        run=run,
    )


def invalid(message: str, *, code: str, details: Json = None) -> ActionFailed:
    """The failure of a call whose input fits its schema and still makes no sense. Trying again is of no use."""
    return ActionFailed(message, category="ValidationError", code=code, details=details)


def bounded(output: Json) -> Json:
    """``output`` if it can be stored: at most `MAX_OUTPUT_BYTES` of JSON, and text that PostgreSQL takes.

    Raises `ActionFailed`: ``OUTPUT_TOO_LARGE``, ``UNSTORABLE_TEXT`` (U+0000, half a surrogate pair).
    """
    from json import dumps

    try:
        data = dumps(output, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise _unstorable("half a surrogate pair") from None
    except (RecursionError, ValueError):
        raise invalid("the output is no JSON, or nested too deeply", code="OUTPUT_TOO_DEEP") from None
    if len(data) > MAX_OUTPUT_BYTES:
        raise ActionFailed(
            f"the output has {len(data)} bytes of JSON; {MAX_OUTPUT_BYTES} are allowed",
            code="OUTPUT_TOO_LARGE",
            details={"bytes": len(data), "limit": MAX_OUTPUT_BYTES},
        )
    # A backslash that is itself escaped may stand before "u0000": only then is the exact look worth its time.
    if b"\\u0000" in data and _has_null(output):
        raise _unstorable("U+0000")
    return output


def is_storable(value: Json) -> bool:
    """Whether every text in ``value`` is one that PostgreSQL takes."""
    from json import dumps

    try:
        dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return not _has_null(value)


def _unstorable(what: str) -> ActionFailed:
    return invalid(f"the output has text with {what}, which no database column can hold", code="UNSTORABLE_TEXT")


def _has_null(output: Json) -> bool:
    waiting = [output]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                return True
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False
