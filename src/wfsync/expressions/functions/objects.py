"""Functions on objects and on values of any type."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from wfsync.expressions import limits
from wfsync.expressions.calls import Builtin
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.functions.lists import call_with
from wfsync.expressions.gathering import add, extend, lookup
from wfsync.expressions.limits import Run, too_deep
from wfsync.expressions.values import NULL, Array, Function, Sequence, is_number, truth

__all__ = ["OBJECTS"]

_SHOWN: Final = 500
"""Characters of an expression's own message."""


def _keys(run: Run, value: Any) -> Sequence:
    names: dict[str, None] = {}
    _collect_keys(value, names, run, 0)
    run.allow_sequence(len(names))
    return Sequence(names)


def _collect_keys(value: Any, names: dict[str, None], run: Run, depth: int) -> None:
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, list):
        run.charge(1 + (len(value) >> 2))
        for item in value:
            _collect_keys(item, names, run, depth + 1)
    elif isinstance(value, dict):
        run.charge(1 + (len(value) >> 2))
        names.update(dict.fromkeys(value))


def _lookup(run: Run, value: Any, name: str | None) -> Any:
    return None if value is None or name is None else lookup(value, name, run)


def _exists(_run: Run, value: Any) -> bool:
    return value is not None


def _spread(run: Run, value: Any, depth: int = 0) -> Any:
    if depth > limits.MAX_DATA_DEPTH:
        raise too_deep()
    if isinstance(value, list):
        result = Array()
        run.charge(1 + (len(value) >> 2))
        for item in value:
            parts = _spread(run, item, depth + 1)
            if isinstance(parts, list):
                extend(result, parts, run)
            else:
                add(result, parts, run)
        return result
    if isinstance(value, dict):
        run.charge(len(value))
        return Sequence({name: item} for name, item in value.items())
    return value


def _merge(run: Run, objects: list[Any] | None) -> dict[str, Any] | None:
    if objects is None:
        return None
    result: dict[str, Any] = {}
    for item in objects:
        run.charge(1 + (len(item) >> 2))
        result.update(item)
        if len(result) > limits.MAX_SEQUENCE:
            run.allow_sequence(len(result))  # which raises
    return result


def _each(run: Run, value: dict[str, Any] | None, function: Any) -> Sequence | None:
    if value is None:
        return None
    results = (call_with(run, function, item, name, value) for name, item in value.items())
    return Sequence(result for result in results if result is not None)


def _sift(run: Run, value: dict[str, Any] | None, function: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    kept = {name: item for name, item in value.items() if truth(call_with(run, function, item, name, value), run)}
    return kept or None


def _error(_run: Run, message: str | None) -> NoReturn:
    raise EvaluationFailed((message or "$error() was evaluated")[:_SHOWN], "D3137")


def _assert(_run: Run, condition: bool | None, message: str | None) -> None:  # noqa: FBT001 - JSONata's order
    if not condition:
        raise EvaluationFailed((message or "$assert() failed")[:_SHOWN], "D3141")


def _type(_run: Run, value: Any) -> str | None:
    if value is None:
        return None
    if value is NULL:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "function" if isinstance(value, Function) else "object"


def _clone(_run: Run, value: Any) -> Any:
    return value  # values are never changed


OBJECTS: Final = (
    Builtin("keys", "<x-:a<s>>", _keys),
    Builtin("lookup", "<x-s:x>", _lookup, is_cheap=True),
    Builtin("exists", "<x:b>", _exists, is_cheap=True),
    Builtin("spread", "<x-:a<o>>", _spread),
    Builtin("merge", "<a<o>:o>", _merge),
    Builtin("each", "<o-f:a>", _each),
    Builtin("sift", "<o-f?:o>", _sift),
    Builtin("error", "<s?:x>", _error),
    Builtin("assert", "<bs?:x>", _assert),
    Builtin("type", "<x:s>", _type, is_cheap=True),
    Builtin("clone", "<(oa)-:o>", _clone, is_cheap=True),
)
