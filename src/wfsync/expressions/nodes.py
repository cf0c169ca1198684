"""Syntax tree → one Python function for each part of it, which may be called from any thread.

The meaning is JSONata's, as jsonata-python implements it (a test compares the two). What it leaves unbounded is bounded
here: every node takes a step, whatever grows with the data takes more, and what would be too large is refused before it
is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from wfsync.expressions import calls, operators
from wfsync.expressions.filters import compile_filter
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.gathering import descendants, lookup, members
from wfsync.expressions.groups import compile_group
from wfsync.expressions.limits import Run
from wfsync.expressions.paths import compile_path
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import NULL, Sequence

__all__ = ["compile_node"]


def compile_node(symbol: Symbol) -> Node:
    """The function that evaluates ``symbol``, its filters and its grouping."""
    inner = _KINDS[symbol.type](symbol, compile_node)
    filters = [compile_filter(part.expr, compile_node) for part in symbol.predicate or ()]
    group = None
    if symbol.group is not None and symbol.type != "path":
        group = compile_group(symbol.group.lhs_object, symbol.group.position, compile_node)
    keeps_array = symbol.keep_array

    def evaluate(run: Run, context: Any, frame: Frame) -> Any:
        run.left -= 1
        if run.left < 0:
            run.refill()
        value = inner(run, context, frame)
        for condition in filters:
            value = condition(run, value, frame)
        if group is not None:
            value = group(run, value, frame)
        if isinstance(value, Sequence) and not value.tuple_stream:
            if keeps_array:
                value.keep_singleton = True
            if len(value) == 0:
                return None
            if len(value) == 1 and not value.keep_singleton:
                return value[0]
        return value

    return evaluate


def _literal(symbol: Symbol, _: object) -> Node:
    value = NULL if symbol.value is None else symbol.value

    def literal(_run: Run, _context: Any, _frame: Frame) -> Any:
        return value

    return literal


def _name(symbol: Symbol, _: object) -> Node:
    name = str(symbol.value)

    def field(run: Run, context: Any, _frame: Frame) -> Any:
        if isinstance(context, dict):
            return context.get(name)
        return lookup(context, name, run) if isinstance(context, list) else None

    return field


def _variable(symbol: Symbol, _: object) -> Node:
    name = str(symbol.value)
    if name == "":
        return lambda _run, context, _frame: context
    if name == "$":
        return lambda run, _context, _frame: run.root
    return lambda _run, _context, frame: frame.lookup(name)


def _wildcard(_symbol: Symbol, _: object) -> Node:
    return lambda run, context, _frame: members(context, run)


def _descendant(_symbol: Symbol, _: object) -> Node:
    return lambda run, context, _frame: descendants(context, run)


def _parent(symbol: Symbol, _: object) -> Node:
    label = symbol.slot.label
    return lambda _run, _context, frame: frame.lookup(label)


_KINDS: Final[dict[str, Callable[[Symbol, Compile], Node]]] = {
    "string": _literal,
    "number": _literal,
    "value": _literal,
    "regex": _literal,
    "name": _name,
    "variable": _variable,
    "wildcard": _wildcard,
    "descendant": _descendant,
    "parent": _parent,
    "path": compile_path,
    "binary": operators.compile_binary,
    "unary": operators.compile_unary,
    "condition": operators.compile_condition,
    "block": operators.compile_block,
    "bind": operators.compile_bind,
    "function": calls.compile_call,
    "partial": calls.compile_partial,
    "apply": calls.compile_apply,
    "transform": calls.compile_transform,
}
