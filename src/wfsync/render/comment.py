"""A pull-request comment that stays below GitHub's limit, cut on row boundaries (spec: cli.md "Output")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["MAX_COMMENT", "Comment", "marker", "units"]

MAX_COMMENT: Final = 65_536
"""GitHub's limit. What is written stays below it in characters and in UTF-16 units."""

_RESERVE: Final = 1024
"""Room for the sentences that say what was left out."""


class Comment:
    """Text that grows up to a limit, in whole rows; used within one call and thrown away.

    ``tail`` ends the comment whatever is left out.
    """

    def __init__(self, head: str, tail: str, limit: int) -> None:
        self._room = limit - _RESERVE - units(tail)
        self._parts = [head]
        self._used = units(head)
        self._tail = tail

    def section(self, header: str, rows: Sequence[str], what: str) -> None:
        """Add a header and as many whole rows as fit; if not all do, a sentence that says how many are missing."""
        if not rows:
            return
        shown = 0
        used = self._used + units(header)
        for row in rows:
            if used + units(row) >= self._room:
                break
            used += units(row)
            shown += 1
        if shown:
            self._parts += [header, *rows[:shown]]
            self._used = used
        if shown < len(rows):
            missing = len(rows) - shown
            self._parts.append(f"\n*{missing} of {len(rows)} {what} are not shown: the comment would be too long.*\n")

    def text(self) -> str:
        """The whole comment."""
        return "".join([*self._parts, self._tail])


def marker(kind: str, **facts: str) -> str:
    """The first line: invisible, the same for the same facts, so that a bot finds its comment again.

    >>> marker("plan", tenant="a-->b")
    '<!-- wfsync:plan tenant=a-__b -->'
    """
    words = [f"{name}={_word(fact)}" for name, fact in facts.items()]
    return f"<!-- wfsync:{' '.join([kind, *words])} -->"


def units(text: str) -> int:
    """How many UTF-16 units ``text`` has: at least its number of characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _word(text: str) -> str:
    """One word in which nothing can end the comment."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._:/@-") else "_" for c in text)
    return safe[:200].replace("--", "-_")
