"""Paths: their steps, and the tuples that ``@``, ``#`` and ``%`` carry along.

A tuple is a dict of the names that a step bound, with the value itself under ``@``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from wfsync.expressions.filters import compile_filter, compile_sort
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.gathering import add, extend
from wfsync.expressions.groups import compile_group
from wfsync.expressions.limits import Run
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import Sequence, sequence_of

__all__ = ["compile_path"]

_Rows: TypeAlias = Any
"""A sequence of values, or of tuples."""


@dataclass(frozen=True, slots=True)
class _Step:
    node: Node | None
    """None for a sort."""
    sort: Callable[[Run, _Rows, Frame], _Rows] | None
    stages: tuple[tuple[Node | None, str], ...]
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
        sort=compile_sort(symbol, compile_node) if is_sort else None,
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
