"""Tree → the one true bytes (spec: bundle.md "Canonical bytes and digest"; RFC 8785 for order and scalars).

Two writers give the same bytes: a C serialiser, and a plain one that is right for everything. The C one is used first;
its result is kept only when it provably equals canonical text, which a few searches over the bytes decide:

* orjson sorts keys by UTF-8 bytes, RFC 8785 by UTF-16 code units. They differ only when a character beyond the basic
  plane (lead byte F0 or more) meets one of U+E000 to U+FFFF, so any text with such a lead byte goes to the plain writer;
* orjson spells some numbers differently (``1.0``, exponents), so any output with such a token does, too;
* integers beyond 64 bits and lone surrogates are refused by orjson.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Final

import orjson

from wfsync.bundle.model import Json
from wfsync.bundle.numbers import canonical_number, parse_number

__all__ = ["canonical_bytes", "compact_bytes", "is_exactly_parsed", "parse_exact", "plain_canonical_bytes"]

_COMPACT: Final = orjson.OPT_SORT_KEYS
_INDENTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

_NOT_CANONICAL_NUMBER = re.compile(rb"[:\[,\n] *-?[0-9]+(?:\.0[,\n\]}]|(?:\.[0-9]+)?e)")
_BEYOND_BASIC_PLANE = re.compile(rb"[\xf0-\xf4]")
_INEXACT = re.compile(rb"[0-9]{16,}|[:\[,]\s*-?[0-9]+(?:\.0+(?![0-9])|(?:\.[0-9]+)?[eE])")


def canonical_bytes(tree: Json) -> bytes:
    """The canonical text of ``tree``: two-space indent, one newline at the end, UTF-8.

    ``tree`` holds JSON values with exact numbers (`wfsync.bundle.model.Json`). Raises `UnicodeEncodeError` on a lone
    surrogate and `ValueError` on a number outside binary64's range; readers report both before it comes to this.
    """
    fast = _serialise(tree, _INDENTED)
    return fast if fast is not None else plain_canonical_bytes(tree)


def compact_bytes(tree: Json) -> bytes:
    """The canonical text without its white space: what is sent to the database, whose jsonb drops white space anyway."""
    fast = _serialise(tree, _COMPACT)
    return fast if fast is not None else _write(tree, "", "").encode()


def plain_canonical_bytes(tree: Json) -> bytes:
    """The same bytes as `canonical_bytes`, from the plain writer alone."""
    return (_write(tree, "\n", "  ") + "\n").encode()


def is_exactly_parsed(data: bytes) -> bool:
    """True when a C parser's doubles and 64-bit integers lose nothing of the JSON text ``data``.

    May be False for a text that would be read exactly (digits inside a string); never True for one that would not.
    """
    return _INEXACT.search(data) is None


def parse_exact(data: bytes | bytearray | memoryview) -> Json:
    """Parse JSON text that the server made from jsonb: valid, without duplicate keys; numbers come out exact.

    Integral numbers become int at any size, all others the nearest binary64. Raises `ValueError` when the text is not
    JSON or holds a number outside binary64's range, and `RecursionError` on nesting that no workflow may have.
    """
    data = bytes(data)
    if _INEXACT.search(data) is None:
        return orjson.loads(data)
    return json.loads(data, parse_float=parse_number, parse_int=parse_number)


def _serialise(tree: Json, options: int) -> bytes | None:
    """The C serialiser's text when it is canonical, else None."""
    try:
        data = orjson.dumps(tree, option=options)
    except TypeError:  # orjson.JSONEncodeError: an integer beyond 64 bits, a lone surrogate, nesting beyond 254
        return None
    if not data.isascii() and _BEYOND_BASIC_PLANE.search(data) is not None:
        return None
    if _NOT_CANONICAL_NUMBER.search(data) is not None:
        return None
    return data


def _write(value: Json, newline: str, indent: str) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return canonical_number(value)
    inner = newline + indent if newline else ""
    if isinstance(value, list):
        if not value:
            return "[]"
        return "[" + inner + ("," + inner).join(_write(v, inner, indent) for v in value) + newline + "]"
    if not value:
        return "{}"
    colon = ": " if newline else ":"
    members = (encode_basestring(k) + colon + _write(value[k], inner, indent) for k in sorted(value, key=_utf16))
    return "{" + inner + ("," + inner).join(members) + newline + "}"


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
