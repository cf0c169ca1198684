"""Values with expressions in them: what mappings, assignments and configurations are (spec: runtime.md "Definition").

``{"$expr": text}`` may stand at any depth. A template is compiled once per definition; parts without expressions are
kept as they are and shared by all runs, so nobody may change what `resolve` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.expressions import MISSING, EvaluationFailed, Expression, Missing, compile_expression
from wfsync.runtime.protocol import Failure
from wfsync.runtime.step_failure import StepFailed

__all__ = [
    "EXPRESSION",
    "SECRET",
    "Template",
    "compile_template",
    "evaluate",
    "expression_text",
    "missing_result",
    "secret_name",
]

EXPRESSION: Final = "$expr"
SECRET: Final = "$secret"  # noqa: S105 — the name of a member

SecretPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value. ``secrets`` are the places of its ``{"$secret": NAME}``: only what a definition itself says
    there is a reference, never what an expression brings in from data.
    """

    _part: _Part
    secrets: tuple[SecretPath, ...] = ()

    @property
    def constant(self) -> bool:
        """True when no expression stands in it."""
        return type(self._part) is _Literal

    @property
    def literal(self) -> Json:
        """The value of a constant template; None for another."""
        return self._part.kept if type(self._part) is _Literal else None

    def resolve(self, scope: Mapping[str, Json], now: datetime) -> Json:
        """The value in ``scope``. Raises `StepFailed` (``ExpressionError``); `EvaluationAborted` passes through."""
        return self._part.value(scope, now)


@dataclass(frozen=True, slots=True)
class _Literal:
    kept: Json

    def value(self, _scope: Mapping[str, Json], _now: datetime) -> Json:
        return self.kept


@dataclass(frozen=True, slots=True)
class _Computed:
    expression: Expression

    def value(self, scope: Mapping[str, Json], now: datetime) -> Json:
        result = evaluate(self.expression, scope, now)
        if result is MISSING:
            raise missing_result(self.expression)
        return result


@dataclass(frozen=True, slots=True)
class _Object:
    members: tuple[tuple[str, _Part], ...]

    def value(self, scope: Mapping[str, Json], now: datetime) -> Json:
        return {name: part.value(scope, now) for name, part in self.members}


@dataclass(frozen=True, slots=True)
class _List:
    items: tuple[_Part, ...]

    def value(self, scope: Mapping[str, Json], now: datetime) -> Json:
        return [part.value(scope, now) for part in self.items]


_Part = _Literal | _Computed | _Object | _List


def compile_template(value: Json) -> Template:
    """Compile ``value``. Raises `ExpressionFault` for the first expression in it that does not compile."""
    secrets: list[SecretPath] = []
    return Template(_compile(value, (), secrets), tuple(secrets))


def _compile(value: Json, path: SecretPath, secrets: list[SecretPath]) -> _Part:
    if isinstance(value, dict):
        if (text := expression_text(value)) is not None:
            return _Computed(compile_expression(text))
        if secret_name(value) is not None:
            secrets.append(path)
            return _Literal(value)
        # By name: stored JSON has no order, and which of two expressions fails first must not depend on one.
        members = tuple((name, _compile(value[name], (*path, name), secrets)) for name in sorted(value))
        return _Literal(value) if all(type(part) is _Literal for _, part in members) else _Object(members)
    if isinstance(value, list):
        items = tuple(_compile(item, (*path, index), secrets) for index, item in enumerate(value))
        return _Literal(value) if all(type(part) is _Literal for part in items) else _List(items)
    return _Literal(value)


def expression_text(value: JsonObject) -> str | None:
    """The text of ``{"$expr": text}``, or None where ``value`` is another object."""
    if len(value) == 1:
        text = value.get(EXPRESSION)
        if isinstance(text, str):
            return text
    return None


def secret_name(value: Json) -> str | None:
    """The name in ``{"$secret": NAME}``, or None where ``value`` is something else."""
    if isinstance(value, dict) and len(value) == 1:
        name = value.get(SECRET)
        if isinstance(name, str):
            return name
    return None


def evaluate(expression: Expression, scope: Mapping[str, Json], now: datetime) -> Json | Missing:
    """The expression's value, or MISSING. Raises `StepFailed` where it fails; `EvaluationAborted` passes through."""
    try:
        return expression.evaluate(scope, now)
    except EvaluationFailed as failed:
        details: JsonObject = {"expression": _shown(expression.text)}
        if failed.offset is not None:
            details["offset"] = failed.offset
        raise StepFailed(
            Failure("ExpressionError", f"{failed.message} in {_shown(expression.text)}", failed.code, details)
        ) from None


def missing_result(expression: Expression) -> StepFailed:
    """The failure of an expression that gives nothing where something is wanted."""
    shown = _shown(expression.text)
    return StepFailed(
        Failure(
            "ExpressionError",
            f"{shown} finds nothing; coalesce(…, a default) guards against that",
            "MISSING_RESULT",
            {"expression": shown},
        )
    )


def _shown(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
