"""The brake: how many workflows one apply may change or delete (spec: cli.md "Consent"). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["LIMIT_PATTERN", "Limit", "default_deletes", "parse_limit"]

LIMIT_PATTERN: Final = r"[0-9]{1,9}|(?:100|[0-9]{1,2})%"
"""``N`` or ``N%``; the whole text."""

_DELETES: Final = 3
_DELETES_PERCENT: Final = 30


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of workflows, or a part of them."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """How many that is where there are ``total``; a part is rounded down."""
        return total * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


def parse_limit(value: str | int) -> Limit:
    """``10`` or ``"30%"`` → `Limit`. Raises `ValueError` for anything else."""
    text = str(value)
    if re.fullmatch(LIMIT_PATTERN, text) is None:
        raise ValueError(f"{text!r} is neither a number of workflows nor a percentage such as 30%")
    return Limit(int(text.removesuffix("%")), text.endswith("%"))


def default_deletes(managed: int) -> int:
    """The brake on deletes that nobody set: the larger of 3 and 30 % of the managed workflows."""
    return max(_DELETES, Limit(_DELETES_PERCENT, percent=True).of(managed))
