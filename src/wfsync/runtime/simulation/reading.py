"""What the steps of a definition read: the shape of outputs that no schema describes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.steps import walk
from wfsync.expressions import ExpressionFault, compile_expression
from wfsync.runtime.simulation.made_up import from_name
from wfsync.runtime.template import EXPRESSION, expression_text

__all__ = ["paths_read", "shaped"]

Names = tuple[str, ...]


def paths_read(definition: JsonObject) -> frozenset[Names]:
    """Every path that an expression of ``definition`` reads; what is read of a loop's variable is read of its items."""
    paths = {path for text in _texts(definition.get("steps")) for path in _paths(text)}
    for _, step in walk(definition):
        items = step.get("items")
        text = expression_text(items) if isinstance(items, dict) else None
        sources = _paths(text) if text is not None and step.get("type") == "control.forEach" else ()
        for source in sources:
            paths |= {source + path[1:] for path in paths if path[0] == step.get("itemVar") and len(path) > 1}
    return frozenset(paths)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        text = expression_text(value)
        if text is not None:
            yield text
        for name, member in value.items():
            if name != EXPRESSION:
                yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _paths(text: str) -> Iterable[Names]:
    try:
        return compile_expression(text).paths
    except ExpressionFault:
        return ()


def shaped(paths: Iterable[Names], at: Names) -> Json:
    """A value for ``at`` that has what ``paths`` read of it; None when nothing is read."""
    rests = sorted({path[len(at) :] for path in paths if path[: len(at)] == at})
    if not rests:
        return None
    return _shaped(rests, at[-1] if at else "value")


def _shaped(rests: list[Names], name: str) -> Json:
    names = sorted({rest[0] for rest in rests if rest})
    if not names:
        return from_name(name)
    return {one: _shaped([rest[1:] for rest in rests if rest and rest[0] == one], one) for one in names}
