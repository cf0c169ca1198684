"""Tree → YAML text, block style, that readers of YAML 1.1 and 1.2 both read as the same tree.

`bundle.md`, "Canonical bytes and digest": the same key order as canonical JSON, and quotes around every text that
either version would read as something else. The style depends on the text alone, so the bytes are deterministic:

* plain, when it begins with a letter, ``_``, ``/`` or ``$`` (no number, date or sexagesimal does), is none of the words
  that a version reads as null or a boolean, and has nothing that ends or interrupts a plain text;
* a literal block, when it has several lines that a literal block keeps exactly;
* single quotes, when it has a double quote or a backslash and nothing that must be escaped; double quotes otherwise.

Numbers are canonical except that a mantissa gets a point (``1.0e-7``): without one, YAML 1.1 reads a text.
"""

from __future__ import annotations

import re
from typing import Any, Final

from wfsync.bundle.model import Json
from wfsync.bundle.numbers import canonical_number

__all__ = ["write_yaml"]

_MUST_ESCAPE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\xa0\xad\u0600-\u0605\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufeff\ufff0-\uffff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
"""Control characters, invisible and look-alike spaces, private use, what YAML calls unprintable. Fixed ranges, not what
this Python's Unicode tables say: bytes must not depend on the version of Python."""

_PLAIN: Final = re.compile(r"[A-Za-z_/$\u00a1-\U000effff](?:[^\n:#]|:(?![ ]|\Z)|(?<! )#)*")
_RESERVED: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_LITERAL: Final = re.compile(r"[^ \t\n][^\n]*+(?:\n+ *+[^ \t\n][^\n]*+)*+\n?")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_LONGEST_IMPLICIT_NAME: Final = 1000
"""YAML allows 1024 characters for a name and its colon; longer ones are written with ``?``."""


def write_yaml(tree: Json) -> bytes:
    """The YAML text of ``tree``: UTF-8, one line feed at the end; `read_yaml` gives the same tree back.

    Object keys in UTF-16 code unit order at every depth, two spaces of indentation, empty ``{}`` and ``[]`` inline, no
    folding. Raises `UnicodeEncodeError` on a lone surrogate, `ValueError` on a number outside binary64's range and
    `TypeError` on what is no JSON value; readers report the former two before it comes to this.
    """
    lines: list[str] = []
    if isinstance(tree, dict | list) and tree:
        _block(tree, "", "", lines)
    else:
        lines.append(_inline(tree))
    lines.append("")
    return "\n".join(lines).encode()


def _block(value: Json, first: str, indent: str, lines: list[str]) -> None:
    """Add a list or an object that is not empty; its first line begins with ``first``, all others with ``indent``."""
    if isinstance(value, dict):
        for name in sorted(value, key=_utf16):
            written = _text(name)
            if len(written) > _LONGEST_IMPLICIT_NAME:
                lines.append(f"{first}? {written}")
                _value(value[name], f"{indent}:", indent, lines)
            else:
                _value(value[name], f"{first}{written}:", indent, lines)
            first = indent
        return
    for item in value:
        if isinstance(item, dict | list) and item:
            _block(item, f"{first}- ", f"{indent}  ", lines)
        else:
            _scalar(item, f"{first}-", indent, lines)
        first = indent


def _value(value: Json, head: str, indent: str, lines: list[str]) -> None:
    """Add the value of a member whose line begins with ``head``."""
    if isinstance(value, dict | list) and value:
        lines.append(head)
        _block(value, f"{indent}  ", f"{indent}  ", lines)
    else:
        _scalar(value, head, indent, lines)


def _scalar(value: Json, head: str, indent: str, lines: list[str]) -> None:
    if isinstance(value, str) and "\n" in value and _LITERAL.fullmatch(value) and not _escapes_in_literal(value):
        lines.append(f"{head} |" if value.endswith("\n") else f"{head} |-")
        lines.extend(f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        lines.append(f"{head} {_inline(value)}")


def _inline(value: Json) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def _number(value: float) -> str:
    mantissa, exponent_sign, exponent = canonical_number(value).partition("e")
    if exponent_sign and "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}{exponent_sign}{exponent}"


def _text(text: str) -> str:
    """``text`` on one line: plain where that is safe, else quoted."""
    if _MUST_ESCAPE.search(text):
        return _double_quoted(text)
    if _PLAIN.fullmatch(text) and text[-1] != " " and text.lower() not in _RESERVED:
        return text
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _double_quoted(text: str) -> str:
    return (
        '"' + "".join(_escaped(char) if char in _ESCAPES or _MUST_ESCAPE.match(char) else char for char in text) + '"'
    )


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return char  # cannot be encoded either way: the caller's encode() says so
    return _ESCAPES.get(char) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def _escapes_in_literal(text: str) -> bool:
    return any(match.group() not in "\n\t" for match in _MUST_ESCAPE.finditer(text))


def _utf16(name: Any) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"the name of a member is not a text: {type(name).__name__}")
    return name.encode("utf-16-be", "surrogatepass")
