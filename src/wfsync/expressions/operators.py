"""Operators, array and object constructors, conditions, blocks and bindings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.gathering import extend
from wfsync.expressions.groups import compile_group
from wfsync.expressions.limits import Run
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import Array, equal, is_number, number, text_of, truth

__all__ = ["compile_binary", "compile_bind", "compile_block", "compile_condition", "compile_unary"]


def compile_binary(symbol: Symbol, compile_node: Compile) -> Node:
    """``a + b`` and all other operators between two values."""
    operator, position = str(symbol.value), symbol.position
    left, right = compile_node(symbol.lhs), compile_node(symbol.rhs)
    if operator == "and":
        return lambda run, context, frame: (
            truth(left(run, context, frame), run) and truth(right(run, context, frame), run)
        )
    if operator == "or":
        return lambda run, context, frame: (
            truth(left(run, context, frame), run) or truth(right(run, context, frame), run)
        )
    meaning = _BINARY[operator]

    def binary(run: Run, context: Any, frame: Frame) -> Any:
        a = left(run, context, frame)
        b = right(run, context, frame)
        try:
            return meaning(a, b, run)
        except EvaluationFailed as failure:
            if failure.offset is None:
                failure.offset = position
            raise

    return binary


def compile_unary(symbol: Symbol, compile_node: Compile) -> Node:
    """``-x``, ``[…]`` and ``{…}``."""
    if symbol.value == "[":
        return _array(symbol, compile_node)
    if symbol.value == "{":
        return compile_group(symbol.lhs_object, symbol.position, compile_node)
    operand, position = compile_node(symbol.expression), symbol.position

    def negate(run: Run, context: Any, frame: Frame) -> Any:
        value = operand(run, context, frame)
        if value is None:
            return None
        if not is_number(value):
            raise EvaluationFailed("only a number can be negated", "D1002", position)
        return number(-value)

    return negate


def compile_condition(symbol: Symbol, compile_node: Compile) -> Node:
    """``a ? b : c``."""
    condition, then = compile_node(symbol.condition), compile_node(symbol.then)
    otherwise = None if symbol._else is None else compile_node(symbol._else)  # noqa: SLF001 - its name in the library

    def choose(run: Run, context: Any, frame: Frame) -> Any:
        if truth(condition(run, context, frame), run):
            return then(run, context, frame)
        return None if otherwise is None else otherwise(run, context, frame)

    return choose


def compile_block(symbol: Symbol, compile_node: Compile) -> Node:
    """``(a; b)``: the last value, with names of its own."""
    parts = [compile_node(part) for part in symbol.expressions]

    def block(run: Run, context: Any, frame: Frame) -> Any:
        value = None
        own = Frame(frame)
        for part in parts:
            value = part(run, context, own)
        return value

    return block


def compile_bind(symbol: Symbol, compile_node: Compile) -> Node:
    """``$name := value``."""
    name, bound = str(symbol.lhs.value), compile_node(symbol.rhs)

    def bind(run: Run, context: Any, frame: Frame) -> Any:
        value = frame.names[name] = bound(run, context, frame)
        return value

    return bind


def _array(symbol: Symbol, compile_node: Compile) -> Node:
    items = [(compile_node(item), item.value == "[") for item in symbol.expressions]
    is_constructor = symbol.consarray

    def array(run: Run, context: Any, frame: Frame) -> Any:
        result = Array()
        for item, is_nested in items:
            value = item(run, context, frame)
            if value is None:
                continue
            if isinstance(value, list) and not is_nested:
                extend(result, value, run)
            else:
                result.append(value)
        if is_constructor:
            result.cons = True
        return result

    return array


# ------------------------------------------------------------------------------------------------------------- meanings


def _numbers(left: Any, right: Any, operator: str) -> bool:
    """True when both are numbers, False when one is missing."""
    for value, side, code in ((left, "left", "T2001"), (right, "right", "T2002")):
        if value is not None and not is_number(value):
            raise EvaluationFailed(f"the {side} side of {operator} must be a number", code)
    return left is not None and right is not None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise EvaluationFailed("the number is out of range", "D1001") from None


def _arithmetic(operator: str, meaning: Callable[[float, float], float]) -> Callable[[Any, Any, Run], Any]:
    def compute(left: Any, right: Any, _run: Run) -> Any:
        if not _numbers(left, right, operator):
            return None
        try:
            return number(meaning(_float(left), _float(right)))
        except (ZeroDivisionError, ValueError, OverflowError):
            raise EvaluationFailed("the number is out of range", "D1001") from None

    return compute


def _equals(left: Any, right: Any, run: Run) -> bool:
    return left is not None and right is not None and equal(left, right, run)


def _differs(left: Any, right: Any, run: Run) -> bool:
    return left is not None and right is not None and not equal(left, right, run)


def _comparison(operator: str, meaning: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Run], Any]:
    def compare(left: Any, right: Any, run: Run) -> Any:
        for value in (left, right):
            if value is not None and not isinstance(value, str) and not is_number(value):
                raise EvaluationFailed(f"{operator} compares numbers and texts only", "T2010")
        if left is None or right is None:
            return None
        if isinstance(left, str) is not isinstance(right, str):
            raise EvaluationFailed(f"{operator} cannot compare a number with a text", "T2009")
        if isinstance(left, str):
            run.charge(min(len(left), len(right)) >> 10)
        return meaning(left, right)

    return compare


def _concatenate(left: Any, right: Any, run: Run) -> str:
    a = "" if left is None else text_of(left, run)
    b = "" if right is None else text_of(right, run)
    run.allow_text(len(a) + len(b))
    return a + b


def _range(left: Any, right: Any, run: Run) -> Any:
    for value, side, code in ((left, "left", "T2003"), (right, "right", "T2004")):
        if value is not None and (not is_number(value) or value != int(value)):
            raise EvaluationFailed(f"the {side} side of .. must be an integer", code)
    if left is None or right is None or left > right:
        return None
    first, last = int(left), int(right)
    run.allow_sequence(last - first + 1)
    return Array(range(first, last + 1))


def _within(left: Any, right: Any, run: Run) -> bool:
    if left is None or right is None:
        return False
    if not isinstance(right, list):
        return equal(left, right, run)
    run.charge(len(right) >> 2)
    return any(equal(left, item, run) for item in right)


_BINARY: Final[dict[str, Callable[[Any, Any, Run], Any]]] = {
    "+": _arithmetic("+", lambda a, b: a + b),
    "-": _arithmetic("-", lambda a, b: a - b),
    "*": _arithmetic("*", lambda a, b: a * b),
    "/": _arithmetic("/", lambda a, b: a / b),
    "%": _arithmetic("%", math.fmod),
    "=": _equals,
    "!=": _differs,
    "<": _comparison("<", lambda a, b: bool(a < b)),
    "<=": _comparison("<=", lambda a, b: bool(a <= b)),
    ">": _comparison(">", lambda a, b: bool(a > b)),
    ">=": _comparison(">=", lambda a, b: bool(a >= b)),
    "&": _concatenate,
    "..": _range,
    "in": _within,
}
