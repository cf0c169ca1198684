"""One compiled expression, and the cache of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from wfsync.expressions.faults import MISSING, EvaluationFailed, ExpressionFault, Missing
from wfsync.expressions.library import require, with_frames
from wfsync.expressions.recognise import is_plainly_sound

__all__ = ["Expression", "Json", "check_expression", "compile_expression"]

Json: TypeAlias = Any
"""A JSON value; `wfsync.bundle.model.Json`, which is above this room."""

_BELOW: Final = object()
_MEDIUM: Final = 300
_LARGE: Final = 2000
"""Characters from which on fewer expressions are remembered."""


class Expression:
    """A checked expression, ready to be evaluated; made by `compile_expression`.

    May be used from any number of threads at once: every evaluation has a frame of its own, and nothing that was read
    or compiled is ever changed.
    """

    __slots__ = ("_names", "_node", "_original", "_reads_all", "functions", "paths", "roots", "text")

    def __init__(self, text: str) -> None:
        from wfsync.expressions.nodes import compile_node
        from wfsync.expressions.reading import read

        self.text = text
        tree, checked, self._original = read(text)
        self.paths = frozenset(checked.paths)
        """Every path that is read from the document's top, as far as its names are fixed: ``payload.items[x > 1].name``
        is ``("payload", "items", "name")``.
        """
        self.roots: Mapping[str, int] = {name: self._original(at) for name, at in checked.roots.items()}
        """The first names of ``paths``, and where each stands first. `evaluate` reads these of its scope only."""
        self.functions = frozenset(checked.functions)
        """Names of the functions that it uses, without ``$``."""
        self._reads_all = checked.reads_all
        self._names = _plain_path(tree)
        self._node = with_frames(lambda: compile_node(tree))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(self, scope: Mapping[str, Json], now: datetime) -> Json | Missing:
        """The value over ``scope``, the document; `MISSING` when there is none. ``now`` is what ``nowIso()`` says.

        The value shares nothing with ``scope``, which is not changed. Raises `EvaluationFailed` when the expression
        cannot be evaluated on these data or asks for too much (`wfsync.expressions.limits`), and `EvaluationAborted`
        when the machine was too busy: then try again, and record nothing.
        """
        from wfsync.expressions.values import finished

        if self._names is not None:
            value = _follow(scope, self._names)
            if value is MISSING:
                return MISSING
            if value is not _BELOW:
                return finished(value)
        return self._evaluate(scope, now)

    def _evaluate(self, scope: Mapping[str, Json], now: datetime) -> Json | Missing:
        from wfsync.expressions.frames import Frame
        from wfsync.expressions.functions import BUILTINS
        from wfsync.expressions.limits import Run, too_deep
        from wfsync.expressions.values import finished, prepared

        names = scope if self._reads_all else self.roots.keys() & scope.keys()
        failure: EvaluationFailed
        try:
            root = {name: prepared(scope[name]) for name in names}
            value = with_frames(lambda: self._node(Run(root, now), root, Frame(Frame(None, BUILTINS))))
            return MISSING if value is None else finished(value)
        except EvaluationFailed as error:
            failure = error
        except RecursionError:
            failure = too_deep()
        except MemoryError:
            failure = EvaluationFailed("the expression needs more memory than there is", "OUT_OF_MEMORY")
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            failure = EvaluationFailed("the expression cannot be evaluated on these data", "BAD_ARGUMENT")
        offset = None if failure.offset is None else self._original(failure.offset)
        raise EvaluationFailed(failure.message, failure.code, offset)


_small: Final = lru_cache(maxsize=4096)(Expression)
_medium: Final = lru_cache(maxsize=256)(Expression)
_large: Final = lru_cache(maxsize=32)(Expression)
"""What is compiled takes 300 times its text, and each regular expression up to half a megabyte."""


def compile_expression(text: str) -> Expression:
    """The expression that ``text`` says. The same text gives the same expression while it is remembered.

    Raises `ExpressionFault` when it is none, or one that is not allowed, and `RuntimeNotInstalled`.
    """
    require()
    if len(text) > _LARGE or "/" in text:
        return _large(text)
    return _medium(text) if len(text) > _MEDIUM else _small(text)


def check_expression(text: str) -> ExpressionFault | None:
    """What is wrong with ``text``; None when it is a sound expression. Remembers nothing.

    Raises `RuntimeNotInstalled` unless the looks of ``text`` say enough.
    """
    if is_plainly_sound(text):
        return None
    require()
    from wfsync.expressions.reading import read

    try:
        read(text)
    except ExpressionFault as fault:
        return fault
    return None


def _plain_path(tree: Any) -> tuple[str, ...] | None:
    """The names of a path that has nothing but names."""
    if tree.type != "path" or tree.group is not None or tree.keep_singleton_array or tree.predicate or tree.tuple:
        return None
    for step in tree.steps:
        if step.type != "name" or step.stages or step.predicate or step.group or step.tuple or step.keep_array:
            return None
    return tuple(str(step.value) for step in tree.steps)


def _follow(scope: Mapping[str, Json], names: tuple[str, ...]) -> Any:
    """What JSONata finds at a plain path while everything on the way is an object; `_BELOW` when something is not."""
    value: Any = scope
    for name in names:
        if type(value) is dict or value is scope:
            value = value.get(name, MISSING)
        elif isinstance(value, list):
            return _BELOW
        else:
            return MISSING
    return value
