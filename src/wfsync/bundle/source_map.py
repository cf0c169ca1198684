"""Where every value of a parsed text stands.

Readers (`json_text`, `yaml_text`) build a `Document`; everything that reports a fault asks its `SourceMap` for the
place. A file may hold millions of values and nearly always none is asked for, so a reader only notes offsets in flat
arrays (twenty bytes a value); lines, columns and paths are worked out on demand.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wfsync.bundle.model import Json
from wfsync.errors import Place, Problem

__all__ = ["Document", "Lines", "Outline", "Path", "Position", "SourceMap", "pointer"]

Path = tuple[str | int, ...]
"""Steps from the root of a document: object keys as text, array indexes as numbers."""

_LINE_BREAK = re.compile(r"\r\n?|\n")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})')
_TWO_QUOTES = re.compile("''")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Position(NamedTuple):
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


def pointer(path: Sequence[str | int]) -> str:
    """RFC 6901 JSON pointer of ``path``; the empty path is ``""``.

    Lone surrogates, which no output could encode, become U+FFFD.
    """
    text = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class Lines:
    """Turns offsets of a text into lines and columns. LF, CR LF and a lone CR end a line."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: array[int] | None = None

    def position(self, offset: int) -> Position:
        """Line and column of the character at ``offset`` (the end of the text is a place too)."""
        if self._starts is None:
            self._starts = array("I", (match.end() for match in _LINE_BREAK.finditer(self._text)))
        line = bisect_right(self._starts, offset)
        return Position(line + 1, offset - (self._starts[line - 1] if line else 0) + 1)

    def spelled(self, begin: int, text: str, offset: int) -> int | None:
        """How many characters from ``begin`` on spell the first ``offset`` of ``text``: in quotes, with the escapes of
        JSON, or plainly. None when they do not, or on more than one line.
        """
        position, quote = begin, self._text[begin : begin + 1]
        if quote in ('"', "'"):
            position += 1
        for character in text[:offset]:
            escape = _ESCAPE.match(self._text, position) if quote == '"' else None
            written = self._text[position : position + 1]
            if escape is not None:
                written = json.loads(f'"{escape[0]}"')
            elif quote == "'" and written == "'":
                escape = _TWO_QUOTES.match(self._text, position)
            if written != character or (escape is None and character in "\r\n"):
                return None
            position += 1 if escape is None else len(escape[0])
        return position - begin


class Outline:
    """The shape of a document and the offset of each value, in the order in which values begin.

    A value's *ordinal* is its place in that order; the root's is 0, a container's children follow it at once. Built by
    a reader through `add` and `close`, then only asked.
    """

    __slots__ = ("_children", "key_offsets", "names", "offsets", "sizes")

    def __init__(self) -> None:
        self.offsets = array("I")
        """Where each value begins."""
        self.key_offsets = array("I")
        """Where the name of each object member begins; 0 for other values."""
        self.names: list[str | None] = []
        """The name of each object member; None for array items and the root."""
        self.sizes = array("I")
        """How many ordinals the value takes, itself included."""
        self._children: dict[int, dict[str | int, int]] = {}

    def __len__(self) -> int:
        """The number of values."""
        return len(self.offsets)

    def add(self, offset: int, name: str | None = None, key_offset: int = 0) -> int:
        """Note that a value begins; returns its ordinal."""
        ordinal = len(self.offsets)
        self.offsets.append(offset)
        self.key_offsets.append(key_offset)
        self.names.append(name)
        self.sizes.append(1)
        return ordinal

    def close(self, ordinal: int) -> None:
        """Note that the container ``ordinal`` has no more children."""
        self.sizes[ordinal] = len(self.offsets) - ordinal

    def copy(self, ordinal: int, name: str | None, key_offset: int) -> None:
        """Note the value ``ordinal`` with all below it once more, as the next value: what a YAML alias stands for."""
        start, end = ordinal, ordinal + self.sizes[ordinal]
        copied = len(self.offsets)
        self.offsets.extend(self.offsets[start:end])
        self.key_offsets.extend(self.key_offsets[start:end])
        self.names.extend(self.names[start:end])
        self.sizes.extend(self.sizes[start:end])
        self.key_offsets[copied] = key_offset
        self.names[copied] = name

    def children(self, ordinal: int) -> dict[str | int, int]:
        """Ordinals of the children of ``ordinal`` by name or index; of a repeated name, the first."""
        known = self._children.get(ordinal)
        if known is None:
            known = {}
            child, end, index = ordinal + 1, ordinal + self.sizes[ordinal], 0
            while child < end:
                name = self.names[child]
                known.setdefault(index if name is None else name, child)
                child += self.sizes[child]
                index += 1
            self._children[ordinal] = known
        return known

    def find(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Ordinal of the value at ``path`` or of its nearest ancestor that exists, and how many steps lead there."""
        ordinal = 0
        for depth, step in enumerate(path):
            child = self.children(ordinal).get(step)
            if child is None:
                return ordinal, depth
            ordinal = child
        return ordinal, len(path)


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Places of values and of object keys, by path. Without `Lines` and `Outline`, places name the file only."""

    file: str
    lines: Lines = field(default_factory=lambda: Lines(""))
    outline: Outline = field(default_factory=Outline)

    def value(self, path: Sequence[str | int]) -> Place:
        """The place of the value at ``path``, or of its nearest ancestor that exists; the pointer is ``path``'s own."""
        if not len(self.outline):
            return Place(self.file, pointer=pointer(path))
        ordinal, _ = self.outline.find(path)
        return self.at(self.outline.offsets[ordinal], path)

    def key(self, path: Sequence[str | int]) -> Place:
        """The place of the member *name* that ends ``path``; falls back to the value's place."""
        if len(self.outline):
            ordinal, depth = self.outline.find(path)
            if depth == len(path) and self.outline.names[ordinal] is not None:
                return self.at(self.outline.key_offsets[ordinal], path)
        return self.value(path)

    def inside(self, path: Sequence[str | int], text: str, offset: int) -> Place:
        """The place of the character ``offset`` of the ``text`` that is the value at ``path``; the value's own place
        when the file spells it in another way (a block of YAML, an alias).
        """
        if len(self.outline):
            ordinal, depth = self.outline.find(path)
            begin = self.outline.offsets[ordinal]
            if depth == len(path) and (length := self.lines.spelled(begin, text, offset)) is not None:
                return self.at(begin + length, path)
        return self.value(path)

    def at(self, offset: int, path: Sequence[str | int] | None = None) -> Place:
        """The place of the character at ``offset``, with the pointer of ``path`` if one is given."""
        line, column = self.lines.position(offset)
        return Place(self.file, line, column, None if path is None else pointer(path))


@dataclass(frozen=True, slots=True)
class Document:
    """A text that could be read: its tree, the positions, and values that no database can hold.

    ``problems`` are ``INVALID_VALUE`` faults (a number outside binary64, U+0000, a lone surrogate): they belong to the
    rules stage, after header and schema, so they are kept rather than raised. The tree then holds a harmless stand-in:
    0 for the number, U+FFFD for the character.
    """

    tree: Json
    source: SourceMap
    problems: tuple[Problem, ...] = ()
