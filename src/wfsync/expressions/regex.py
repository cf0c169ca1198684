"""Regular expressions over text of strangers: RE2, which never backtracks, with bounds on the work of finding all.

One search takes time linear in the text. Finding *all* matches can still be quadratic, because each search may look at
the whole rest before it settles for a short match; so text, number of matches and the sum of what searches may look at
are bounded, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

__all__ = ["MAX_MATCHES", "MAX_PATTERN", "MAX_TEXT", "MAX_WORK", "Match", "RegexFault", "find"]

MAX_PATTERN: Final = 1000
MAX_TEXT: Final = 64 * 1024
"""The most bytes of UTF-8 that are searched."""
MAX_MATCHES: Final = 2000
MAX_WORK: Final = 8_000_000_000
"""Of one call: for each search, the characters that are left times the size of the compiled pattern. The worst that was
found takes 0.7 s; words of a text of 64 KiB take a thousandth of it.
"""
_MEMORY: Final = 1 << 20
"""Of one compiled pattern and its automaton. RE2 refuses patterns that would need more."""


class RegexFault(ValueError):
    """The pattern is no regular expression for RE2, or too much was asked of it; the message says which."""


@dataclass(frozen=True, slots=True)
class Match:
    """One match. Positions count characters (code points) from 0."""

    text: str
    start: int
    end: int
    groups: tuple[str | None, ...]
    """Of the parentheses, first to last; None for one that took no part."""
    names: dict[str, str | None]


def find(
    pattern: str, text: str, *, ignore_case: bool = False, multiline: bool = False, dot_all: bool = False
) -> Iterator[Match]:
    """Every match of ``pattern`` in ``text``, left to right, none overlapping another.

    Raises `RegexFault` for a faulty pattern, for text above `MAX_TEXT`, and when the caller asks for more than
    `MAX_MATCHES` matches. Needs ``wfsync[runtime]``.
    """
    flags = "".join(flag for flag, on in (("i", ignore_case), ("m", multiline), ("s", dot_all)) if on)
    compiled = _compiled(f"(?{flags}){pattern}" if flags else pattern, len(pattern))
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise RegexFault("the text has half a surrogate pair") from None
    if size > MAX_TEXT:
        raise RegexFault(f"the text is longer than {MAX_TEXT} bytes, the most that is searched")
    return _all(compiled, text)


def _all(compiled: Any, text: str) -> Iterator[Match]:
    # The first search is always affordable; each further one is paid for by the characters that it may look at.
    left = MAX_WORK
    for count, found in enumerate(compiled.finditer(text)):
        left -= (len(text) - found.start()) * compiled.programsize
        if count == MAX_MATCHES:
            raise RegexFault(f"there are more than {MAX_MATCHES} matches")
        if left < 0:
            raise RegexFault("finding all matches is too much work: the pattern looks far ahead for each of them")
        yield Match(found.group(), found.start(), found.end(), found.groups(), found.groupdict())


@lru_cache(maxsize=256)
def _compiled(pattern: str, length: int) -> Any:
    import re2

    if length > MAX_PATTERN:
        raise RegexFault(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise RegexFault(f"RE2 refuses the pattern: {said}") from None
    except UnicodeEncodeError:
        raise RegexFault("the pattern has half a surrogate pair") from None
