"""Text: cutting, joining, replacing. Lengths and positions count characters (code points), as JSONata's do."""

from __future__ import annotations

import json
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import MAX_OUTPUT_BYTES, array, flag, integer, obj, pure, text
from wfsync.runtime.actions.transform.cutting import cut
from wfsync.runtime.registry import Action, ActionFailed

__all__ = ["TEXTS", "spelled"]

_SCALAR: Final[JsonObject] = {"type": ["string", "number", "boolean", "null"]}
_RESULT: Final = obj({"text": text("The outcome.")})
_COUNTED: Final = obj({"text": text("The outcome."), "count": integer("How many were replaced.", minimum=0)})


def spelled(value: Json) -> str:
    """A scalar as text: null is empty, booleans and numbers are spelled as in JSON, 2.0 as 2."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value)


def _truncate(given: JsonObject) -> Json:
    source, limit = given["text"], int(given["maxLength"])
    ellipsis: str = given.get("ellipsis", "…")
    if len(source) <= limit:
        return {"text": source, "truncated": False}
    if len(ellipsis) > limit:
        ellipsis = ""
    kept = cut(source, limit - len(ellipsis), whole_words=given.get("wholeWords", False))
    return {"text": kept.rstrip() + ellipsis if ellipsis else kept, "truncated": True}


def _concat(given: JsonObject) -> Json:
    return {"text": "".join(map(spelled, given["parts"]))}


def _join(given: JsonObject) -> Json:
    parts = [spelled(item) for item in given["items"]]
    if given.get("skipEmpty", False):
        parts = [part for part in parts if part]
    separator: str = given.get("separator", "")
    _refuse_above_limit(sum(map(len, parts)) + len(separator) * max(len(parts) - 1, 0))
    return {"text": separator.join(parts)}


def _replace(given: JsonObject) -> Json:
    source, search, replacement = given["text"], given["search"], given["replacement"]
    count = source.count(search)
    if limit := int(given.get("limit", 0)):
        count = min(count, limit)
    _refuse_above_limit(len(source) + count * (len(replacement) - len(search)))
    return {"text": source.replace(search, replacement, count), "count": count}


def _refuse_above_limit(length: int) -> None:
    """Before the text is made: a short input can ask for gigabytes."""
    if length > MAX_OUTPUT_BYTES:
        raise ActionFailed(
            f"the output would have {length} characters; {MAX_OUTPUT_BYTES} bytes are allowed",
            code="OUTPUT_TOO_LARGE",
            details={"limit": MAX_OUTPUT_BYTES},
        )


def _split(given: JsonObject) -> Json:
    source, separator = given["text"], given["separator"]
    limit = min(int(given.get("limit", 0)), len(source) + 1)  # no text has more parts
    items: list[str] = source.split(separator, limit - 1 if limit else -1)
    if given.get("trim", False):
        items = [item.strip() for item in items]
    if given.get("skipEmpty", False):
        items = [item for item in items if item]
    return {"items": list(items)}


def _trim(given: JsonObject) -> Json:
    source: str = given["text"]
    characters: str | None = given.get("characters")
    side = given.get("side", "both")
    if side != "end":
        source = source.lstrip(characters)
    if side != "start":
        source = source.rstrip(characters)
    return {"text": source}


TEXTS: Final[tuple[Action, ...]] = (
    pure(
        "transform.truncate_text",
        "Truncate text",
        "Shortens a text. Never cuts inside of what readers see as one character: accents and joined emoji stay whole.",
        takes=obj(
            {
                "text": text("What is shortened."),
                "maxLength": integer("The most characters, ellipsis included.", minimum=0),
            },
            {
                "ellipsis": text("What stands for the part that is gone; left out where it does not fit.", default="…"),
                "wholeWords": flag("Whether to cut between words, if there is a gap in the last third.", default=False),
            },
        ),
        gives=obj(
            {"text": text("The outcome."), "truncated": {"type": "boolean", "description": "Whether anything is gone."}}
        ),
        does=_truncate,
    ),
    pure(
        "transform.concat_text",
        "Concatenate text",
        "Puts texts together; numbers and booleans as JSON spells them, null as nothing.",
        takes=obj({"parts": array("What is put together.", _SCALAR)}),
        gives=_RESULT,
        does=_concat,
    ),
    pure(
        "transform.join_text",
        "Join text",
        "Puts the items of a list together with a separator between them.",
        takes=obj(
            {"items": array("What is joined, spelled as by `transform.concat_text`.", _SCALAR)},
            {
                "separator": text("What stands between them.", default=""),
                "skipEmpty": flag("Whether null and empty texts are left out.", default=False),
            },
        ),
        gives=_RESULT,
        does=_join,
    ),
    pure(
        "transform.replace_text",
        "Replace text",
        "Replaces a text inside another, literally and left to right.",
        takes=obj(
            {
                "text": text("Where it is replaced."),
                "search": text("What is replaced.", minLength=1),
                "replacement": text("By what."),
            },
            {"limit": integer("How many are replaced; 0 is all.", minimum=0, default=0)},
        ),
        gives=_COUNTED,
        does=_replace,
    ),
    pure(
        "transform.split_text",
        "Split text",
        "Splits a text at every separator.",
        takes=obj(
            {"text": text("What is split."), "separator": text("Where, literally.", minLength=1)},
            {
                "limit": integer("The most items; the last one holds the rest. 0 is no limit.", minimum=0, default=0),
                "trim": flag("Whether white space around items goes.", default=False),
                "skipEmpty": flag("Whether empty items are left out, after trimming.", default=False),
            },
        ),
        gives=obj({"items": array("The parts.", {"type": "string"})}),
        does=_split,
    ),
    pure(
        "transform.lowercase_text",
        "Lower case",
        "Writes a text in lower case, by Unicode's rules and no language's.",
        takes=obj({"text": text("Any text.")}),
        gives=_RESULT,
        does=lambda given: {"text": given["text"].lower()},
    ),
    pure(
        "transform.uppercase_text",
        "Upper case",
        "Writes a text in upper case, by Unicode's rules and no language's: `ß` becomes `SS`.",
        takes=obj({"text": text("Any text.")}),
        gives=_RESULT,
        does=lambda given: {"text": given["text"].upper()},
    ),
    pure(
        "transform.trim_text",
        "Trim text",
        "Removes white space, or other characters, from the ends of a text.",
        takes=obj(
            {"text": text("Any text.")},
            {
                "side": {"enum": ["both", "start", "end"], "description": "Which ends.", "default": "both"},
                "characters": text("Which characters; white space where this is left out.", minLength=1),
            },
        ),
        gives=_RESULT,
        does=_trim,
    ),
)
