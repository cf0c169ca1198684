"""Regular expressions of JSONata through RE2, which does not backtrack, and what finding all matches costs.

One search takes time in proportion to text and program. Finding *all* matches can still be quadratic: a search may look
at the whole rest before it settles for a short match, as `a.*?b|a` does. Patterns that cannot do that are told by their
text; for the others each search is paid for as if it had read the whole rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import re2
from jsonata.regex_engine import RegexFlags

from wfsync.expressions import limits
from wfsync.expressions.faults import EvaluationFailed, ExpressionFault
from wfsync.expressions.values import NULL, Function

__all__ = ["Pattern", "described"]

_MEMORY: Final = 1 << 18
"""Bytes of one pattern's automaton; RE2 refuses patterns that need more, before it has spent long on them."""
_PER_STEP: Final = 9
"""One step pays for 2^9 (bytes of text x instructions of the program), the slowest way in which RE2 works."""
_PER_MATCH: Final = 4
_PARTS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


class Pattern(Function):
    """A compiled regular expression; in JSONata also a function that matches a text."""

    __slots__ = ("_cost", "_is_simple", "_regex")

    def __init__(self, pattern: str, flags: RegexFlags) -> None:
        """Raises `ExpressionFault` when RE2 does not take ``pattern``."""
        if len(pattern) > limits.MAX_PATTERN:
            raise ExpressionFault(f"the regular expression is longer than {limits.MAX_PATTERN} characters", "TOO_LONG")
        letters = ("i" if flags.case_insensitive else "") + ("m" if flags.multiline else "")
        self._regex = _compiled(f"(?{letters}){pattern}" if letters else pattern)
        self._cost = max(8, self._regex.programsize)
        self._is_simple = _is_simple(pattern)

    def call(self, run: limits.Run, arguments: list[Any], _context: Any) -> Any:
        """A regular expression as a function: its first match in a text."""
        if arguments and isinstance(arguments[0], str):
            for match in self.matches(arguments[0], run):
                return described(match)
        return None

    def found_in(self, text: str, run: limits.Run) -> bool:
        """True when there is a match in ``text``."""
        self._pay(len(text), run)
        return self._regex.search(_encodable(text)) is not None

    def matches(self, text: str, run: limits.Run) -> Iterator[Any]:
        """Every match in ``text`` as JSONata looks for them. Raises `EvaluationFailed` (``D1004``) for an empty one."""
        length = len(text)
        position = 0
        self._pay(0 if self._is_simple else length, run)
        for match in self._regex.finditer(_encodable(text)):
            if match.start() == match.end():
                raise EvaluationFailed("the regular expression matches an empty text", "D1004")
            run.charge(_PER_MATCH)
            self._pay(match.end() - position if self._is_simple else length - match.end(), run)
            position = match.end()
            yield match
            if position >= length:
                return
        self._pay(length - position, run)

    def _pay(self, length: int, run: limits.Run) -> None:
        run.charge(length * self._cost >> _PER_STEP)


def described(match: Any) -> dict[str, Any]:
    """A match as expressions see it."""
    groups = [NULL if group is None else group for group in match.groups()]
    return {"match": match.group(), "start": match.start(), "end": match.end(), "groups": groups}


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EvaluationFailed("a text has half a surrogate pair", limits.NOT_JSON) from None
    return text


def _is_simple(pattern: str) -> bool:
    """True when no search reads on after a match that it could return: there are no alternatives and no group that may
    be missing or repeated.
    """
    previous = ""
    for part in _PARTS.findall(pattern):
        if part == "|" or (previous == ")" and part in "?*+{"):
            return False
        previous = part
    return True


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        hint = "expressions know RE2's syntax: neither look-around nor back-references"
        raise ExpressionFault(f"this is no regular expression: {said}", "REGEX", hint=hint) from None
    except UnicodeEncodeError:
        raise ExpressionFault("the regular expression has half a surrogate pair", "REGEX") from None
