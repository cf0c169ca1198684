"""Functions on numbers and truth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from jsonata.datetimeutils import DateTimeUtils
from jsonata.functions import Functions

from wfsync.expressions import limits
from wfsync.expressions.calls import Builtin
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.limits import Run
from wfsync.expressions.values import is_number, truth

__all__ = ["NUMBERS", "check_picture"]

_DECIMAL: Final = re.compile(r"\s*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\s*", re.ASCII)
_PREFIXED: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[bB][01]+|[oO][0-7]+)", re.ASCII)
_LARGEST: Final = 10**18
"""Written in words or letters; above it words would be repeated."""
_LARGEST_ROMAN: Final = 100_000
_WORDS: Final = frozenset({"infinity", "NaN"})
_MAX_WORD: Final = 20


def _out_of_range() -> EvaluationFailed:
    return EvaluationFailed("the number is out of range", "D1001")


def _sum(_run: Run, numbers: list[float] | None) -> float | None:
    return None if numbers is None else sum(numbers)


def _average(_run: Run, numbers: list[float] | None) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _most(choose: Callable[[list[float]], float]) -> Callable[[Run, list[float] | None], float | None]:
    return lambda _run, numbers: choose(numbers) if numbers else None


def _maybe(meaning: Callable[[float], Any]) -> Callable[[Run, Any], Any]:
    """A function of one number, missing when that is."""
    return lambda _run, value: None if value is None else meaning(value)


def _number(_run: Run, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if is_number(value):
        return float(value) if isinstance(value, float) else int(value)
    if len(value) <= limits.MAX_PICTURE:
        if _PREFIXED.fullmatch(value):
            return int(value, 0)
        if _DECIMAL.fullmatch(value):
            try:
                return int(value)
            except ValueError:
                return float(value)
    raise EvaluationFailed("this text is no number", "D3030")


def _round(_run: Run, value: float | None, precision: Any) -> float | None:
    if value is None:
        return None
    digits = 0 if precision is None else int(precision)
    try:
        return float(Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN))
    except InvalidOperation:  # more digits than the number has
        return value if digits > 0 else 0 if abs(digits) > _MAX_WORD else value


def _root(value: float) -> float:
    if value < 0:
        raise EvaluationFailed("a negative number has no square root", "D3060")
    return math.sqrt(value)


def _power(_run: Run, base: float | None, exponent: float | None) -> float | None:
    if base is None or exponent is None:
        return None
    try:
        result: Any = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        result = math.inf
    if isinstance(result, complex) or not math.isfinite(result):
        raise EvaluationFailed("the power is no number that JSON can hold", "D3061")
    return float(result)


def _boolean(run: Run, value: Any) -> bool | None:
    return None if value is None else truth(value, run)


def _not(run: Run, value: Any) -> bool | None:
    return None if value is None else not truth(value, run)


def check_picture(picture: Any) -> None:
    """Raise `EvaluationFailed` when a picture is too long to be worked with."""
    if isinstance(picture, str) and len(picture) > limits.MAX_PICTURE:
        raise EvaluationFailed(f"a picture may have {limits.MAX_PICTURE} characters", limits.TEXT_TOO_LONG)


def _format_number(_run: Run, value: float | None, picture: str | None, options: Any) -> Any:
    if value is None or picture is None:
        return None
    check_picture(picture)
    for name, option in (options or {}).items():
        # They become part of a pattern of Python's own engine: one character of it can do no harm
        if not isinstance(option, str) or len(option) > (_MAX_WORD if name in _WORDS else 1) or not option:
            raise EvaluationFailed("an option of $formatNumber is one character", "BAD_ARGUMENT")
    return Functions.format_number(value, picture, options or None)


def _format_base(_run: Run, value: float | None, radix: Any) -> str | None:
    if value is None:
        return None
    base = 10 if radix is None else int(radix)
    if not 2 <= base <= 36:
        raise EvaluationFailed("the base must be between 2 and 36", "D3100")
    return str(Functions.base_repr(round(value), base).lower())


def _format_integer(_run: Run, value: float | None, picture: str | None) -> Any:
    if value is None or picture is None:
        return None
    check_picture(picture)
    whole = math.floor(value)
    largest = _LARGEST_ROMAN if picture[:1] in ("I", "i") else _LARGEST
    if abs(whole) > largest:
        raise _out_of_range()
    return DateTimeUtils.format_integer(whole, picture)


def _parse_integer(_run: Run, text: str | None, picture: str | None) -> Any:
    if text is None or picture is None:
        return None
    check_picture(picture)
    check_picture(text)
    return DateTimeUtils.parse_integer(text, picture)


NUMBERS: Final = (
    Builtin("sum", "<a<n>:n>", _sum),
    Builtin("max", "<a<n>:n>", _most(max)),
    Builtin("min", "<a<n>:n>", _most(min)),
    Builtin("average", "<a<n>:n>", _average),
    Builtin("number", "<(nsb)-:n>", _number),
    Builtin("floor", "<n-:n>", _maybe(math.floor)),
    Builtin("ceil", "<n-:n>", _maybe(math.ceil)),
    Builtin("round", "<n-n?:n>", _round),
    Builtin("abs", "<n-:n>", _maybe(abs)),
    Builtin("sqrt", "<n-:n>", _maybe(_root)),
    Builtin("power", "<n-n:n>", _power),
    Builtin("boolean", "<x-:b>", _boolean),
    Builtin("not", "<x-:b>", _not),
    Builtin("formatNumber", "<n-so?:s>", _format_number),
    Builtin("formatBase", "<n-n?:s>", _format_base),
    Builtin("formatInteger", "<n-s:s>", _format_integer),
    Builtin("parseInteger", "<s-s:n>", _parse_integer),
)
