"""JSON values as JSONata's evaluator has them, and the walks over them, all of them bounded.

Inside, nothing is None and null is `NULL`; a `Sequence` is a list that a path collected, which is its element when it
has one and nothing when it has none. Values are shared and never changed, so a small expression can make a value that
is huge when it is written out; whoever walks over one pays for each step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final

import orjson
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils

from wfsync.expressions import limits
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.limits import Run, too_deep

__all__ = [
    "NULL",
    "Array",
    "Function",
    "Sequence",
    "equal",
    "finished",
    "is_number",
    "number",
    "prepared",
    "sequence_of",
    "text_of",
    "truth",
]

NULL: Final = Utils.NULL_VALUE
_DIGITS: Final = Context(prec=15)
"""JSONata writes this many digits of a number that is no integer."""


class Function(Jsonata.JFunctionCallable):  # type: ignore[misc] # ships no types
    """A function as a value."""

    __slots__ = ()
    arity = 1
    """How many arguments it wants."""

    def call(self, run: Run, arguments: list[Any], context: Any) -> Any:
        """Its result; ``context`` stands for a missing first argument of some functions."""
        raise NotImplementedError


class Sequence(Utils.JList):  # type: ignore[misc] # ships no types
    """What a path collected."""

    sequence = True
    outer_wrapper = False
    tuple_stream = False
    keep_singleton = False
    cons = False

    def __init__(self, items: Any = ()) -> None:
        list.__init__(self, items)  # the library's sets five attributes each time


class Array(Utils.JList):  # type: ignore[misc] # ships no types
    """An array that the expression made."""

    sequence = False
    outer_wrapper = False
    tuple_stream = False
    keep_singleton = False
    cons = False

    def __init__(self, items: Any = ()) -> None:
        list.__init__(self, items)


def sequence_of(item: Any) -> Sequence:
    """A sequence of one element."""
    return Sequence((item,))


def is_number(value: Any) -> bool:
    """True for a JSON number."""
    kind = type(value)
    return kind is int or kind is float or (isinstance(value, (int, float)) and kind is not bool)


def number(value: float) -> int | float:
    """``value`` as JSON has it: integral numbers are integers. Raises `EvaluationFailed` (``D1001``) for no number."""
    if type(value) is int:
        return value
    if isinstance(value, complex) or not math.isfinite(value):
        raise EvaluationFailed("the number is out of range", "D1001")
    whole = int(value)
    return whole if whole == value else float(value)


# ----------------------------------------------------------------------------------------------------------- in and out


def prepared(value: Any) -> Any:
    """A JSON value for the evaluator: null is `NULL`. Raises `EvaluationFailed` when it is too large, or no JSON."""
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if value is None:
        return NULL
    try:
        data = orjson.dumps(value)
    except (TypeError, ValueError):  # numbers beyond 64 bits, among others
        return _prepared(value, _Count(limits.MAX_INPUT, limits.INPUT_TOO_LARGE, "the input is"), 0)
    if len(data) > limits.MAX_INPUT:
        raise _too_large(limits.INPUT_TOO_LARGE, "the input is", limits.MAX_INPUT)
    if b"null" not in data:
        return value
    return _prepared(value, _Count(limits.MAX_INPUT, limits.INPUT_TOO_LARGE, "the input is"), 0)


def finished(value: Any) -> Any:
    """A result as plain JSON that shares nothing with what was read. Raises `EvaluationFailed` when it is too large
    (`limits.MAX_OUTPUT`) or no JSON.
    """
    kind = type(value)
    if kind is bool or kind is int:
        return value
    plain = _plain(value, _Count(limits.MAX_OUTPUT, limits.OUTPUT_TOO_LARGE, "the result is"), 0)
    if kind is float or value is NULL or (kind is str and len(value) * 6 < limits.MAX_OUTPUT and value.isascii()):
        return plain
    try:
        size = len(orjson.dumps(plain))
    except (TypeError, ValueError):
        size = len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if size > limits.MAX_OUTPUT:
        raise _too_large(limits.OUTPUT_TOO_LARGE, "the result is", limits.MAX_OUTPUT)
    return plain


class _Count:
    """Bytes of JSON, at least."""

    __slots__ = ("code", "left", "most", "what")

    def __init__(self, most: int, code: str, what: str) -> None:
        self.left = self.most = most
        self.code = code
        self.what = what

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _too_large(self.code, self.what, self.most)


def _too_large(code: str, what: str, most: int) -> EvaluationFailed:
    return EvaluationFailed(f"{what} larger than {most // 1024} KiB of JSON", code)


def _not_json(what: str) -> EvaluationFailed:
    return EvaluationFailed(f"{what} is no JSON value", limits.NOT_JSON)


def _prepared(value: Any, count: _Count, depth: int) -> Any:
    if value is None:
        count.take(4)
        return NULL
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, str):
        count.take(len(value) + 2)
        return value
    if isinstance(value, (int, float)):
        count.take(1)
        if isinstance(value, float) and not math.isfinite(value):
            raise _not_json("NaN or an infinite number")
        return value
    if isinstance(value, Mapping):
        count.take(2 + sum(map(len, value)))
        return {key: _prepared(item, count, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        count.take(2 + len(value))
        return [_prepared(item, count, depth + 1) for item in value]
    raise _not_json(f"a value of type {type(value).__name__}")


def _plain(value: Any, count: _Count, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        count.take(len(value) + 2)
        return value if value.isascii() and "\x00" not in value else _whole_text(value)
    if kind is int or kind is bool:
        count.take(1)
        return value
    if value is NULL or value is None:
        count.take(4)
        return None
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, dict):
        count.take(2 + 4 * len(value))
        return {_plain(key, count, depth + 1): _plain(item, count, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        count.take(2 + len(value))
        return [_plain(item, count, depth + 1) for item in value]
    if isinstance(value, (int, float)):
        count.take(1)
        return value if kind is not float else number(value)
    raise _not_json("a function" if isinstance(value, Function) else f"a value of type {kind.__name__}")


def _whole_text(text: str) -> str:
    r"""``text``, in which two halves of a surrogate pair (``"\ud83d\ude00"``) are one character. U+0000 is refused as
    it is in files: the database does not take it.
    """
    if "\x00" in text:
        raise _not_json("a text with U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise _not_json("a text with half a surrogate pair") from None
    return text


# ------------------------------------------------------------------------------------------------- within an evaluation


def truth(value: Any, run: Run, depth: int = 0) -> bool:
    """What a value is as a condition: JSONata's ``$boolean``, with missing false."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return value != ""
    if isinstance(value, list):
        run.charge(1 + (len(value) >> 3))
        if depth > limits.MAX_DATA_DEPTH:
            raise too_deep()
        return any(truth(item, run, depth + 1) for item in value)
    if isinstance(value, (int, float)):
        return value != 0
    return isinstance(value, dict) and len(value) > 0


def equal(left: Any, right: Any, run: Run, depth: int = 0) -> bool:
    """True when two values are the same JSON. Numbers are compared exactly; 1 is not true."""
    if isinstance(left, str):
        if isinstance(right, str) and len(left) == len(right):
            run.charge(len(left) >> 10)
            return left == right
        return False
    if isinstance(left, (list, dict)):
        if depth > limits.MAX_DATA_DEPTH:
            raise too_deep()
        if isinstance(left, list):
            if not isinstance(right, list) or len(left) != len(right):
                return False
            run.charge(1 + (len(left) >> 1))
            return all(equal(a, b, run, depth + 1) for a, b in zip(left, right, strict=True))
        if not isinstance(right, dict) or len(left) != len(right):
            return False
        run.charge(1 + (len(left) >> 1))
        return all(key in right and equal(item, right[key], run, depth + 1) for key, item in left.items())
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def text_of(value: Any, run: Run, *, pretty: bool = False) -> str:
    """What JSONata's ``$string`` makes of a value that is not missing. Integers are written in full, other numbers
    with 15 digits.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, Function):
        return ""
    room = _Room(run)
    plain = _written(value, room, 0)
    text = json.dumps(
        plain, ensure_ascii=False, indent=2 if pretty else None, separators=None if pretty else (",", ":")
    )
    run.allow_text(len(text))
    return text


class _Room:
    """Characters that may still be written."""

    __slots__ = ("left", "run")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.left = limits.MAX_TEXT

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            self.run.allow_text(limits.MAX_TEXT + 1)  # which raises


def _written(value: Any, room: _Room, depth: int) -> Any:
    """``value`` for `json.dumps`, which must not meet more than there is room for."""
    if isinstance(value, str):
        room.take(len(value) + 2)
        return value
    if value is NULL:
        room.take(4)
        return None
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, dict):
        room.run.charge(1 + (len(value) >> 1))
        room.take(2 + sum(map(len, value)) + 4 * len(value))
        return {key: _written(item, room, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        room.run.charge(1 + (len(value) >> 1))
        room.take(2 + len(value))
        return [_written(item, room, depth + 1) for item in value]
    room.take(1)
    if isinstance(value, float):
        return number(float(f"{value:.15g}"))
    return "" if isinstance(value, Function) else value


def _decimal(value: float) -> str:
    exact = Decimal(number(value))
    if exact == exact.to_integral():
        try:
            return str(exact.quantize(Decimal(1), context=_DIGITS)).lower()
        except InvalidOperation:
            pass
    return str(exact.normalize(_DIGITS)).lower()
