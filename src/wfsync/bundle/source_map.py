"""Where every value of a parsed text stands.

Readers (`json_text`, `yaml_text`) build a `Document`; everything that reports a fault asks its `SourceMap` for the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wfsync.bundle.model import Json
from wfsync.errors import Place, Problem

__all__ = ["Document", "Path", "Position", "SourceMap", "pointer"]

Path = tuple[str | int, ...]
"""Steps from the root of a document: object keys as text, array indexes as numbers."""


class Position(NamedTuple):
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


def pointer(path: Sequence[str | int]) -> str:
    """RFC 6901 JSON pointer of ``path``; the empty path is ``""``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Positions of values and of object keys, by path."""

    file: str
    values: Mapping[Path, Position] = field(default_factory=dict)
    keys: Mapping[Path, Position] = field(default_factory=dict)

    def value(self, path: Sequence[str | int]) -> Place:
        """The place of the value at ``path``, or of its nearest ancestor that exists; the pointer is ``path``'s own."""
        return self._place(self.values, tuple(path))

    def key(self, path: Sequence[str | int]) -> Place:
        """The place of the member *name* that ends ``path``; falls back to the value's place."""
        path = tuple(path)
        position = self.keys.get(path)
        if position is None:
            return self.value(path)
        return Place(self.file, position.line, position.column, pointer(path))

    def _place(self, positions: Mapping[Path, Position], path: Path) -> Place:
        for length in range(len(path), -1, -1):
            position = positions.get(path[:length])
            if position is not None:
                return Place(self.file, position.line, position.column, pointer(path))
        return Place(self.file, pointer=pointer(path))


@dataclass(frozen=True, slots=True)
class Document:
    """A text that could be read: its tree, the positions, and values that no database can hold.

    ``problems`` are ``INVALID_VALUE`` faults (a number outside binary64, U+0000, a lone surrogate): they belong to the
    rules stage, after header and schema, so they are kept rather than raised.
    """

    tree: Json
    source: SourceMap
    problems: tuple[Problem, ...] = ()
