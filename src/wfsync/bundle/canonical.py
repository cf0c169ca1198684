"""Tree → the one true bytes (spec: bundle.md "Canonical bytes and digest"; RFC 8785 for order and scalars).

Two writers give the same bytes: a C serialiser, and a plain one that is right for everything. The C one is used first;
its result is kept when it provably equals canonical text:

* numbers are as the readers give them (`wfsync.bundle.model.Json`): an integral one is an int, whose digits are
  canonical below 10^21 (larger ones are refused by orjson), and those few floats that orjson spells otherwise have a
  type of their own;
* orjson sorts keys by UTF-8 bytes, RFC 8785 by UTF-16 code units. They differ only when a character beyond the basic
  plane (lead bytes F0 to F4) meets one of U+E000 to U+FFFF (EE, EF), so a text that has both goes to the plain writer,
  if one of the former stands in a key;
* lone surrogates are refused by orjson.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Final

import msgspec
import orjson

from wfsync.bundle.model import Json
from wfsync.bundle.numbers import SmallNumber, canonical_number, parse_number

__all__ = ["canonical_bytes", "compact_bytes", "is_plain_text", "parse_exact", "plain_canonical_bytes"]

_COMPACT: Final = orjson.OPT_SORT_KEYS
_INDENTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

_BEYOND: Final = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""The bytes that lead a character beyond the basic plane."""
_LAST_OF_PLANE: Final = "\uffff"
_LAST: Final = (b"\xee", b"\xef")
"""The bytes that lead a character from U+E000 to U+FFFF."""

# orjson loses integers beyond 64 bits and says nothing; msgspec keeps them and gives every other number to a hook
_decode = msgspec.json.Decoder(float_hook=parse_number).decode


def canonical_bytes(tree: Json) -> bytes:
    """The canonical text of ``tree``: two-space indent, one newline at the end, UTF-8.

    ``tree`` holds JSON values as the readers give them (`wfsync.bundle.model.Json`). Raises `UnicodeEncodeError` on a
    lone surrogate and `ValueError` on a number outside binary64's range; readers report both before it comes to this.
    """
    fast = _serialise(tree, _INDENTED)
    return fast if fast is not None else plain_canonical_bytes(tree)


def compact_bytes(tree: Json) -> bytes:
    """The canonical text without its white space: what is sent to the database, whose jsonb drops white space
    anyway.
    """
    fast = _serialise(tree, _COMPACT)
    return fast if fast is not None else _write(tree, "", "").encode()


def is_plain_text(data: bytes, tree: Json) -> bool:
    """True when ``data`` is what the C serialiser writes of ``tree``, keys in the order that they have in it.

    If ``tree`` was parsed from ``data``, that proves what a round trip through canonical text proves: it is JSON to the
    letter, no key stands twice in it, and no number lost anything. False proves nothing.
    """
    options = orjson.OPT_INDENT_2 if data.startswith((b"{\n", b"[\n")) else 0
    try:
        return orjson.dumps(tree, _spell, options) == data.rstrip(b"\n")
    except TypeError:  # as in _serialise
        return False


def plain_canonical_bytes(tree: Json) -> bytes:
    """The same bytes as `canonical_bytes`, from the plain writer alone."""
    return (_write(tree, "\n", "  ") + "\n").encode()


def parse_exact(data: bytes | bytearray | memoryview) -> Json:
    """Parse JSON text, numbers exact: integral ones become int at any size, all others the nearest binary64.

    Duplicate keys are not noticed (jsonb has none; `wfsync.bundle.parse` looks for them in files). Raises `ValueError`
    when the text is not JSON or holds a number outside binary64's range, `RecursionError` on absurd nesting.
    """
    return _decode(data)


def _serialise(tree: Json, options: int) -> bytes | None:
    """The C serialiser's text when it is canonical, else None."""
    try:
        data = orjson.dumps(tree, _spell, options)
    except TypeError:  # orjson.JSONEncodeError: an integer beyond 64 bits, a lone surrogate, nesting beyond 254
        return None
    # Single bytes are searched for at memory speed; emoji are common, in keys they are not.
    if not data.isascii() and any(map(data.__contains__, _BEYOND)) and any(map(data.__contains__, _LAST)):
        return None if _has_key_beyond(tree) else data
    return data


def _has_key_beyond(tree: Json) -> bool:
    """True when a character beyond the basic plane stands in a key."""
    if isinstance(tree, dict):
        return any(max(key, default="") > _LAST_OF_PLANE for key in tree) or any(map(_has_key_beyond, tree.values()))
    return isinstance(tree, list) and any(map(_has_key_beyond, tree))


def _spell(value: object) -> orjson.Fragment:
    """What the C serialiser asks for values of types that it does not know."""
    if isinstance(value, SmallNumber):
        return orjson.Fragment(canonical_number(value).encode())
    raise TypeError(type(value).__name__)


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
