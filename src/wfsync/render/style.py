"""Colour for a terminal, as plain escape sequences: the same text with and without, character for character."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Paint", "Style"]

Style = Literal["green", "red", "yellow", "cyan", "bold", "dim"]
_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


@dataclass(frozen=True, slots=True)
class Paint:
    """Paints text, or leaves it alone when colour is off. Text must be escaped before, never after."""

    color: bool

    def __call__(self, style: Style, text: str) -> str:
        """``text`` in ``style``, or as it is."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color and text else text
