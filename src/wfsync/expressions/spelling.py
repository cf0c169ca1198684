"""``==`` is read as ``=`` (spec: runtime.md "Expressions"), but not inside texts, quoted names, patterns, comments."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

__all__ = ["Respelled", "respell"]

_TOKEN: Final = re.compile(
    r"""
      (?P<skipped> \s+ | /\*.*?(?:\*/|\Z) )
    | (?P<operand> "(?:[^"\\]|\\.)*(?:"|\Z) | '(?:[^'\\]|\\.)*(?:'|\Z) | `[^`]*(?:`|\Z) | [)\]}] | [\w$]+ )
    | (?P<equals> == )
    | (?P<slash> / )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Respelled:
    """A text as JSONata spells it."""

    text: str
    _removed: tuple[int, ...] = ()
    """Positions in ``text`` from which on one more character is missing."""

    def original(self, offset: int) -> int:
        """The position in the original text of position ``offset`` in this one."""
        return offset + bisect_right(self._removed, offset)


def respell(text: str) -> Respelled:
    """``text`` with every ``==`` that is an operator written ``=``."""
    if "==" not in text:
        return Respelled(text)
    parts: list[str] = []
    removed: list[int] = []
    position = length = 0
    after_operand = False
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token is not None  # noqa: S101 - the last alternative takes any character
        kind, end = token.lastgroup, token.end()
        if kind == "slash" and not after_operand:
            end = _end_of_pattern(text, position)
        part = "=" if kind == "equals" else text[position:end]
        parts.append(part)
        length += len(part)
        if kind == "equals":
            removed.append(length)
        if kind != "skipped":
            after_operand = kind == "operand" or (kind == "slash" and end > position + 1)
            after_operand = after_operand and text[position:end] not in ("and", "or", "in")
        position = end
    return Respelled("".join(parts), tuple(removed))


def _end_of_pattern(text: str, start: int) -> int:
    """Where the regular expression that begins at ``start`` ends, as JSONata's reader sees it: at the first slash that
    is neither escaped nor inside brackets.
    """
    depth = 0
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "/" and depth == 0:
            return position + 1
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        position += 1
    return len(text)
