"""Regular expressions, on an engine that never backtracks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import MAX_OUTPUT_BYTES, array, flag, integer, invalid, obj, pure, text
from wfsync.runtime.registry import Action, ActionFailed

if TYPE_CHECKING:
    from wfsync.expressions.regex import Match

__all__ = ["REGEXES"]

_FLAGS: Final = {
    "ignoreCase": flag("Whether upper and lower case are one.", default=False),
    "multiline": flag("Whether `^` and `$` also match at the ends of lines.", default=False),
    "dotAll": flag("Whether `.` also matches the end of a line.", default=False),
}
_PATTERN: Final = text(
    "A regular expression as RE2 knows it (no look-around, no back-references), at most 1000 characters.",
    maxLength=1000,
)
_SEARCHED: Final = text("What is searched, at most 64 KiB.")


@contextmanager
def _explained() -> Iterator[None]:
    """Faults of patterns become failures of the call."""
    from wfsync.expressions.regex import RegexFault

    try:
        yield
    except RegexFault as fault:
        raise invalid(str(fault), code="INVALID_REGEX") from None


def _matches(given: JsonObject) -> Iterator[Match]:
    from wfsync.expressions.regex import find

    return find(
        given["pattern"],
        given["text"],
        ignore_case=given.get("ignoreCase", False),
        multiline=given.get("multiline", False),
        dot_all=given.get("dotAll", False),
    )


def _match(given: JsonObject) -> Json:
    with _explained():
        found = next(_matches(given), None)
    if found is None:
        return {"matched": False, "match": None}
    names: Json = dict(found.names)
    groups: Json = list(found.groups)
    return {"matched": True, "match": {"text": found.text, "index": found.start, "groups": groups, "named": names}}


def _extract(given: JsonObject) -> Json:
    limit: int = given.get("limit", 1000)
    values: list[Json] = []
    with _explained():
        for found in _matches(given):
            values.append(_group(found, given.get("group", 0)))
            if len(values) == limit:
                break
    present = [value for value in values if value is not None]
    return {"found": bool(present), "value": present[0] if present else None, "values": present}


def _group(found: Match, group: str | int) -> str | None:
    if isinstance(group, str):
        if group not in found.names:
            raise _no_group(group)
        return found.names[group]
    if group > len(found.groups):
        raise _no_group(str(group))
    return found.groups[group - 1] if group else found.text


def _no_group(group: str) -> ActionFailed:
    return invalid(f"the pattern has no group {group}", code="INVALID_REGEX", details={"group": group})


_PLACEHOLDER: Final = re.compile(r"\$(?:(\$)|(\d{1,2})|\{(\w{1,64})\})")
"""In a replacement: ``$$``, ``$1``, ``${name}``. Linear: nothing in it can match in two ways."""


def _replace(given: JsonObject) -> Json:
    source: str = given["text"]
    limit: int = given.get("limit", 0)
    parts: list[str] = []
    done = count = size = 0
    with _explained():
        for found in _matches(given):
            parts += [source[done : found.start], _filled(given["replacement"], found)]
            size += len(parts[-1]) + len(parts[-2])
            if size > MAX_OUTPUT_BYTES:
                raise ActionFailed(
                    f"the output is longer than {MAX_OUTPUT_BYTES} characters",
                    code="OUTPUT_TOO_LARGE",
                    details={"limit": MAX_OUTPUT_BYTES},
                )
            done = found.end
            count += 1
            if count == limit:
                break
    return {"text": "".join([*parts, source[done:]]), "count": count}


def _filled(replacement: str, found: Match) -> str:
    def fill(placeholder: re.Match[str]) -> str:
        dollar, number, name = placeholder.groups()
        if dollar:
            return "$"
        return _group(found, int(number) if number else name) or ""

    return _PLACEHOLDER.sub(fill, replacement)


REGEXES: Final[tuple[Action, ...]] = (
    pure(
        "transform.regex_match",
        "Match a regular expression",
        "Finds the first match of a regular expression.",
        takes=obj({"text": _SEARCHED, "pattern": _PATTERN}, _FLAGS),
        gives=obj(
            {
                "matched": {"type": "boolean", "description": "Whether there is a match."},
                "match": obj(
                    {
                        "text": text("The text that matches."),
                        "index": integer("Where it begins, in characters (code points) from 0.", minimum=0),
                        "groups": array(
                            "What the parentheses matched, null for those that took no part.",
                            {"type": ["string", "null"]},
                        ),
                        "named": {
                            "type": "object",
                            "description": "The same by name, for parentheses `(?P<name>…)`.",
                            "additionalProperties": {"type": ["string", "null"]},
                        },
                    },
                    type=["object", "null"],
                    description="The first match; null where there is none.",
                ),
            }
        ),
        does=_match,
    ),
    pure(
        "transform.regex_extract",
        "Extract by a regular expression",
        "Takes out every text that a regular expression matches, or what one of its parentheses does.",
        takes=obj(
            {"text": _SEARCHED, "pattern": _PATTERN},
            {
                **_FLAGS,
                "group": {
                    "description": "Which parentheses, by number from 1 or by name; 0 is all of the match.",
                    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 99}, {"type": "string", "minLength": 1}],
                    "default": 0,
                },
                "limit": integer("How many matches are looked at.", minimum=1, maximum=1000, default=1000),
            },
        ),
        gives=obj(
            {
                "found": {"type": "boolean", "description": "Whether there is at least one."},
                "value": {"type": ["string", "null"], "description": "The first; null where there is none."},
                "values": array("All of them, in order.", {"type": "string"}),
            }
        ),
        does=_extract,
    ),
    pure(
        "transform.regex_replace",
        "Replace by a regular expression",
        "Replaces what a regular expression matches, at most 2000 times.",
        takes=obj(
            {
                "text": _SEARCHED,
                "pattern": _PATTERN,
                "replacement": text(
                    "`$1` stands for the first parentheses, `${name}` for named ones, `$0` for all, `$$` for a `$`."
                ),
            },
            {**_FLAGS, "limit": integer("How many are replaced; 0 is all.", minimum=0, default=0)},
        ),
        gives=obj({"text": text("The text with replacements."), "count": integer("How many were made.", minimum=0)}),
        does=_replace,
    ),
)
