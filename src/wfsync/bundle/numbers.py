"""Numbers, exactly: from text to value and back, so that the text depends on the numeric value only.

`bundle.md`, "Canonical bytes". A value is an ``int`` when it is integral, in whatever notation it was written and
however large it is, else a ``float`` that is never integral. Nothing here costs more than the length of the text: an
exponent of a billion is refused or becomes zero before any power of ten is computed.
"""

from __future__ import annotations

import math
import re
from typing import Final

__all__ = ["NUMBER", "OutOfRange", "SmallNumber", "canonical_number", "ecmascript", "parse_number"]

NUMBER: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
"""JSON's number grammar (RFC 8259, section 6): sign, whole part, fraction, sign and digits of the exponent."""

_PLAIN_INTEGER_LIMIT: Final = 10**21
"""ECMAScript writes integers below this with all their digits."""

_LARGEST_EXPONENT: Final = 308
_SMALLEST_EXPONENT: Final = -400
"""Far below the smallest positive binary64 (about 5e-324): everything here is zero."""

_EXPONENT_DIGITS: Final = 15
"""An exponent with more digits decides alone: no text is long enough to balance it."""

_SIGNIFICANT_DIGITS: Final = 800
"""The midpoint of two neighbouring binary64 has at most 768 significant digits; what follows only says "a bit more"."""


_SMALL: Final = 1e-5


class SmallNumber(float):
    """A number nearer to zero than 1e-5: a float in all respects.

    The C serialiser spells these otherwise than ECMAScript. It hands values of a type that it does not know to a
    callback, so the type alone makes its text right, at no cost for all other numbers (`wfsync.bundle.canonical`).
    """

    __slots__ = ()


class OutOfRange(ValueError):
    """The number's magnitude is beyond binary64."""


def parse_number(text: str) -> int | float:
    """The value of ``text``, which must match JSON's number grammar.

    Integral values are exact ints (``1.0``, ``1e3`` and ``1.5e1`` too; minus zero is 0). Others are the nearest
    binary64; where that is integral (``9007199254740993.5``) the result is the int that its ECMAScript text denotes, so
    that `canonical_number` gives the nearest binary64 in ECMAScript form, as `bundle.md` asks, and reading that text
    gives the same value again.

    Raises:
        OutOfRange: the nearest binary64 is infinite.
        ValueError: ``text`` is not a JSON number.
    """
    match = NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("not a JSON number")
    sign, whole, fraction, exponent_sign, exponent_digits = match.groups(default="")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 0
    exponent_digits = exponent_digits.lstrip("0")
    if len(exponent_digits) > _EXPONENT_DIGITS:
        if exponent_sign == "-":
            return 0
        raise OutOfRange(_shown(text))
    exponent = int(exponent_sign + (exponent_digits or "0")) - len(fraction) + len(digits) - len(significant)
    # The value is 0.d1d2… × 10^(exponent + number of digits); its first digit decides whether it can be held at all.
    leading = exponent + len(significant) - 1
    if leading > _LARGEST_EXPONENT:
        raise OutOfRange(_shown(text))
    if leading < _SMALLEST_EXPONENT:
        return 0
    if exponent >= 0:
        return _integral(sign, significant, exponent, text)
    return _nearest(sign, significant, exponent, text)


def ecmascript(value: float) -> str:
    """ECMAScript's ``Number::toString`` of a finite double: ``1e-7``, ``0.000001``, ``1e+21``.

    Raises:
        OutOfRange: ``value`` is infinite or not a number.
    """
    if not math.isfinite(value):
        raise OutOfRange(str(value))
    if value == 0:
        return "0"
    # repr gives the shortest digits that round-trip and, among those, the nearest: exactly what ECMAScript asks for.
    mantissa, _, exponent_text = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    all_digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent_text or "0") - (len(whole + fraction) - len(all_digits))
    digits = all_digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def canonical_number(value: int | float) -> str:  # noqa: PYI041 - both are meant, an int is not rounded
    """The one text of a number (`bundle.md`, "Canonical bytes").

    Integral and below 10^21: its digits. Integral and larger: the ECMAScript form if that denotes exactly the value,
    else its digits. Everything else: the nearest binary64 in ECMAScript form. Equal values have equal text.

    Raises:
        OutOfRange: the magnitude is beyond binary64, or the value is infinite or not a number.
    """
    if isinstance(value, float):
        if not value.is_integer():
            return ecmascript(value)
        value = int(value)
    if -_PLAIN_INTEGER_LIMIT < value < _PLAIN_INTEGER_LIMIT:
        return int.__repr__(value)
    try:
        short = ecmascript(float(value))
    except OverflowError:
        raise OutOfRange(f"an integer of {value.bit_length()} bits") from None
    return short if _denoted(short) == value else int.__repr__(value)


def _integral(sign: str, significant: str, exponent: int, text: str) -> int:
    value = int(sign + significant + "0" * exponent)
    try:
        float(value)
    except OverflowError:
        raise OutOfRange(_shown(text)) from None
    return value


def _nearest(sign: str, significant: str, exponent: int, text: str) -> int | float:
    if len(significant) > _SIGNIFICANT_DIGITS:
        exponent += len(significant) - _SIGNIFICANT_DIGITS - 1
        significant = significant[:_SIGNIFICANT_DIGITS] + "1"
    value = float(f"{sign}{significant}e{exponent}")
    if math.isinf(value):
        raise OutOfRange(_shown(text))
    if value.is_integer():
        return _denoted(ecmascript(value))
    return SmallNumber(value) if -_SMALL < value < _SMALL else value


def _denoted(text: str) -> int:
    """The integer that an integral ECMAScript text denotes as a decimal."""
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    return int((whole + fraction).ljust(len(whole) + int(exponent or "0"), "0"))


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:24]}…{text[-8:]}"
