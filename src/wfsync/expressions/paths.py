"""Paths: steps, filters, order, grouping, and the tuples that ``@``, ``#`` and ``%`` carry along.

A tuple is a dict of the names that a step bound, with the value itself under ``@``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from wfsync.expressions import limits
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.frames import Frame, Node
from wfsync.expressions.limits import Run, too_deep
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import Sequence, is_number, sequence_of, truth

__all__ = [
    "compile_filter",
    "compile_group",
    "compile_path",
    "descendants",
    "extend",
    "lookup",
    "members",
]

Compile = Callable[[Symbol], Node]
_Filter = Callable[[Run, Any, Frame], Any]
_Rows = Any
"""A sequence of values, or of tuples."""


# ------------------------------------------------------------------------------------------------------------ gathering


def extend(target: list[Any], items: list[Any], run: Run) -> None:
    """Add ``items`` to an array that is being made; raises `EvaluationFailed` when it becomes too long."""
    if len(target) + len(items) > limits.MAX_SEQUENCE:
        run.allow_sequence(len(target) + len(items))  # which raises
    run.charge(len(items) >> 3)
    target.extend(items)


def add(target: list[Any], item: Any, run: Run) -> None:
    """Add one value; raises `EvaluationFailed` when the array becomes too long."""
    if len(target) >= limits.MAX_SEQUENCE:
        run.allow_sequence(len(target) + 1)  # which raises
    target.append(item)


def lookup(value: Any, name: str, run: Run, depth: int = 0) -> Any:
    """The member ``name`` of an object, or of each object in an array, flattened."""
    if isinstance(value, dict):
        return value.get(name)
    if not isinstance(value, list):
        return None
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    run.charge(1 + (len(value) >> 2))
    found = Sequence()
    for item in value:
        inner = lookup(item, name, run, depth + 1)
        if isinstance(inner, list):
            extend(found, inner, run)
        elif inner is not None:
            add(found, inner, run)
    return found


def members(value: Any, run: Run) -> Sequence:
    """All members of an object, or elements of an array, with arrays among them flattened."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = Sequence()
    for item in items:
        _flatten(item, found, run, 0)
    return found


def _flatten(value: Any, found: Sequence, run: Run, depth: int) -> None:
    run.charge(1)
    if not isinstance(value, list):
        add(found, value, run)
        return
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    for item in value:
        _flatten(item, found, run, depth + 1)


def descendants(value: Any, run: Run) -> Any:
    """A value with all that is in it, at any depth."""
    if value is None:
        return None
    found = Sequence()
    _descend(value, found, run, 0)
    return found[0] if len(found) == 1 else found


def _descend(value: Any, found: Sequence, run: Run, depth: int) -> None:
    run.charge(1)
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, list):
        for item in value:
            _descend(item, found, run, depth + 1)
        return
    add(found, value, run)
    if isinstance(value, dict):
        for item in value.values():
            _descend(item, found, run, depth + 1)


# ---------------------------------------------------------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class _Step:
    node: Node | None
    """None for a sort."""
    sort: Callable[[Run, _Rows, Frame], _Rows] | None
    stages: tuple[tuple[_Filter | None, str], ...]
    """A filter, or the name that is bound to the index."""
    is_tuple: bool
    focus: str | None
    index: str | None
    ancestor: str | None
    is_constructor: bool


def compile_path(symbol: Symbol, compile_node: Compile) -> Node:
    """``a.b[c].d``."""
    steps = [_compile_step(step, compile_node) for step in symbol.steps]
    is_absolute = symbol.steps[0].type == "variable"
    keeps_tuples = symbol.tuple is not None
    keeps_array = symbol.keep_singleton_array
    last = steps[-1]
    group = None
    if symbol.group is not None:
        group = compile_group(symbol.group.lhs_object, symbol.group.position, compile_node)

    def path(run: Run, context: Any, frame: Frame) -> Any:
        rows: Any = context if isinstance(context, list) and not is_absolute else Sequence((context,))
        result: Any = None
        tuples: Any = None
        is_stream = False
        for step in steps:
            is_stream = is_stream or step.is_tuple
            if step.is_constructor and step is steps[0] and step.node is not None:
                result = step.node(run, rows, frame)
            elif is_stream:
                tuples = _tuple_step(step, run, rows, tuples, frame)
            else:
                result = _plain_step(step, run, rows, frame, is_last=step is last)
            if not is_stream and not result:
                break
            if step.focus is None:
                rows = result
        if is_stream:
            result = tuples if keeps_tuples else Sequence(row["@"] for row in tuples)
        if keeps_array:
            result = _kept_array(result)
        if group is not None:
            result = group(run, tuples if is_stream else result, frame)
        return result

    return path


def _kept_array(result: Any) -> Any:
    """A result of ``a[].b``, which stays an array when it has one element."""
    if getattr(result, "cons", False):
        result = sequence_of(result)
    if isinstance(result, Sequence):
        result.keep_singleton = True
    return result


def _compile_step(symbol: Symbol, compile_node: Compile) -> _Step:
    is_sort = symbol.type == "sort"
    stages = tuple(
        (compile_filter(stage.expr, compile_node), "") if stage.type == "filter" else (None, str(stage.value))
        for stage in symbol.stages or ()
    )
    return _Step(
        node=None if is_sort else compile_node(symbol),
        sort=_compile_sort(symbol, compile_node) if is_sort else None,
        stages=stages,
        is_tuple=symbol.tuple is not None,
        focus=symbol.focus,
        index=symbol.index,
        ancestor=None if symbol.ancestor is None else symbol.ancestor.label,
        is_constructor=symbol.consarray,
    )


def _plain_step(step: _Step, run: Run, rows: _Rows, frame: Frame, *, is_last: bool) -> Any:
    if step.sort is not None:
        return _staged(step, run, step.sort(run, rows, frame), frame)
    node = step.node
    assert node is not None  # noqa: S101 - a step is a node or a sort
    collected = []
    for item in rows:
        value = node(run, item, frame)
        for condition, _ in step.stages:
            if condition is not None:
                value = condition(run, value, frame)
        if value is not None:
            collected.append(value)
    if is_last and len(collected) == 1 and isinstance(collected[0], list) and not isinstance(collected[0], Sequence):
        return collected[0]
    result = Sequence()
    for value in collected:
        if isinstance(value, list) and not getattr(value, "cons", False):
            extend(result, value, run)
        else:
            add(result, value, run)
    return result


def _tuple_step(step: _Step, run: Run, rows: _Rows, tuples: _Rows | None, frame: Frame) -> _Rows:
    if step.sort is not None:
        if tuples is not None:
            result = step.sort(run, tuples, frame)
        else:
            ordered = step.sort(run, rows, frame)
            result = Sequence({"@": item, **({step.index: n} if step.index else {})} for n, item in enumerate(ordered))
        result = Sequence(result)
        result.tuple_stream = True
        return _staged(step, run, result, frame)
    node = step.node
    assert node is not None  # noqa: S101 - a step is a node or a sort
    result = Sequence()
    result.tuple_stream = True
    for row in [{"@": item} for item in rows or ()] if tuples is None else tuples:
        value = node(run, row["@"], Frame(frame, dict(row)))
        if value is None:
            continue
        is_stream = isinstance(value, Sequence) and value.tuple_stream
        run.charge(len(value) if isinstance(value, list) else 1)
        for number, item in enumerate(value if isinstance(value, list) else (value,)):
            add(result, _bound(step, row, item, number, is_stream=is_stream), run)
    return _staged(step, run, result, frame)


def _bound(step: _Step, row: dict[str, Any], item: Any, number: int, *, is_stream: bool) -> dict[str, Any]:
    """The tuple for one ``item`` that a step found at ``row``."""
    bound = dict(row)
    if is_stream:
        bound.update(item)
        return bound
    if step.focus is None:
        bound["@"] = item
    else:
        bound[step.focus] = item
    if step.index is not None:
        bound[step.index] = number
    if step.ancestor is not None:
        bound[step.ancestor] = row["@"]
    return bound


def _staged(step: _Step, run: Run, rows: _Rows, frame: Frame) -> _Rows:
    for condition, index in step.stages:
        if condition is not None:
            rows = condition(run, rows, frame)
        else:
            for number, row in enumerate(rows):
                row[index] = number
    return rows


# ----------------------------------------------------------------------------------------------------- filters and sort


def compile_filter(symbol: Symbol, compile_node: Compile) -> _Filter:
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


def _index_filter(index: int) -> _Filter:
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


def _compile_sort(symbol: Symbol, compile_node: Compile) -> Callable[[Run, _Rows, Frame], _Rows]:
    """``^(>a, b)``. Every key is evaluated once for each element, before any two are compared."""
    terms = [(compile_node(term.expression), -1 if term.descending else 1) for term in symbol.terms]
    signs = [sign for _, sign in terms]
    position = symbol.position

    def sort(run: Run, rows: _Rows, frame: Frame) -> _Rows:
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


# ------------------------------------------------------------------------------------------------------------- grouping


class _Entry:
    """The elements under one key."""

    __slots__ = ("data", "is_own", "pair")

    def __init__(self, data: Any, pair: int) -> None:
        self.data = data
        self.pair = pair
        self.is_own = False

    def add(self, item: Any, run: Run) -> None:
        if not self.is_own:
            self.data = Sequence(self.data) if isinstance(self.data, list) else sequence_of(self.data)
            self.is_own = True
        extend(self.data, item if isinstance(item, list) else [item], run)


def compile_group(pairs: Iterable[Any], position: int, compile_node: Compile) -> _Filter:
    """``{key: value, …}``, by itself or after a path: one member for each different key."""
    compiled = [(compile_node(key), compile_node(value)) for key, value in pairs]

    def group(run: Run, context: Any, frame: Frame) -> Any:
        is_stream = isinstance(context, Sequence) and context.tuple_stream
        groups: dict[str, _Entry] = {}
        rows = context if isinstance(context, list) else [context]
        for row in rows or [None]:
            own = Frame(frame, dict(row)) if is_stream and row is not None else frame
            item = row["@"] if is_stream and row is not None else row
            for number, (key_node, _) in enumerate(compiled):
                key = key_node(run, item, own)
                if key is None:
                    continue
                if not isinstance(key, str):
                    raise EvaluationFailed("the name of a member must be a text", "T1003", position)
                entry = groups.get(key)
                if entry is None:
                    groups[key] = _Entry(row, number)
                elif entry.pair != number:
                    raise EvaluationFailed("two members have the same name", "D1009", position)
                else:
                    entry.add(row, run)
        return _members(groups, run, frame, is_stream=is_stream)

    def _members(groups: dict[str, _Entry], run: Run, frame: Frame, *, is_stream: bool) -> dict[str, Any]:
        result = {}
        for key, entry in groups.items():
            context, own = entry.data, frame
            if is_stream and context is not None:
                names = _merged(context, run)
                context = names.pop("@")
                own = Frame(frame, names)
            value = compiled[entry.pair][1](run, context, own)
            if value is not None:
                result[key] = value
        return result

    return group


def _merged(rows: Any, run: Run) -> dict[str, Any]:
    """Tuples as one, with the values of each name together."""
    if not isinstance(rows, list):
        return dict(rows)
    values: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            if name not in values:
                values[name] = _Entry(value, 0)
            elif value is not None:
                values[name].add(value, run)
    return {name: entry.data for name, entry in values.items()}
