"""Bytes → tree, as fast as the bytes allow.

Three readers, each used only where it gives exactly what the strict one would:

* canonical JSON (what `fmt` and `export` write): one round trip through the C parser and serialiser gives the same
  bytes back, which proves that no key stands twice and no number is spelled otherwise;
* JSON as serialisers write it, compact or indented by two: the same round trip, keys in the text's own order;
* other sound JSON: the C scanner of the standard library with a hook that refuses duplicate keys;
* everything else, and every text with a fault: the strict readers, which know positions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from wfsync.bundle.canonical import canonical_bytes, is_plain_text, parse_exact
from wfsync.bundle.model import MAX_DEPTH, Json
from wfsync.bundle.source_map import Document
from wfsync.errors import Problem

__all__ = ["Parsed", "Syntax", "parse", "read_document"]

Syntax = Literal["json", "yaml"]

_DEEP: Final = b"\n" + b"  " * MAX_DEPTH
"""The indentation that only a canonical text of suspicious depth has."""
_ROOM_FOR_DEEP: Final = MAX_DEPTH * MAX_DEPTH
"""Bytes. A shorter canonical text is not so deep: indentation alone would take more, and is not searched for."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text that could be read."""

    tree: Json
    is_canonical: bool
    """The bytes are the canonical text of ``tree``."""
    problems: tuple[Problem, ...] = ()
    """Values that no database can hold; see `wfsync.bundle.source_map.Document`."""


def parse(data: bytes, syntax: Syntax, file: str) -> Parsed:
    """Read ``data``; ``file`` is only named in problems. Raises `InputError` (INVALID_BUNDLE) with every fault
    found.
    """
    if syntax == "json":
        parsed = _fast_json(data)
        if parsed is not None:
            return parsed
    document = read_document(data, syntax, file)
    return Parsed(document.tree, is_canonical=False, problems=document.problems)


def read_document(data: bytes, syntax: Syntax, file: str) -> Document:
    """Read ``data`` strictly, with the position of every value. Raises `InputError` (INVALID_BUNDLE)."""
    if syntax == "json":
        from wfsync.bundle.json_text import read_json

        return read_json(data, file=file, max_depth=MAX_DEPTH)
    from wfsync.bundle.yaml_text import read_yaml

    return read_yaml(data, file=file, max_depth=MAX_DEPTH)


def _fast_json(data: bytes) -> Parsed | None:
    """The tree, when it is certain that the strict reader would give the same one without a fault; else None."""
    if b"\\" in data and b"\\u0000" in data:
        return None
    try:
        tree = parse_exact(data)
        canonical = canonical_bytes(tree)
        if canonical == data:
            return None if _is_deep(data) else Parsed(tree, is_canonical=True)
        if not is_plain_text(data, tree):
            orjson.loads(data)  # the grammar, UTF-8 and surrogates, by a parser that is known to be strict
            json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError):  # not JSON, a key twice, a number outside binary64, nesting
        return None
    return None if _is_deep(canonical) else Parsed(tree, is_canonical=False)


def _is_deep(canonical: bytes) -> bool:
    return len(canonical) > _ROOM_FOR_DEEP and _DEEP in canonical


def _unique(pairs: list[tuple[str, Any]]) -> None:
    """Refuses an object with a key that stands twice; the objects themselves are not wanted."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
