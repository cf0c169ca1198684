"""What chooses among the results of a step, and what puts them in order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.limits import Run
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import Sequence, is_number, sequence_of, truth

__all__ = ["compile_filter", "compile_sort"]


def compile_filter(symbol: Symbol, compile_node: Compile) -> Node:
    """``[…]`` after a step: an index, or a condition for each element."""
    if symbol.type == "number":
        return _index_filter(math.floor(symbol.value))
    condition = compile_node(symbol)

    def keep(run: Run, value: Any, frame: Frame) -> Any:
        items = _as_list(value)
        kept = Sequence()
        is_stream = isinstance(value, Sequence) and value.tuple_stream
        kept.tuple_stream = is_stream
        for position, item in enumerate(items):
            context, own = (item["@"], Frame(frame, dict(item))) if is_stream else (item, frame)
            answer = condition(run, context, own)
            if _is_kept(answer, position, len(items), run):
                kept.append(item)
        return kept

    return keep


def _index_filter(index: int) -> Node:
    def pick(_run: Run, value: Any, _frame: Frame) -> Any:
        items = _as_list(value)
        position = index + len(items) if index < 0 else index
        if not 0 <= position < len(items):
            picked: Any = Sequence()
        elif isinstance(items[position], list):
            return items[position]
        else:
            picked = sequence_of(items[position])
        if isinstance(value, Sequence):
            picked.tuple_stream = value.tuple_stream
        return picked

    return pick


def _is_kept(answer: Any, position: int, length: int, run: Run) -> bool:
    if is_number(answer):
        wanted = math.floor(answer)
        return bool((wanted + length if wanted < 0 else wanted) == position)
    if isinstance(answer, list):
        run.charge(len(answer) >> 1)
        if all(map(is_number, answer)):
            return any((n + length if n < 0 else n) == position for n in map(math.floor, answer))
    return truth(answer, run)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def compile_sort(symbol: Symbol, compile_node: Compile) -> Callable[[Run, Any, Frame], Any]:
    """``^(>a, b)``. Every key is evaluated once for each element, before any two are compared."""
    terms = [(compile_node(term.expression), -1 if term.descending else 1) for term in symbol.terms]
    signs = [sign for _, sign in terms]
    position = symbol.position

    def sort(run: Run, rows: Any, frame: Frame) -> Any:
        is_stream = isinstance(rows, Sequence) and rows.tuple_stream
        keyed = []
        for row in rows:
            context, own = (row["@"], Frame(frame, dict(row))) if is_stream else (row, frame)
            keyed.append(([node(run, context, own) for node, _ in terms], row))
        if len(keyed) < 2:
            return rows

        def compare(left: tuple[list[Any], Any], right: tuple[list[Any], Any]) -> int:
            run.charge(1)
            for a, b, sign in zip(left[0], right[0], signs, strict=True):
                order = _order(a, b, sign, position, run)
                if order:
                    return order
            return 0

        return Sequence(row for _, row in sorted(keyed, key=cmp_to_key(compare)))

    return sort


def _order(left: Any, right: Any, sign: int, position: int, run: Run) -> int:
    """Which of two keys comes first; what is missing comes last in either direction."""
    if left is None or right is None:
        return (left is None) - (right is None)
    for key in (left, right):
        if not isinstance(key, str) and not is_number(key):
            raise EvaluationFailed("only numbers and texts can be put in order", "T2008", position)
    if isinstance(left, str) is not isinstance(right, str):
        raise EvaluationFailed("numbers and texts cannot be put in one order", "T2007", position)
    if isinstance(left, str):
        run.charge(min(len(left), len(right)) >> 10)
    return 0 if left == right else (-sign if left < right else sign)
