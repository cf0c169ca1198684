"""What a plain YAML scalar means: the core schema of YAML 1.2 (chapter 10.3), with exact numbers.

PyYAML's own resolver speaks YAML 1.1, where ``on`` is true, ``1:30`` is ninety and ``2024-01-01`` a date; here all of
these are text.
"""

from __future__ import annotations

import re
from typing import Final

from wfsync.bundle.model import Json
from wfsync.bundle.numbers import OutOfRange, parse_number

__all__ = ["resolve"]

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STARTS: Final = frozenset("~nNtTfF+-.0123456789")
_DECIMAL: Final = re.compile(r"([-+]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([-+]?[0-9]+))?")
_OCTAL: Final = re.compile(r"0o([0-7]+)")
_HEXADECIMAL: Final = re.compile(r"0x([0-9a-fA-F]+)")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_DIGITS: Final = 1024 // 3 + 2
"""More octal or hexadecimal digits than this (without leading zeros) are beyond binary64 for certain."""


def resolve(text: str) -> Json:
    """The value of the plain scalar ``text``: None, bool, a number (`wfsync.bundle.numbers`), or ``text`` itself.

    Raises `OutOfRange` for a number beyond binary64 and for ``.inf`` and ``.nan``, which JSON does not have.
    """
    if text and text[0] not in _STARTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    match = _DECIMAL.fullmatch(text)
    if match:
        sign, whole, fraction, only_fraction, exponent = match.groups(default="")
        fraction = fraction or only_fraction
        # The same number in JSON's grammar, which allows neither +1 nor 007, .5 or 1.
        number = ("-" if sign == "-" else "") + (whole.lstrip("0") or "0")
        number += f".{fraction}" if fraction else ""
        return parse_number(number + (f"e{exponent}" if exponent else ""))
    for pattern, base in ((_OCTAL, 8), (_HEXADECIMAL, 16)):
        match = pattern.fullmatch(text)
        if match:
            return _based(match.group(1).lstrip("0") or "0", base)
    if _NOT_FINITE.fullmatch(text):
        raise OutOfRange(text)
    return text


def _based(digits: str, base: int) -> int:
    if len(digits) <= _LONGEST_DIGITS:
        value = int(digits, base)
        try:
            float(value)
        except OverflowError:
            pass
        else:
            return value
    raise OutOfRange(f"{'0x' if base == 16 else '0o'}{digits[:20]}…")
