"""Functions on arrays, and those that apply a function to each element."""

from __future__ import annotations

import json
from functools import cmp_to_key
from typing import Any, Final

from wfsync.expressions.calls import Builtin, apply
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.gathering import add
from wfsync.expressions.limits import Run
from wfsync.expressions.values import NULL, Array, Function, Sequence, is_number, text_of, truth

__all__ = ["LISTS", "call_with"]


def call_with(run: Run, function: Function, *arguments: Any) -> Any:
    """Call ``function`` with as many of ``arguments`` as it wants, at least one."""
    return apply(run, function, list(arguments[: max(1, function.arity)]), None)


def _count(_run: Run, items: list[Any] | None) -> int:
    return 0 if items is None else len(items)


def _map(run: Run, items: list[Any] | None, function: Any) -> Sequence | None:
    if items is None:
        return None
    result = Sequence()
    for index, item in enumerate(items):
        value = call_with(run, function, item, index, items)
        if value is not None:
            add(result, value, run)
    return result


def _filter(run: Run, items: list[Any] | None, function: Any) -> Sequence | None:
    if items is None:
        return None
    return Sequence(
        item for index, item in enumerate(items) if truth(call_with(run, function, item, index, items), run)
    )


def _single(run: Run, items: list[Any] | None, function: Any) -> Any:
    if items is None:
        return None
    found = [
        item
        for index, item in enumerate(items)
        if function is None or truth(call_with(run, function, item, index, items), run)
    ]
    if len(found) != 1:
        which = "more than one value" if found else "no value"
        raise EvaluationFailed(f"{which} fits where there must be exactly one", "D3138" if found else "D3139")
    return found[0]


def _reduce(run: Run, items: list[Any] | None, function: Any, first: Any) -> Any:
    if items is None:
        return None
    wanted = function.arity
    if wanted < 2:
        raise EvaluationFailed("$reduce needs a function of two arguments", "D3050")
    result, rest = (items[0], items[1:]) if first is None and items else (first, items)
    offset = len(items) - len(rest)
    for index, item in enumerate(rest, offset):
        result = apply(run, function, [result, item, index, items][:wanted], None)
    return result


def _reverse(_run: Run, items: list[Any] | None) -> list[Any] | None:
    return items if items is None or len(items) < 2 else Array(reversed(items))


def _zip(run: Run, *arrays: list[Any] | None) -> Array:
    if any(array is None for array in arrays):
        return Array()
    present = [array for array in arrays if array is not None]
    run.charge(min(map(len, present), default=0) * len(present) >> 2)
    return Array(Array(row) for row in zip(*present, strict=False))


def _sort(run: Run, items: list[Any] | None, function: Any) -> list[Any] | None:
    if items is None or len(items) < 2:
        return items
    run.charge(len(items) * len(items).bit_length() >> 2)
    if function is None:
        if all(isinstance(item, str) for item in items):
            run.charge(sum(map(len, items)) * len(items).bit_length() >> 10)
        elif not all(map(is_number, items)):
            raise EvaluationFailed("$sort needs texts only or numbers only, or a function that compares", "D3070")
        return Array(sorted(items))

    def compare(left: Any, right: Any) -> int:
        return 1 if truth(apply(run, function, [left, right], None), run) else -1

    return Array(sorted(items, key=cmp_to_key(compare)))


def _distinct(run: Run, items: Any) -> Any:
    if not isinstance(items, list) or len(items) < 2:
        return items
    seen = set()
    result: list[Any] = Sequence() if isinstance(items, Sequence) else Array()
    run.charge(len(items) >> 1)
    for item in items:
        key = _identity(item, run)
        if key not in seen:
            seen.add(key)
            result.append(item)
    return result


def _identity(item: Any, run: Run) -> tuple[str, Any]:
    """The same for equal values only."""
    if isinstance(item, str):
        run.charge(len(item) >> 8)
        return "text", item
    if isinstance(item, bool) or item is NULL:
        return "", item
    if is_number(item):
        return "number", item
    if isinstance(item, (dict, list)):
        return "json", json.dumps(json.loads(text_of(item, run)), sort_keys=True)
    return "function", id(item)


LISTS: Final = (
    Builtin("count", "<a:n>", _count, is_cheap=True),
    Builtin("map", "<af>", _map),
    Builtin("filter", "<af>", _filter),
    Builtin("single", "<af?>", _single),
    Builtin("reduce", "<afj?:j>", _reduce),
    Builtin("reverse", "<a:a>", _reverse),
    Builtin("zip", "<a+>", _zip),
    Builtin("sort", "<af?:a>", _sort),
    Builtin("distinct", "<x:x>", _distinct),
)
