"""What a syntax tree says without any data: whether it is allowed, what it calls and which paths it reads.

The check walks over the tree and looks at every variable that is free, called or not: ``$f := $eval`` is found as is
``x ~> $eval``. It is the message for people; the forbidden functions are out of reach because they are in no table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from wfsync.expressions.faults import ExpressionFault
from wfsync.expressions.functions import BUILTINS
from wfsync.expressions.functions.own import BARE
from wfsync.expressions.syntax import Symbol

__all__ = ["Checked", "check"]

_FORBIDDEN: Final = {
    "eval": "it would evaluate text that nobody has checked",
    "random": "a run must give the same when it is replayed",
    "shuffle": "a run must give the same when it is replayed",
    "now": "a run must give the same when it is replayed; nowIso() is the time of the run's last event",
    "millis": "a run must give the same when it is replayed; $toMillis(nowIso()) is the time of the run's last event",
}
_NETWORK: Final = frozenset({"fetch", "http", "request"})
_OF_OBJECTS: Final = frozenset({"each", "lookup", "sift"})
_ROOTS: Final = frozenset({"payload", "vars", "meta", "error", "index", "event"})


class Checked:
    """The result of one walk."""

    def __init__(self) -> None:
        self.paths: set[tuple[str, ...]] = set()
        self.roots: dict[str, int] = {}
        """Names that are read from the document itself, and where each stands first."""
        self.functions: set[str] = set()
        self.reads_all = False
        """Whether the document is read as a whole: ``$``, ``$$``, ``*``."""

    def read(self, names: tuple[str, ...], offset: int) -> None:
        """Note a path from the document's top."""
        self.paths.add(names)
        self.roots[names[0]] = min(offset, self.roots.get(names[0], offset))


def check(tree: Symbol) -> Checked:
    """Walk over ``tree``, and make variables of the functions that may be called without ``$``.

    Raises `ExpressionFault` for what is not allowed and for names that nothing is bound to.
    """
    walk = _Walk()
    walk.visit(tree, _Scope(frozenset(), at_top=True))
    return walk.found


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a node stands."""

    bound: frozenset[str]
    """The names of variables that have a value here."""
    at_top: bool
    """True when the context is the document itself."""

    @property
    def below(self) -> _Scope:
        """The same names, in the context of something that was found."""
        return replace(self, at_top=False)

    def binding(self, *names: object) -> _Scope:
        """With more names, but for None."""
        return replace(self, bound=self.bound.union(str(name) for name in names if name is not None))

    def knowing(self, other: _Scope) -> _Scope:
        """With the names of ``other``."""
        return replace(self, bound=other.bound)


class _Walk:
    """Every method looks at a node of one type, and gives back the scope with the names that are known after it."""

    def __init__(self) -> None:
        self.found = Checked()

    def visit(self, node: Symbol, scope: _Scope) -> _Scope:
        """Look at ``node``, its filters and its grouping."""
        special: Callable[[Symbol, _Scope], _Scope] = getattr(self, f"_{node.type}", self._parts)
        after = special(node, scope)
        for part in node.predicate or ():
            self.visit(part.expr, after.below)
        if node.group is not None and node.type != "path":
            self._pairs(node.group.lhs_object, after.below)
        return after

    def _parts(self, node: Symbol, scope: _Scope) -> _Scope:
        for child in (node.lhs, node.rhs, node.expression, node.condition, node.then, node._else):  # noqa: SLF001 - its name in the library
            if child is not None and hasattr(child, "type"):
                scope = self.visit(child, scope)
        for child in node.expressions or ():
            scope = self.visit(child, scope)
        self._pairs(node.lhs_object or (), scope)
        return scope

    def _pairs(self, pairs: Any, scope: _Scope) -> None:
        for key, value in pairs:
            self.visit(value, self.visit(key, scope))

    def _lambda(self, node: Symbol, _scope: _Scope) -> _Scope:
        raise ExpressionFault(
            "functions of one's own are not allowed",
            "FORBIDDEN",
            offset=node.position,
            hint="a path does the same for each element: items.(price * count), items[price > 5]",
        )

    def _block(self, node: Symbol, scope: _Scope) -> _Scope:
        inner = scope
        for part in node.expressions:
            inner = self.visit(part, inner)
        return scope

    def _bind(self, node: Symbol, scope: _Scope) -> _Scope:
        return self.visit(node.rhs, scope).binding(node.lhs.value)

    def _variable(self, node: Symbol, scope: _Scope) -> _Scope:
        name = str(node.value)
        if name == "$" or (name == "" and scope.at_top):
            self.found.reads_all = True
        elif name not in scope.bound and name != "":
            self._free(name, node.position)
        return scope

    def _wildcard(self, _node: Symbol, scope: _Scope) -> _Scope:
        self.found.reads_all |= scope.at_top
        return scope

    _descendant = _wildcard

    def _name(self, node: Symbol, scope: _Scope) -> _Scope:
        if scope.at_top:
            self.found.read((str(node.value),), node.position)
        return scope

    def _function(self, node: Symbol, scope: _Scope) -> _Scope:
        self._name_function(node)
        scope = self.visit(node.procedure, scope)
        for argument in node.arguments:
            if argument.type != "operator":
                scope = self.visit(argument, scope)
        if scope.at_top and _may_take_context(node):
            self.found.reads_all = True
        return scope

    _partial = _function

    def _transform(self, node: Symbol, scope: _Scope) -> _Scope:
        for part in (node.pattern, node.update, node.delete):
            if part is not None:
                self.visit(part, scope.below)
        return scope

    def _parent(self, _node: Symbol, scope: _Scope) -> _Scope:
        self.found.reads_all = True  # it may lead to the document
        return scope

    def _path(self, node: Symbol, scope: _Scope) -> _Scope:
        steps = node.steps
        is_root = _is_root(steps)
        names: tuple[str, ...] = ()
        offset = 0
        is_fixed = scope.at_top or is_root
        here = scope
        for step in steps[1:] if is_root else steps:
            for term in step.terms or ():
                self.visit(term.expression, here.below)
            if step.type == "name":
                offset = offset if names else step.position
            elif step.type != "sort":
                here = here.knowing(self.visit(step, here))
            if step.focus is not None:
                self.found.reads_all = True  # the context stays what it is, the document perhaps
                if is_fixed and step.type == "name":
                    self.found.read((*names, str(step.value)), offset)
            elif step.type == "name":
                names = (*names, str(step.value)) if is_fixed else names
                here = here.below
            elif step.type != "sort":
                is_fixed = False
                here = here.below
            here = here.binding(step.focus, step.index)
            for stage in step.stages or ():
                if stage.type == "index":
                    here = here.binding(stage.value)
                else:
                    self.visit(stage.expr, here)
        if names:
            self.found.read(names, offset)
        self._pairs(node.group.lhs_object if node.group is not None else (), here)
        return scope.knowing(here)

    def _name_function(self, call: Symbol) -> None:
        """Make a variable of a bare function name; other bare names can hold no function."""
        procedure = call.procedure
        if procedure.type != "path" or len(procedure.steps) != 1 or procedure.steps[0].type != "name":
            return
        step = procedure.steps[0]
        name = str(step.value)
        if name not in BARE:
            raise _unknown(name, step.position, hint=f"write ${name}(…)" if name in BUILTINS else None)
        procedure.type, procedure.value, procedure.position = "variable", name, step.position
        procedure.steps = None

    def _free(self, name: str, offset: int) -> None:
        if name in BUILTINS:
            self.found.functions.add(name)
        elif name in _FORBIDDEN:
            raise ExpressionFault(f"${name} is not allowed: {_FORBIDDEN[name]}", "FORBIDDEN", offset=offset)
        elif name in _NETWORK:
            raise ExpressionFault(
                f"${name} is not allowed: an expression reaches no network",
                "FORBIDDEN",
                offset=offset,
                hint="call an action",
            )
        else:
            raise _unknown(name, offset, hint=f"write {name}, without $" if name in _ROOTS else None)


def _is_root(steps: Any) -> bool:
    """True for the steps of ``$$.name``."""
    first = steps[0]
    is_plain = not (first.predicate or first.stages or first.focus or first.index)
    return bool(
        first.type == "variable" and first.value == "$" and is_plain and len(steps) > 1 and steps[1].type == "name"
    )


def _may_take_context(call: Symbol) -> bool:
    """True when the context may stand for a missing argument that can be an object."""
    name = call.procedure.value if call.procedure.type == "variable" else None
    if name == "nowIso":
        return False
    return not call.arguments or name not in BUILTINS or (name in _OF_OBJECTS and len(call.arguments) == 1)


def _unknown(name: str, offset: int, hint: str | None) -> ExpressionFault:
    if hint is None:
        near = get_close_matches(name, BUILTINS, n=1)
        hint = f"did you mean ${near[0]}?" if near else None
    return ExpressionFault(f"nothing has the name ${name[:40]}", "UNKNOWN_NAME", offset=offset, hint=hint)
