"""``-k EXPR``: parts of names, combined with ``and``, ``or``, ``not`` and parentheses, as test runners do.

A part is a word or a quoted text. It is sought in a test's id (``FILE::NAME``) and its workflow's key, whatever the
case of letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wfsync.testing.model import Case

__all__ = ["InvalidExpression", "selection"]

_TOKEN: Final = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))""")
_MOST_PARTS: Final = 500

Matches = Callable[[str], bool]


class InvalidExpression(ValueError):
    """The text is no expression; the message says where."""


def selection(text: str) -> Callable[[Case], bool]:
    """Whether a test is meant by ``text``. Raises `InvalidExpression`."""
    parser = _Parser(_tokens(text))
    matches = parser.alternatives()
    parser.end()
    return lambda case: matches(f"{case.id} {case.workflow}".lower())


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    is_part: bool
    """Quoted: never ``and``, ``or``, ``not`` or a parenthesis."""
    column: int


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidExpression(f"the quote at column {position + 1} is not closed")
        column = match.start(match.lastgroup or 0) + 1
        quoted = match.lastgroup in {"double", "single"}
        tokens.append(_Token(match[match.lastgroup or 0], quoted, column))
        position = match.end()
    if len(tokens) > _MOST_PARTS:
        raise InvalidExpression(f"more than {_MOST_PARTS} parts")
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def alternatives(self) -> Matches:
        """``a or b``."""
        parts = [self._all_of()]
        while self._takes("or"):
            parts.append(self._all_of())
        return lambda text: any(part(text) for part in parts)

    def _all_of(self) -> Matches:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return lambda text: all(part(text) for part in parts)

    def _one(self) -> Matches:
        negated = False
        while self._takes("not"):
            negated = not negated
        if self._takes("("):
            inner = self.alternatives()
            if not self._takes(")"):
                raise InvalidExpression("a parenthesis is not closed")
        else:
            inner = self._part()
        return (lambda text: not inner(text)) if negated else inner

    def _part(self) -> Matches:
        token = self._peek()
        if token is None:
            raise InvalidExpression("something is missing at the end")
        if not token.is_part and token.text in {"and", "or", ")"}:
            raise InvalidExpression(f"{token.text!r} at column {token.column} stands where a name must be")
        self._next += 1
        wanted = token.text.lower()
        return lambda text: wanted in text

    def end(self) -> None:
        """Raise where something is left."""
        token = self._peek()
        if token is not None:
            raise InvalidExpression(
                f"{token.text!r} at column {token.column}: join names with and, or; quote names that have spaces"
            )

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _takes(self, sign: str) -> bool:
        token = self._peek()
        if token is None or token.is_part or token.text != sign:
            return False
        self._next += 1
        return True
