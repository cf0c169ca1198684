"""A document of a row as a tree, or why no file can hold it. Pure.

A fault is noted in the caller's list, as words that begin with ``where``; the tree then is `UNREADABLE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wfsync.bundle.canonical import canonical_bytes, parse_exact
from wfsync.bundle.model import MAX_DEPTH, Json, JsonObject

__all__ = ["UNREADABLE", "document", "object_or_null"]

UNREADABLE: Final = object()
"""Stands for a document whose fault has been noted."""
_STRIDE: Final = 100
_DIGITS_AHEAD: Final = re.compile(rb"[0-9]{3}")
_LONG_NUMBER: Final = re.compile(rb"[0-9]{309}")
_NUL: Final = b"\\u0000"


def document(data: bytes, above: int, where: str, faults: list[str]) -> Json:
    """The tree of ``data``, which stands ``above`` levels deep in a file; `UNREADABLE` when it has a fault."""
    try:
        tree = parse_exact(data)
    except RecursionError:
        faults.append(f"{where} is nested deeper than {MAX_DEPTH} levels")
        return UNREADABLE
    except ValueError:
        # jsonb is always valid JSON: what remains is a number that no double can hold, or nesting beyond the parser's.
        faults.append(f"{where} has a number beyond binary64, or is nested deeper than {MAX_DEPTH} levels")
        return UNREADABLE
    if _DIGITS_AHEAD.search(data[::_STRIDE]) and _LONG_NUMBER.search(data) and not _has_text(tree):
        faults.append(f"{where} has a number beyond binary64")
        return UNREADABLE
    if _NUL in data and _has_nul(tree):
        faults.append(f"{where} has a character U+0000")
        return UNREADABLE
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH - above and _is_deep(tree, MAX_DEPTH - above):
        faults.append(f"{where} is nested deeper than a file may be ({MAX_DEPTH} levels)")
        return UNREADABLE
    return tree


def _has_nul(tree: Json) -> bool:
    """True when a text of ``tree`` has a U+0000: jsonb refuses it, a column of the type json takes it."""
    level = [tree]
    while level:
        texts = [text for node in level for text in _texts(node)]
        if any("\0" in text for text in texts):
            return True
        level = [v for node in level for v in _children(node)]
    return False


def _texts(node: Json) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        yield from node


def _has_text(tree: Json) -> bool:
    """False when a number is beyond binary64: jsonb writes 1e400 with all its digits, which read as a large integer.

    Asked only where 309 digits stand in a row, and that shows in every hundredth byte as three digits in a row.
    """
    try:
        canonical_bytes(tree)
    except ValueError:
        return False
    return True


def _is_deep(tree: Json, limit: int) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [v for node in level for v in _children(node) if isinstance(v, dict | list)]
        if not level:
            return False
    return True


def _children(node: Json) -> Iterator[Json]:
    return iter(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())


def object_or_null(data: bytes | None, above: int, where: str, faults: list[str]) -> JsonObject | None:
    """NULL and JSON's null are the same to a bundle."""
    if data is None:
        return None
    tree = document(data, above, where, faults)
    if tree is None or isinstance(tree, dict):
        return tree
    if tree is not UNREADABLE:
        faults.append(f"{where} is neither an object nor null")
    return None
