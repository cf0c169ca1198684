"""Calling functions: built-in ones, and those that an expression makes of others (``f(?, x)``, ``f ~> g``, ``|…|…|``).

Nothing here can call itself: without lambdas an expression cannot name a function in its own definition. How deep
functions call each other is counted all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jsonata.jexception import JException
from jsonata.signature import Signature

from wfsync.expressions import limits
from wfsync.expressions.faults import EvaluationAborted, EvaluationFailed
from wfsync.expressions.frames import Compile, Frame, Node
from wfsync.expressions.limits import Run, too_deep
from wfsync.expressions.syntax import Symbol
from wfsync.expressions.values import NULL, Function, Sequence, is_number, number

__all__ = ["Builtin", "apply", "compile_apply", "compile_call", "compile_partial", "compile_transform"]

_HOLE: Final = object()
_PER_CALL: Final = 3
"""Steps: checking arguments takes as long as a few nodes."""


class _Signature(Signature):  # type: ignore[misc] # ships no types
    """The library's, for which null is a type of its own and not the same as missing."""

    def get_symbol(self, value: Any) -> str:
        return "l" if value is NULL else str(super().get_symbol(value))


class Builtin(Function):
    """A function that every expression has."""

    __slots__ = ("_implementation", "_is_cheap", "_parameters", "_signature", "arity", "name")

    def __init__(
        self, name: str, signature: str | None, implementation: Callable[..., Any], *, is_cheap: bool = False
    ) -> None:
        """``implementation`` gets the `Run` and then the arguments, None for each that is missing. Without a
        ``signature`` it takes any number of anything. ``is_cheap``: its work does not grow with its arguments.
        """
        self.name = name
        self._signature = None if signature is None else _Signature(signature, name)
        self._implementation = implementation
        self._is_cheap = is_cheap
        self._parameters = 0 if self._signature is None else self._signature.get_number_of_args()
        self.arity = 1 if self._signature is None else self._signature.get_min_number_of_args()

    def call(self, run: Run, arguments: list[Any], context: Any) -> Any:
        """Check the arguments, pay for them, and work."""
        if not self._is_cheap:
            _pay(arguments, run)
        if self._signature is not None:
            try:
                arguments = self._signature.validate(arguments, context)
            except JException as error:
                raise self._unfit(error) from None
            arguments += [None] * (self._parameters - len(arguments))
        try:
            result = self._implementation(run, *arguments)
        except (EvaluationFailed, EvaluationAborted, MemoryError, RecursionError):
            raise
        except JException as error:
            raise EvaluationFailed(f"${self.name}: {_words(error)}", str(error.error)[:5]) from None
        except Exception:  # noqa: BLE001 - functions of the library meet bad arguments with whatever Python raises
            raise EvaluationFailed(f"${self.name} cannot work with these arguments", "BAD_ARGUMENT") from None
        if isinstance(result, str):
            run.allow_text(len(result))
        elif isinstance(result, list):
            run.allow_sequence(len(result))
        elif is_number(result):
            return number(result)
        return result

    def _unfit(self, error: JException) -> EvaluationFailed:
        if error.error == "T0411":
            return EvaluationFailed(f"${self.name} cannot be applied to the context value", "T0411")
        which = error.current if isinstance(error.current, int) else 1
        what = "must be an array of one type" if error.error == "T0412" else "has the wrong type, or is one too many"
        return EvaluationFailed(f"argument {which} of ${self.name} {what}", str(error.error))


class _Partial(Function):
    """``f(?, x)``."""

    __slots__ = ("_arguments", "_function", "arity")

    def __init__(self, function: Any, arguments: list[Any]) -> None:
        self._function = function
        self._arguments = arguments
        self.arity = arguments.count(_HOLE)

    def call(self, run: Run, arguments: list[Any], _context: Any) -> Any:
        rest = iter(arguments)
        filled = [next(rest, None) if argument is _HOLE else argument for argument in self._arguments]
        return _settled(apply(run, self._function, filled, None))


class _Chain(Function):
    """``f ~> g``."""

    __slots__ = ("_first", "_second")
    arity = 1

    def __init__(self, first: Any, second: Any) -> None:
        self._first = first
        self._second = second

    def call(self, run: Run, arguments: list[Any], _context: Any) -> Any:
        between = _settled(apply(run, self._first, arguments[:1], None))
        return _settled(apply(run, self._second, [between], None))


class _Transform(Function):
    """``|pattern|update, delete|``."""

    __slots__ = ("_delete", "_frame", "_pattern", "_position", "_update")
    arity = 1

    def __init__(self, nodes: tuple[Node, Node, Node | None], frame: Frame, position: int) -> None:
        self._pattern, self._update, self._delete = nodes
        self._frame = frame
        self._position = position

    def call(self, run: Run, arguments: list[Any], _context: Any) -> Any:
        value = arguments[0] if arguments else None
        if value is None:
            return None
        if not isinstance(value, (dict, list)):
            raise EvaluationFailed("only an object or an array can be transformed", "T0410", self._position)
        own: set[int] = set()
        result = _cloned(value, own, run, 0)
        found = self._pattern(run, result, self._frame)
        for match in found if isinstance(found, list) else () if found is None else (found,):
            if id(match) not in own:  # only the copy is changed, never what the expression reads
                raise EvaluationFailed("the pattern of a transform finds values outside of it", "T2011", self._position)
            self._change(run, match)
        return result

    def _change(self, run: Run, match: dict[str, Any]) -> None:
        update = self._update(run, match, self._frame)
        if update is not None:
            if not isinstance(update, dict):
                raise EvaluationFailed("the update of a transform must be an object", "T2011", self._position)
            run.charge(len(update))
            # Its own copy, or an object could become a part of itself
            match.update(_cloned(update, set(), run, 0))
        if self._delete is not None:
            names = self._delete(run, match, self._frame)
            for name in names if isinstance(names, list) else () if names is None else (names,):
                if not isinstance(name, str):
                    raise EvaluationFailed("a transform deletes members by their names", "T2012", self._position)
                match.pop(name, None)


def _cloned(value: Any, objects: set[int], run: Run, depth: int) -> Any:
    """A copy of ``value``; ``objects`` gets the ids of the objects in it."""
    if isinstance(value, dict):
        run.charge(1 + (len(value) >> 1))
        if depth > limits.MAX_DATA_DEPTH:
            raise too_deep()
        twin = {key: _cloned(item, objects, run, depth + 1) for key, item in value.items()}
        objects.add(id(twin))
        return twin
    if isinstance(value, list):
        run.charge(1 + (len(value) >> 1))
        if depth > limits.MAX_DATA_DEPTH:
            raise too_deep()
        return [_cloned(item, objects, run, depth + 1) for item in value]
    return value


def apply(run: Run, function: Any, arguments: list[Any], context: Any) -> Any:
    """Call a function value."""
    if not isinstance(function, Function):
        raise EvaluationFailed("this is no function", "T1006")
    run.charge(_PER_CALL)
    run.depth += 1
    if run.depth > limits.MAX_DEPTH:
        raise too_deep()
    result = function.call(run, arguments, context)
    run.depth -= 1
    return result


def _pay(arguments: list[Any], run: Run) -> None:
    for argument in arguments:
        if isinstance(argument, str):
            run.charge(len(argument) >> 6)
        elif isinstance(argument, (list, dict)):
            run.charge(len(argument) >> 2)


def _settled(value: Any) -> Any:
    """A sequence as a value: nothing when it is empty, its element when it has one."""
    if isinstance(value, Sequence) and len(value) < 2:
        return value[0] if len(value) == 1 else None
    return value


def compile_call(symbol: Symbol, compile_node: Compile) -> Node:
    """``f(a, b)``."""
    return _call(symbol, compile_node, None)


def compile_partial(symbol: Symbol, compile_node: Compile) -> Node:
    """``f(?, b)``."""
    procedure, position = compile_node(symbol.procedure), symbol.position
    arguments = [
        None if item.type == "operator" and item.value == "?" else compile_node(item) for item in symbol.arguments
    ]

    def partial(run: Run, context: Any, frame: Frame) -> Any:
        values = [_HOLE if node is None else node(run, context, frame) for node in arguments]
        function = procedure(run, context, frame)
        if not isinstance(function, Function):
            raise EvaluationFailed("only a function can be applied in part", "T1008", position)
        return _Partial(function, values)

    return partial


def compile_apply(symbol: Symbol, compile_node: Compile) -> Node:
    """``a ~> f`` and ``a ~> f(b)``."""
    left, position = compile_node(symbol.lhs), symbol.position
    if symbol.rhs.type == "function":
        return _call(symbol.rhs, compile_node, left)
    right = compile_node(symbol.rhs)

    def chain(run: Run, context: Any, frame: Frame) -> Any:
        value = left(run, context, frame)
        function = right(run, context, frame)
        if not isinstance(function, Function):
            raise EvaluationFailed("the right side of ~> must be a function", "T2006", position)
        if isinstance(value, Function):
            return _Chain(value, function)
        try:
            return apply(run, function, [value], None)
        except EvaluationFailed as failure:
            if failure.offset is None:
                failure.offset = position
            raise

    return chain


def compile_transform(symbol: Symbol, compile_node: Compile) -> Node:
    """``|pattern|update, delete|``, a function."""
    delete = None if symbol.delete is None else compile_node(symbol.delete)
    nodes = compile_node(symbol.pattern), compile_node(symbol.update), delete
    position = symbol.position
    return lambda _run, _context, frame: _Transform(nodes, frame, position)


def _call(symbol: Symbol, compile_node: Compile, first: Node | None) -> Node:
    procedure, position = compile_node(symbol.procedure), symbol.procedure.position
    arguments = [compile_node(argument) for argument in symbol.arguments]
    if first is not None:
        arguments.insert(0, first)

    def call(run: Run, context: Any, frame: Frame) -> Any:
        function = procedure(run, context, frame)
        values = [argument(run, context, frame) for argument in arguments]
        try:
            return apply(run, function, values, context)
        except EvaluationFailed as failure:
            if failure.offset is None:
                failure.offset = position
            raise

    return call


def _words(error: JException) -> str:
    """What an error of the library says, without the data that it repeats."""
    template = str(JException.error_codes.get(error.error, "it cannot work with these arguments"))
    head = template.partition("{{")[0].rstrip(" :;=.")
    return head[:1].lower() + head[1:] if head else "it cannot work with these arguments"
