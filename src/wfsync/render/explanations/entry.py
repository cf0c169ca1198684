"""One code of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Chapter", "Explanation"]

_ENDS: Final = {
    0: "A warning or a note: the exit code stays 0.",
    1: "Exit code 1: error.",
    3: "Exit code 3: conflict.",
    4: "Exit code 4: refused.",
    5: "Exit code 5: a lock was not free in time; it can be tried again.",
    64: "Exit code 64: a mistake on the command line.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means."""

    code: str
    exit_code: int
    """Of a command that ends with it; 0 where it is only a warning or a note."""
    meaning: str
    """Sentences; the first stands for itself in the list of all codes."""
    action: str
    """What to do, as sentences."""

    @property
    def summary(self) -> str:
        """The first sentence of the meaning, without its full stop."""
        return self.meaning.partition(". ")[0].removesuffix(".")

    @property
    def ends(self) -> str:
        """How a command ends with it."""
        return _ENDS[self.exit_code]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Codes of one kind."""

    title: str
    about: str
    entries: tuple[Explanation, ...]
