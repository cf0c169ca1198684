"""Objects: made by themselves, or of the results of a path, in groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.gathering import extend
from wfsync.expressions.limits import Run
from wfsync.expressions.values import Sequence, sequence_of

__all__ = ["compile_group"]


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


def compile_group(pairs: Iterable[Any], position: int, compile_node: Compile) -> Node:
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
