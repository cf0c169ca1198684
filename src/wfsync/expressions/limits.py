"""How much one expression may ask for, and the count of it: the same numbers on every machine.

Everything an evaluation does is paid for in steps: one for each part of the syntax tree that is evaluated, and more for
work that grows with the data (a step for so many characters, elements or members). The budget therefore bounds time and
memory together. The clock only protects the process from a machine that is too slow for its steps.
"""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import Any, Final

from wfsync.expressions.faults import EvaluationAborted, EvaluationFailed

__all__ = [
    "DEPTH",
    "INPUT_TOO_LARGE",
    "MAX_DATA_DEPTH",
    "MAX_DEPTH",
    "MAX_EXPRESSION",
    "MAX_INPUT",
    "MAX_NODES",
    "MAX_OUTPUT",
    "MAX_PATTERN",
    "MAX_PATTERNS",
    "MAX_PICTURE",
    "MAX_SEQUENCE",
    "MAX_STEPS",
    "MAX_TEXT",
    "NOT_JSON",
    "OUTPUT_TOO_LARGE",
    "SEQUENCE_TOO_LONG",
    "STEPS",
    "TEXT_TOO_LONG",
    "WALL_CLOCK",
    "Run",
    "too_deep",
]

MAX_EXPRESSION: Final = 10_000
"""Characters of an expression."""
MAX_NODES: Final = 20_000
"""Parts of its syntax tree."""
MAX_DEPTH: Final = 200
"""Of its syntax tree, and of functions that call functions."""
MAX_STEPS: Final = 200_000
MAX_TEXT: Final = 1_048_576
"""Characters of a text that an expression makes."""
MAX_SEQUENCE: Final = 100_000
"""Elements of an array that an expression makes."""
MAX_INPUT: Final = 4 * 1024 * 1024
"""Bytes of JSON of each root that an expression reads."""
MAX_OUTPUT: Final = 256 * 1024
"""Bytes of JSON of a result."""
MAX_DATA_DEPTH: Final = 210
"""Of nested data; a little more than files may have."""
MAX_PATTERN: Final = 1000
"""Characters of a regular expression."""
MAX_PATTERNS: Final = 16
"""Regular expressions of an expression."""
MAX_PICTURE: Final = 200
"""Characters of a picture (`$formatNumber`, `$fromMillis`, …) and of what is read by one."""
WALL_CLOCK: Final = 1.0
"""Seconds."""

STEPS: Final = "TOO_MANY_STEPS"
DEPTH: Final = "TOO_DEEP"
TEXT_TOO_LONG: Final = "TEXT_TOO_LONG"
SEQUENCE_TOO_LONG: Final = "SEQUENCE_TOO_LONG"
INPUT_TOO_LARGE: Final = "INPUT_TOO_LARGE"
OUTPUT_TOO_LARGE: Final = "OUTPUT_TOO_LARGE"
NOT_JSON: Final = "NOT_JSON"

_SLICE: Final = 4096
"""Steps between two looks at the clock."""


class Run:
    """One evaluation: what it has left, and the moment that it takes for now."""

    __slots__ = ("_deadline", "_reserve", "depth", "left", "now", "root")

    def __init__(self, root: dict[str, Any], now: datetime) -> None:
        self.root = root
        self.now = now
        self.left = _SLICE
        """Steps until `refill` is due. Whoever takes some calls it when the number falls below zero."""
        self.depth = 0
        """Functions that are being called within each other."""
        self._reserve = MAX_STEPS - _SLICE
        self._deadline = monotonic() + WALL_CLOCK

    def charge(self, steps: int) -> None:
        """Take ``steps`` for work that is about to be done. Raises `EvaluationFailed`, `EvaluationAborted`."""
        self.left -= steps
        if self.left < 0:
            self.refill()

    def refill(self) -> None:
        """Take the next steps from the budget. Raises `EvaluationFailed` when it is used up, `EvaluationAborted` when
        the clock has run out.
        """
        available = self._reserve + self.left
        if available < 0:
            raise EvaluationFailed(f"the expression needs more than {MAX_STEPS} steps", STEPS)
        if monotonic() > self._deadline:
            raise EvaluationAborted(f"the machine was too slow for the expression: {WALL_CLOCK:g} s")
        self.left = min(_SLICE, available)
        self._reserve = available - self.left

    def allow_text(self, length: int) -> None:
        """Pay for a text of ``length`` characters that is about to be made."""
        if length > MAX_TEXT:
            raise EvaluationFailed(f"a text would be longer than {MAX_TEXT} characters", TEXT_TOO_LONG)
        self.charge(length >> 6)

    def allow_sequence(self, length: int) -> None:
        """Pay for an array of ``length`` elements that is about to be made."""
        if length > MAX_SEQUENCE:
            raise EvaluationFailed(f"an array would have more than {MAX_SEQUENCE} elements", SEQUENCE_TOO_LONG)
        self.charge(length >> 3)


def too_deep() -> EvaluationFailed:
    """Data or calls are nested too deeply."""
    return EvaluationFailed("data or calls are nested too deeply", DEPTH)
