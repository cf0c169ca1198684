"""Reads fields of a step's ``config`` and of what its expressions gave: a wrong shape is a ``ValidationError``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import InvalidPath, Path, Write, in_order, parse_path, parse_saved
from wfsync.runtime.nodes.node import Standing
from wfsync.runtime.step_failure import invalid
from wfsync.runtime.template import Template, compile_template

__all__ = ["Assigns", "Templates", "Wanted", "kind", "number", "saved_at", "templates", "text"]

Templates = Mapping[str, Template]
"""The fields of a config that a node reads, compiled."""

Wanted = tuple[str, ...]


def templates(config: JsonObject, wanted: Wanted) -> Templates:
    """The fields ``wanted`` of ``config``; designers' own fields are left alone. Raises `ExpressionFault`."""
    return {name: compile_template(config[name]) for name in wanted if name in config}


def text(here: Standing, fields: Templates, name: str, *, optional: bool = False) -> Any:
    """The text of the field ``name``; None where it is optional and absent or null. Raises `StepFailed`."""
    value = _value(here, fields, name, optional=optional)
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise invalid(f"config.{name} must be text, not {kind(value)}", code="INVALID_CONFIG")
    return value


def number(here: Standing, fields: Templates, name: str, *, optional: bool = False) -> Any:
    """The number, not negative, of the field ``name``; as `text`."""
    value = _value(here, fields, name, optional=optional)
    if value is None and optional:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        what = value if isinstance(value, int | float) else kind(value)
        raise invalid(f"config.{name} must be a number of at least 0, not {what}", code="INVALID_CONFIG")
    return value


def _value(here: Standing, fields: Templates, name: str, *, optional: bool) -> Json:
    template = fields.get(name)
    if template is None:
        if optional:
            return None
        raise invalid(f"config.{name} is missing", code="INVALID_CONFIG")
    return here.resolve(template)


def kind(value: Json) -> str:
    """What ``value`` is, for people; never the value itself, which may be secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def saved_at(fields: Templates, value: Json) -> tuple[Write, ...]:
    """The write that ``saveAs`` asks for; none where it is absent or null. Raises `StepFailed`."""
    template = fields.get("saveAs")
    if template is None or (template.constant and template.literal is None):
        return ()
    wanted = template.literal
    if not isinstance(wanted, str):
        raise invalid("config.saveAs must be text", code="INVALID_CONFIG")
    return ((_parsed(wanted, saved=True), value),)


class Assigns:
    """An ``assign`` of {path: value}: all values first, against one envelope, then the writes."""

    __slots__ = ("_many", "_wrong")

    def __init__(self, assign: Json) -> None:
        """Compile ``assign``. Raises `ExpressionFault`; what is no mapping fails when the step runs."""
        self._wrong = assign is not None and not isinstance(assign, dict)
        self._many: tuple[tuple[str, Template], ...] = (
            tuple((path, compile_template(assign[path])) for path in sorted(assign, key=in_order))
            if isinstance(assign, dict)
            else ()
        )

    def __call__(self, here: Standing) -> tuple[Write, ...]:
        """The writes. Raises `StepFailed`."""
        if self._wrong:
            raise invalid("config.assign must be an object of paths and values", code="INVALID_CONFIG")
        return tuple([(_parsed(path, saved=False), here.resolve(template)) for path, template in self._many])


def _parsed(path: str, *, saved: bool) -> Path:
    try:
        return parse_saved(path) if saved else parse_path(path)
    except InvalidPath as error:
        raise invalid(str(error), code="INVALID_ASSIGN_PATH") from None
