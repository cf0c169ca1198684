"""Where a text may be cut: never inside of what a reader sees as one character."""

from __future__ import annotations

from typing import Final
from unicodedata import category

__all__ = ["cut"]

_JOINER: Final = "\u200d"
_LONGEST: Final = 64
"""How far a cut moves back at most: nobody writes longer clusters, and a text of accents only must not be all gone."""


def cut(text: str, length: int, *, whole_words: bool = False) -> str:
    """The first ``length`` characters of ``text``, or a few fewer, so that accents and joined emoji stay whole.

    ``whole_words`` moves back to a gap between words if one is in the last third.
    """
    end = max(length, 0)
    if end >= len(text):
        return text
    if whole_words and not text[end].isspace():
        gap = next((i for i in range(end, end * 2 // 3, -1) if text[i - 1].isspace()), None)
        if gap is not None:
            return text[:gap].rstrip()
    floor = max(end - _LONGEST, 0)
    while end > floor and _inside(text, end):
        end -= 1
    return text[:end]


def _inside(text: str, at: int) -> bool:
    """Whether the characters before and after ``at`` belong together. Simpler than UAX 29, and enough for cutting."""
    before, after = text[at - 1], text[at]
    if _JOINER in {before, after} or category(after) in {"Mn", "Me", "Mc"} or _is_skin_tone(after):
        return True
    if (before, after) == ("\r", "\n"):
        return True
    return _is_flag_half(before) and _is_flag_half(after) and _halves_before(text, at) % 2 == 1


def _is_skin_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _halves_before(text: str, at: int) -> int:
    count = 0
    while count < at and count < _LONGEST and _is_flag_half(text[at - 1 - count]):
        count += 1
    return count
