"""Checks values against JSON Schemas that users wrote: inputs of actions, payloads, answers, configurations.

Their patterns run on an engine that cannot backtrack, and a ``$ref`` to another document is a fault, never a download.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.schema import SchemaFault, explain_schema

__all__ = ["InvalidSchemaError", "JsonSchema", "Schema", "compile_schema", "schema_faults"]

Schema = JsonObject | bool
"""A JSON Schema is an object, or true or false."""

MAX_FAULTS: Final = 20
"""How many faults of one value are named."""
MAX_LOCATED: Final = 500


class InvalidSchemaError(ValueError):
    """The schema itself is wrong; the message says how."""


@dataclass(frozen=True, slots=True)
class LocatedFault:
    """A fault together with the place in the schema that it breaks: for whoever must judge whether it counts."""

    fault: SchemaFault
    rule: tuple[str | int, ...]
    """Keywords and names that lead to the rule, through references too: ``("properties", "to", "$ref", "type")``."""
    missing: str | None
    """The property that ``required`` asks for."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A compiled schema; made by `compile_schema`, safe to share between threads."""

    _validator: Any

    def faults(self, value: Json) -> tuple[SchemaFault, ...]:
        """Why ``value`` breaks the schema, at most `MAX_FAULTS`; empty when it does not."""
        if self._validator.is_valid(value):
            return ()
        errors = islice(self._validator.iter_errors(value), MAX_FAULTS)
        return tuple(
            SchemaFault(tuple(error.instance_path), error.kind.name or "", error.message, None) for error in errors
        )

    def located_faults(self, value: Json) -> tuple[LocatedFault, ...]:
        """As `faults`, at most `MAX_LOCATED`, each with the rule that it breaks."""
        errors = islice(self._validator.iter_errors(value), MAX_LOCATED)
        return tuple(
            LocatedFault(
                SchemaFault(tuple(error.instance_path), error.kind.name or "", error.message, None),
                tuple(error.evaluation_path),
                getattr(error.kind, "property", None),
            )
            for error in errors
        )


def compile_schema(schema: Schema, *, masked: bool = False) -> JsonSchema:
    """Compile ``schema`` (draft 7 unless its ``$schema`` says another one).

    ``masked``: messages name no values, because what is checked may hold secrets.
    Raises `InvalidSchemaError` when it is no JSON Schema, refers to another document or has a pattern with look-around
    or back-references.
    """
    import jsonschema_rs

    try:
        chosen: Any = (
            jsonschema_rs.validator_for
            if isinstance(schema, dict) and isinstance(schema.get("$schema"), str)
            else jsonschema_rs.Draft7Validator
        )
        return JsonSchema(
            chosen(
                schema,
                validate_formats=True,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(),
                mask="the value" if masked else None,
            )
        )
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise InvalidSchemaError(str(error).splitlines()[0]) from None


def schema_faults(schema: Schema) -> tuple[SchemaFault, ...]:
    """Why `compile_schema` would refuse ``schema``, each with its path inside; empty when it would not."""
    import jsonschema_rs

    try:
        compile_schema(schema)
    except InvalidSchemaError as error:
        found = tuple(explain_schema(schema)) or tuple(_beyond_the_draft(schema, ()))
        path = error.__context__.instance_path if isinstance(error.__context__, jsonschema_rs.ValidationError) else ()
        return found or (SchemaFault(tuple(path), "schema", str(error)),)
    return ()


def _beyond_the_draft(node: Json, path: tuple[str | int, ...]) -> Iterator[SchemaFault]:
    """References and patterns that the draft allows and `compile_schema` does not."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _beyond_the_draft(item, (*path, index))
    elif isinstance(node, dict):
        for name, value in node.items():
            here = (*path, name)
            if name == "$ref" and isinstance(value, str) and not value.startswith("#"):
                yield SchemaFault(here, name, f"{value} is another document; a schema must hold all that it refers to")
            elif name == "pattern" and isinstance(value, str) and not _compiles({"pattern": value}):
                yield SchemaFault(here, name, _PATTERN)
            elif name == "patternProperties" and isinstance(value, dict):
                bad = [pattern for pattern in value if not _compiles({"pattern": pattern})]
                yield from (SchemaFault((*here, pattern), name, _PATTERN) for pattern in bad)
            yield from _beyond_the_draft(value, here)


_PATTERN: Final = "is no regular expression that can be used; look-around and back-references cannot"


def _compiles(schema: Schema) -> bool:
    try:
        compile_schema(schema)
    except InvalidSchemaError:
        return False
    return True


def _refuse(uri: str) -> Json:
    raise ValueError(f"{uri} is another document; a schema must hold all that it refers to")
