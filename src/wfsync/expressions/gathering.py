"""Arrays that an evaluation makes, and what it gathers into them from objects and other arrays."""

from __future__ import annotations

from typing import Any

from wfsync.expressions import limits
from wfsync.expressions.limits import Run, too_deep
from wfsync.expressions.values import Array, Sequence

__all__ = ["add", "descendants", "extend", "lookup", "members"]


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


def members(value: Any, run: Run) -> list[Any]:
    """All members of an object, or elements of an array, with arrays among them flattened; then it is an array."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = Array() if any(isinstance(item, list) for item in items) else Sequence()
    for item in items:
        _flatten(item, found, run, 0)
    return found


def _flatten(value: Any, found: list[Any], run: Run, depth: int) -> None:
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
