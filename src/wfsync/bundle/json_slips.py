"""Says in plain words what is wrong where a text is not JSON; names the common slips."""

from __future__ import annotations

import json
import re
from typing import Final

from wfsync.bundle.decode import shown

__all__ = ["NotJson", "after_value", "before_colon", "before_name", "before_value", "in_string"]

_WORD: Final = re.compile(r"""[^\s,\[\]{}":'/#]+""")
_NUMBER_LIKE: Final = re.compile(r"[+-]?\.?[0-9]")
_SPACE: Final = " \t\n\r"
_NOT_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity", "-NaN", "+NaN", "inf", "-inf", "nan"})
_LITERALS: Final = {
    "none": "null",
    "nil": "null",
    "undefined": "null",
    "null": "null",
    "true": "true",
    "false": "false",
}
_NAMED_CONTROLS: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class NotJson(Exception):
    """The text stops being JSON at ``offset``; ``opened`` is where the bracket begins that the fault is about."""

    def __init__(self, offset: int, message: str, hint: str | None = None, opened: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint
        self.opened = opened


def before_value(text: str, offset: int, opened: int | None) -> NotJson:
    """The fault at ``offset``, where a value must begin; ``opened`` is the innermost open bracket's offset."""
    char = text[offset : offset + 1]
    if not char:
        return _end(text, opened)
    common = _common(text, offset, char)
    if common is not None:
        return common
    match = _WORD.match(text, offset)
    word = match.group() if match else char
    if word in _NOT_NUMBERS:
        return NotJson(offset, f"{word} is not a JSON number", "Use null, or a text.")
    if word.lower() in _LITERALS:
        return NotJson(offset, f"{word} is not JSON", f"Write {_LITERALS[word.lower()]}.")
    if _NUMBER_LIKE.match(word) or word == "-":
        return _number(word, offset)
    return NotJson(offset, f"a value is expected, found {shown(word, 20)}", "Texts are written in double quotes.")


def before_name(text: str, offset: int, opened: int) -> NotJson:
    """The fault at ``offset``, where the name of an object's member must begin."""
    char = text[offset : offset + 1]
    if not char:
        return _end(text, opened)
    common = _common(text, offset, char)
    if common is not None:
        return common
    match = _WORD.match(text, offset)
    if match:
        message = f"the name {shown(match.group(), 20)} is not in double quotes"
        return NotJson(offset, message, "Write every name of a member in double quotes.")
    return NotJson(offset, f"the name of a member is expected, found {shown(char)}")


def before_colon(text: str, offset: int, opened: int) -> NotJson:
    """The fault at ``offset``, where the colon after a member's name must stand."""
    char = text[offset : offset + 1]
    if not char:
        return _end(text, opened)
    hint = "Names and values are separated by a colon, not by =." if char == "=" else None
    return NotJson(offset, f"a colon is expected after the member's name, found {shown(char)}", hint)


def after_value(text: str, offset: int, value: int, opened: int | None) -> NotJson:
    """The fault at ``offset``, after the value that began at ``value``: no comma and not the right closing bracket."""
    char = text[offset : offset + 1]
    if not char:
        return _end(text, opened)
    start = text[value]
    if offset and text[offset - 1] not in _SPACE and start not in '"[{':
        # Something sticks to a number or a literal: 01, 1., 0x1F, 1_000, truely.
        match = _WORD.match(text, value)
        if match and match.end() > offset:
            word = match.group()
            if start in "-0123456789":
                return _number(word, value)
            return NotJson(
                value, f"a value is expected, found {shown(word, 20)}", "Texts are written in double quotes."
            )
    if char in "/#":
        return _comment(offset)
    if opened is None:
        return NotJson(
            offset, f"the document is complete, but more text follows: {shown(char)}", "A file holds one JSON value."
        )
    bracket = text[opened]
    closing = "}" if bracket == "{" else "]"
    if char in "]}":
        return NotJson(offset, f"{char} is found where {closing} must close the {bracket}", opened=opened)
    if char in '"{[-0123456789tfn':
        return NotJson(
            offset, "a comma is missing before this", "Values of a list or an object are separated by commas."
        )
    if char == ":" and bracket == "[":
        return NotJson(offset, "a colon is found in a list", "Members with names belong in { }.")
    return NotJson(offset, f"a comma or {closing} is expected, found {shown(char)}")


def in_string(text: str, error: json.JSONDecodeError) -> NotJson:
    """The fault that the standard library's string scanner found."""
    if error.msg.startswith("Unterminated"):
        return NotJson(error.pos, "this text has no closing double quote")
    if error.msg.startswith("Invalid control"):
        char = text[error.pos : error.pos + 1]
        written = _NAMED_CONTROLS.get(char, f"\\u{ord(char or chr(0)):04x}")
        what = "a line break" if char in ("\n", "\r") else f"the control character U+{ord(char or chr(0)):04X}"
        return NotJson(error.pos, f"{what} stands inside a text", f"Write {written}, or close the text before it.")
    offset = text.rfind("\\", 0, error.pos + 1)
    escape = text[offset : offset + 2]
    return NotJson(
        offset, f"the escape {shown(escape)[1:-1]} is not valid", 'Write \\\\ for a backslash, \\" for a quote.'
    )


def _common(text: str, offset: int, char: str) -> NotJson | None:
    if char in "]}":
        before = text[:offset].rstrip(_SPACE) if offset < 4096 else text[offset - 4096 : offset].rstrip(_SPACE)
        if before.endswith(","):
            comma = offset - (min(offset, 4096) - len(before)) - 1
            return NotJson(comma, f"a comma stands before {char}", "Remove the trailing comma.")
        return NotJson(offset, f"a value is expected, found {char}")
    if char == ",":
        return NotJson(offset, "a comma is found where a value is expected", "Remove the comma, or add the value.")
    if char == "'":
        return NotJson(offset, "a text in single quotes", "JSON texts and names are written in double quotes.")
    if char in "/#":
        return _comment(offset)
    return None


def _comment(offset: int) -> NotJson:
    return NotJson(offset, "JSON has no comments", "Remove the comment, or use YAML.")


def _number(word: str, offset: int) -> NotJson:
    hint = "Numbers are written like 17, -0.5 or 1e6: no leading zero, no +, digits around the point, decimal."
    return NotJson(offset, f"{shown(word, 20)} is not a JSON number", hint)


def _end(text: str, opened: int | None) -> NotJson:
    if opened is None:
        # Only the root stands in no bracket: nothing has been read before it.
        return NotJson(0, "the file is empty", "A file holds one JSON value.")
    return NotJson(len(text), f"the file ends, but this {text[opened]} is not closed", opened=opened)
