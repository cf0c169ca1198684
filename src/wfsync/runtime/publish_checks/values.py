"""Values inside steps and triggers: where expressions, secrets and other objects with a ``$`` stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import BLOCKS, Walked, walk
from wfsync.runtime.publish_checks.subject import Subject

__all__ = ["Special", "is_wildcard", "named_secrets", "specials", "specials_of"]

_NOT_VALUES: Final = frozenset({"id", "type", "name", *BLOCKS})
"""Members of a step that hold no values of the workflow, or the steps inside it."""
_JSON_SCHEMA: Final = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$recursiveAnchor",
        "$recursiveRef",
        "$ref",
        "$schema",
        "$vocabulary",
    }
)
"""Steps may hold schemas, such as that of the structured output of an AI step."""


class Special(NamedTuple):
    """An object with a member that begins with ``$``."""

    path: Path
    kind: Literal["expression", "secret", "unknown"]
    value: Json
    key: str


def is_wildcard(value: Json) -> bool:
    """True for an expression or a secret: it stands for any value of its place."""
    return isinstance(value, dict) and ("$expr" in value or "$secret" in value)


def named_secrets(definition: JsonObject) -> frozenset[str]:
    """The names of all secrets that ``definition`` asks for."""
    found = _specials_in(definition, walk(definition))
    return frozenset(
        special.value["$secret"]
        for special in found
        if special.kind == "secret" and isinstance(special.value["$secret"], str)
    )


def specials_of(subject: Subject) -> Iterator[Special]:
    """All of them in a definition: in its trigger, then step by step."""
    return _specials_in(subject.definition, subject.steps)


def _specials_in(definition: JsonObject, steps: Walked) -> Iterator[Special]:
    yield from specials(definition.get("trigger"), ("trigger",))
    for path, step in steps:
        for name, value in step.items():
            if name not in _NOT_VALUES:
                yield from specials(value, (*path, name))


def specials(value: Json, path: Path) -> Iterator[Special]:
    """All of them in ``value``, which stands at ``path``. Nothing is looked for inside an expression or a secret."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from specials(item, (*path, index))
    elif isinstance(value, dict):
        if "$expr" in value:
            yield Special(path, "expression", value, "$expr")
        elif "$secret" in value:
            yield Special(path, "secret", value, "$secret")
        else:
            for name, item in value.items():
                if name.startswith("$") and name not in _JSON_SCHEMA:
                    yield Special(path, "unknown", value, name)
                yield from specials(item, (*path, name))
