"""Checks trees against the JSON Schemas in ``schemas/``: compiled for the verdict, explained only when it is "no".

jsonschema-rs answers in microseconds but its errors cannot be placed as well; jsonschema explains. Where the two
disagree, jsonschema decides, so that there is one verdict and it always comes with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.schema_files import schema_bytes

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["SchemaFault", "SchemaName", "explain", "explain_schema", "is_valid"]

SchemaName = Literal[
    "workflow-bundle.v1",
    "workflow-definition.v1",
    "wfsync-config.v1",
    "registry.v1",
    "overlay.v1",
    "plan-file.v1",
    "workflow-test.v1",
]

MAX_FAULTS: Final = 1000
"""How many faults of one tree are explained."""

_SHOWN: Final = 60
_DATE_TIME = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """One way in which a tree breaks its schema."""

    path: tuple[str | int, ...]
    """Of the value at fault; for an unknown or missing property, of the object."""
    keyword: str
    """The schema keyword that failed: ``required``, ``additionalProperties``, ``type`` …"""
    message: str
    member: str | None = None
    """The name of the unknown property, whose own position is the better place to show."""


def is_valid(name: SchemaName, tree: Json) -> bool:
    """True when ``tree`` satisfies the schema ``name``; the fast verdict."""
    try:
        if _compiled(name).is_valid(tree):
            return True
    except (TypeError, ValueError):  # a number that the compiled validator cannot take
        pass
    return next(explain(name, tree), None) is None


def explain(name: SchemaName, tree: Json) -> Iterator[SchemaFault]:
    """Yield the faults of ``tree`` under the schema ``name``, outermost first; nothing when it is valid.

    At most `MAX_FAULTS`: a hostile file of 16 MiB can have millions, each a hundred times as large as its cause.
    """
    errors = islice(_explaining(name).iter_errors(tree), MAX_FAULTS)
    ordered = sorted(errors, key=lambda e: [str(p) for p in e.absolute_path])
    yield from islice(chain.from_iterable(map(_faults, ordered)), MAX_FAULTS)


def explain_schema(tree: Json) -> Iterator[SchemaFault]:
    """Yield why ``tree`` is no JSON Schema of the draft that it names (draft 7 where it names none), as `explain`.

    References and patterns are not looked at: `wfsync.bundle.json_schema.schema_faults` does.
    """
    from jsonschema import Draft7Validator
    from jsonschema.validators import validator_for

    names_one = not isinstance(tree, dict) or isinstance(tree.get("$schema", ""), str)
    kind: Any = validator_for(tree, default=Draft7Validator) if names_one else Draft7Validator
    errors = islice(kind(kind.META_SCHEMA).iter_errors(tree), MAX_FAULTS)
    ordered = sorted(errors, key=lambda e: [str(p) for p in e.absolute_path])
    yield from islice(chain.from_iterable(map(_faults, ordered)), MAX_FAULTS)


def is_date_time(text: object) -> bool:
    """RFC 3339 section 5.6 date-time, with the days that its month has; anything but text passes."""
    if not isinstance(text, str):
        return True
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _MONTH_DAYS[month - 1] and not (month == 2 and day == 29 and not leap)


def _faults(error: Any) -> Iterator[SchemaFault]:
    path = tuple(error.absolute_path)
    keyword = str(error.validator)
    if keyword == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(error.schema.get("properties", ()))
        for member in sorted(set(error.instance) - set(known)):
            yield SchemaFault(path, keyword, f"unknown property {_show(member)}{_nearest(member, known)}", member)
    elif keyword == "required":
        missing = next((n for n in error.validator_value if error.message.startswith(repr(n))), None)
        yield SchemaFault(path, keyword, f"{_show(missing)} is missing" if missing else error.message)
    elif keyword == "anyOf" and error.context:
        # Of "null or an object like this" an object breaks the second, whatever is wrong with it
        best = max(error.context, key=lambda e: (len(e.absolute_path), e.validator != "type"))
        yield from _faults(best)
    else:
        yield SchemaFault(path, keyword, _words(keyword, error))


def _words(keyword: str, error: Any) -> str:
    value, wanted = error.instance, error.validator_value
    match keyword:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else list(wanted)
            return f"must be {' or '.join(_KINDS[k] for k in kinds)}, not {_KINDS[_kind(value)]}"
        case "enum":
            return f"must be one of {', '.join(_show(v) for v in wanted)}, not {_show(value)}"
        case "const":
            return f"must be {_show(wanted)}, not {_show(value)}"
        case "pattern":
            return f"{_show(value)} does not match {wanted}"
        case "minLength" | "minItems" | "minProperties":
            return "must not be empty" if wanted == 1 else f"is too short: at least {wanted}"
        case "maxLength":
            return f"is longer than {wanted} characters"
        case "minimum" | "maximum":
            return f"must be at {'least' if keyword == 'minimum' else 'most'} {wanted}, not {_show(value)}"
        case "uniqueItems":
            return "lists something twice"
        case "format":
            return f"{_show(value)} is not an RFC 3339 {wanted} such as 2026-01-25T00:00:00.000Z"
        case _:
            return str(error.message)[: 4 * _SHOWN]


_KINDS: Final = {
    "string": "text",
    "object": "an object",
    "array": "a list",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _show(value: Json) -> str:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {_show(close[0])}?" if close else ""


@cache
def _schema(name: SchemaName) -> JsonObject:
    schema: JsonObject = orjson.loads(schema_bytes(name))
    return schema


@cache
def _compiled(name: SchemaName) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft7Validator(_schema(name), validate_formats=True, formats={"date-time": is_date_time})


@cache
def _explaining(name: SchemaName) -> Validator:
    import jsonschema
    from jsonschema.validators import extend
    from referencing import Registry

    formats = jsonschema.FormatChecker(formats=())
    formats.checks("date-time")(is_date_time)
    strict: Any = extend(jsonschema.Draft7Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    validator: Validator = strict(_schema(name), format_checker=formats, registry=Registry())
    return validator


def _pattern(_validator: object, pattern: str, value: Json, _schema: object) -> Iterator[Any]:
    """ECMA 262's ``$`` is the very end of the text; Python's also matches before a last newline."""
    from jsonschema import ValidationError

    if isinstance(value, str) and re.search(re.sub(r"\$\Z", r"\\Z", pattern), value) is None:
        yield ValidationError("pattern")
