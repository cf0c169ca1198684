"""Most expressions are told to be sound by their looks, fifty times as fast as they are parsed.

A false no only costs time; a yes must be true, which a property test compares with the parser.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = ["is_plainly_sound"]

_LONGEST: Final = 300
"""Characters; so short a chain of operators is nested less than `limits.MAX_DEPTH` deep."""
_LEVELS: Final = 1
"""Of calls, arrays and parentheses within each other."""
_FUNCTIONS: Final = (
    r"(?:\$?(?:nowIso|coalesce|len|toString|append)|\$(?:string|length|substring|substringBefore|substringAfter"
    r"|lowercase|uppercase|trim|contains|split|join|replace|number|sum|max|min|average|round|floor|ceil|abs|count"
    r"|exists|not|boolean|sort|distinct|reverse|keys|lookup|merge|type|toMillis|fromMillis))"
)
_NAME: Final = r"(?!(?:and|or|in|true|false|null|function)\b)[A-Za-z_][A-Za-z0-9_]*+"
_TEXT: Final = r"""(?:'[^'\\]*+'|"[^"\\]*+")"""
_NUMBER: Final = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9})?"
_BLANK: Final = r"[ \t\n\r]*+"
_OPERATOR: Final = rf"(?>{_BLANK}(?:==|!=|<=|>=|[=<>&+*-]){_BLANK}|[ \t\n\r]++(?:and|or|in)[ \t\n\r]++)"


def _chain(value: str) -> str:
    return rf"{value}(?:{_OPERATOR}{value})*+"


def _pattern() -> str:
    value = rf"(?>{_NAME}(?:\.{_NAME})*+(?![(\w])|{_TEXT}|{_NUMBER}(?![\w.])|(?:true|false|null)\b(?!\.))"
    for _ in range(_LEVELS):
        several = rf"{_BLANK}(?:{_chain(value)}(?:{_BLANK},{_BLANK}{_chain(value)})*+)?+{_BLANK}"
        value = rf"(?>{_FUNCTIONS}\({several}\)|\[{several}\]|\({_BLANK}{_chain(value)}{_BLANK}\)|{value})"
    return rf"{_BLANK}{_chain(value)}{_BLANK}"


@cache
def _sound() -> re.Pattern[str]:
    return re.compile(_pattern(), re.ASCII)  # takes ten milliseconds


def is_plainly_sound(text: str) -> bool:
    """True when ``text`` is certainly an expression that is allowed: paths, literals, operators and common functions,
    not deep within each other.
    """
    return len(text) <= _LONGEST and _sound().fullmatch(text) is not None
