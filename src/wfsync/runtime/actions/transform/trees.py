"""JSON as text, and questions to JSON values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NoReturn

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import anything, flag, integer, invalid, obj, pure, text
from wfsync.runtime.registry import Action, ActionFailed

__all__ = ["TREES", "parse_strictly"]

MAX_DEPTH: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What ``nowIso()`` says inside a query: a query's outcome depends on its input only."""


def _parse(given: JsonObject) -> Json:
    return {"value": parse_strictly(given["text"])}


def parse_strictly(source: str) -> Json:
    """The value of a JSON text. Raises `ActionFailed` (``INVALID_JSON_TEXT``) with the line and column."""
    try:
        value: Json = json.loads(
            source, parse_constant=_no_number, parse_float=_finite, parse_int=_whole, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise invalid(
            f"the text is no JSON: {error.msg}, line {error.lineno}, column {error.colno}",
            code="INVALID_JSON_TEXT",
            details={"line": error.lineno, "column": error.colno},
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise invalid(f"the text is no JSON: {error}", code="INVALID_JSON_TEXT") from None
    if _is_deep(value):
        raise _too_deep()
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 309:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _unique(pairs: list[tuple[str, Json]]) -> JsonObject:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has the name {next(n for n in names if names.count(n) > 1)!r} twice")
    return tree


def _too_deep() -> ActionFailed:
    return invalid(f"the JSON is nested more than {MAX_DEPTH} levels deep", code="INVALID_JSON_TEXT")


def _is_deep(value: Json) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [part for part in level if isinstance(part, dict | list)]
        if not nested:
            return False
        level = [child for part in nested for child in (part.values() if isinstance(part, dict) else part)]
    return True


def _stringify(given: JsonObject) -> Json:
    indent: int = given.get("indent", 0)
    pretty: dict[str, Any] = {"indent": indent} if indent else {"separators": (",", ":")}
    try:
        return {
            "text": json.dumps(
                given["value"], ensure_ascii=False, allow_nan=False, sort_keys=given.get("sortNames", False), **pretty
            )
        }
    except RecursionError:
        raise _too_deep() from None


def _query(given: JsonObject) -> Json:
    found, value = _by_pointer(given) if "pointer" in given else _by_expression(given)
    if found:
        return {"found": True, "value": value}
    return {"found": False, "value": given.get("default")}


def _by_pointer(given: JsonObject) -> tuple[bool, Json]:
    value: Json = given["value"]
    pointer: str = given["pointer"]
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _is_index(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return False, None
    return True, value


def _is_index(name: str) -> bool:
    return name == "0" or (0 < len(name) < 10 and name.isascii() and name.isdigit() and name[0] != "0")


def _by_expression(given: JsonObject) -> tuple[bool, Json]:
    from wfsync.expressions import MISSING, EvaluationAborted, EvaluationFailed, ExpressionFault, compile_expression

    try:
        value = compile_expression(given["query"]).evaluate({"value": given["value"]}, _EPOCH)
    except ExpressionFault as fault:
        raise invalid(
            f"the query is no expression: {fault.message}", code="INVALID_QUERY", details={"offset": fault.offset}
        ) from None
    except EvaluationFailed as failed:
        raise ActionFailed(
            f"the query failed: {failed.message}",
            category="ExpressionError",
            code=failed.code,
            details={"offset": failed.offset},
        ) from None
    except EvaluationAborted:
        raise ActionFailed(
            "the query was not done in time", category="TransientError", code="QUERY_TIME", retryable=True
        ) from None
    return (False, None) if value is MISSING else (True, value)


TREES: Final[tuple[Action, ...]] = (
    pure(
        "transform.parse_json",
        "Parse JSON",
        "Reads JSON from a text. Strict: no comments, no NaN, no name twice in one object, at most 200 levels.",
        takes=obj({"text": text("JSON.")}),
        gives=obj({"value": anything("What the text says.")}),
        does=_parse,
    ),
    pure(
        "transform.query_json",
        "Query JSON",
        "Takes a part of a value, by a JSONata expression or by a JSON pointer. One that is not there is no failure.",
        takes=obj(
            {"value": anything("What is asked.")},
            {
                "query": text(
                    "A JSONata expression, in which the value is called `value`: `value.items[price > 5].name`."
                    " Functions and limits are those of expressions in workflows; `nowIso()` is always 1970.",
                    minLength=1,
                ),
                "pointer": text("A JSON pointer (RFC 6901): `/items/0/name`.", pattern="^(/([^~]|~[01])*)?$"),
                "default": anything("What comes out where nothing is found; null where this is left out."),
            },
            oneOf=[{"required": ["query"]}, {"required": ["pointer"]}],
        ),
        gives=obj(
            {
                "found": {
                    "type": "boolean",
                    "description": "Whether the part is there. A null that is there is found.",
                },
                "value": anything("The part, else the default."),
            }
        ),
        does=_query,
    ),
    pure(
        "transform.stringify_json",
        "Write JSON",
        "Writes a value as JSON.",
        takes=obj(
            {"value": anything("What is written.")},
            {
                "indent": integer("Spaces for each level; 0 writes one line.", minimum=0, maximum=8, default=0),
                "sortNames": flag(
                    "Whether names of objects are sorted, so that equal values are equal texts.", default=False
                ),
            },
        ),
        gives=obj({"text": text("The JSON.")}),
        does=_stringify,
    ),
)
