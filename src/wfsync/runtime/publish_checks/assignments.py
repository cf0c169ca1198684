"""``INVALID_ASSIGN_PATH`` and ``ASSIGN_PATH_UNKNOWN``: where steps put what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json
from wfsync.bundle.references import CALL_STEP
from wfsync.bundle.source_map import Path
from wfsync.runtime.assignment import ROOTS, InvalidPath, parse_path, parse_saved, path_text
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.schemas import referred
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean

__all__ = ["check_assignments"]

_ASSIGNING: Final = frozenset({"transform.assign", "event.wait", "time.wait", "human.task"})
_DESCRIBES: Final = frozenset({"properties", "additionalProperties", "patternProperties", "items", "prefixItems"})
"""Keywords that say what there is inside."""

_HOW: Final = "begin with payload., vars., meta. or error., or write a JSON pointer into the payload"

Parse = Callable[[str], tuple[str, ...]]


def check_assignments(subject: Subject) -> Iterator[Finding]:
    """Paths that cannot be assigned to; and, as warnings, those into the payload that its schema does not know."""
    schema = subject.payload_schema
    for path, step in subject.steps:
        for at, text, parse, is_name in _targets(step, path):
            member = text if is_name else None
            where = at[:-1] if is_name else at
            try:
                parsed = parse(text)
            except InvalidPath as fault:
                yield finding_at(
                    subject.definition, where, "INVALID_ASSIGN_PATH", str(fault), _suggestion(text), member=member
                )
                continue
            if parsed[0] == "payload" and schema is not None:
                unknown = _unknown(schema, parsed[1:])
                if unknown is not None:
                    name, near = unknown
                    yield finding_at(
                        subject.definition,
                        where,
                        "ASSIGN_PATH_UNKNOWN",
                        f"{path_text(parsed)}: {subject.definition.get('payloadSchemaRef')} knows no {name!r}",
                        near or "keep what is not part of the payload in vars",
                        severity="warning",
                        member=member,
                    )


def _targets(step: Json, path: Path) -> Iterator[tuple[Path, str, Parse, bool]]:
    """``(place, text, how it is read, whether it is a member's name)`` of everything that ``step`` assigns to."""
    kind, config = step.get("type"), step.get("config")
    if not isinstance(kind, str):
        return
    if kind == "control.tryCatch" and isinstance(step.get("captureErrorAs"), str):
        yield (*path, "captureErrorAs"), step["captureErrorAs"], parse_saved, False
    if kind == CALL_STEP and isinstance(step.get("outputMapping"), dict):
        for name in step["outputMapping"]:
            yield (*path, "outputMapping", name), name, parse_saved, True
    if kind.startswith("control.") or not isinstance(config, dict):
        return
    if kind in _ASSIGNING and isinstance(config.get("assign"), dict):
        for name in config["assign"]:
            yield (*path, "config", "assign", name), name, parse_path, True
    if isinstance(config.get("saveAs"), str):
        yield (*path, "config", "saveAs"), config["saveAs"], parse_saved, False


def _suggestion(text: str) -> str | None:
    bare = text.strip().strip(".")
    if "/" in bare or bare in ROOTS:
        return _HOW
    for candidate in (f"vars.{bare}", f"vars.{bare.removeprefix('$').removeprefix('.')}"):
        try:
            parse_path(candidate)
        except InvalidPath:
            continue
        return f'write "{candidate}"'
    return _HOW


def _unknown(schema: Schema, path: tuple[str, ...]) -> tuple[str, str | None] | None:
    """The first part of ``path`` that ``schema`` does not know, with a suggestion; None when there is none."""
    candidates = _alternatives(schema, schema)
    for part in path:
        known: set[str] = set()
        inner: list[Schema] = []
        for candidate in candidates:
            found = _member(candidate, part)
            if found is True:
                return None
            if found is not False:
                inner.append(found)
            known |= set(candidate.get("properties", {})) if isinstance(candidate, dict) else set()
        if not inner:
            return part, did_you_mean(part, known)
        candidates = [alternative for one in inner for alternative in _alternatives(one, schema)]
    return None


def _member(schema: Schema, name: str) -> Schema:
    """The schema of the member ``name``; True where it may be anything, False where it is not known."""
    if not isinstance(schema, dict):
        return schema
    properties = schema.get("properties")
    items = schema.get("items")
    if isinstance(properties, dict) and name in properties:
        found: Schema = properties[name]
        return found
    if name.isdigit() and isinstance(items, dict | bool):
        return items
    if "patternProperties" in schema or isinstance(items, list) or "prefixItems" in schema:
        return True
    if isinstance(schema.get("additionalProperties"), dict | bool):
        others: Schema = schema["additionalProperties"]
        return others
    return properties is None and items is None and schema.get("type", "object") in ("object", "array")


def _alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """``schema`` and all that it is put together of, each once: schemas may refer to themselves."""
    found: list[Schema] = []
    todo = [schema]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) in seen and isinstance(one, dict):
            continue
        seen.add(id(one))
        if not isinstance(one, dict):
            found.append(one)
            continue
        parts = [part for word in ("allOf", "anyOf", "oneOf") for part in _schemas(one.get(word))]
        parts += _schemas([one.get(word) for word in ("then", "else")])
        if isinstance(one.get("$ref"), str):
            parts.append(referred(root, one["$ref"]))
        if not parts or not _DESCRIBES.isdisjoint(one):
            found.append(one)
        todo += parts
    return found


def _schemas(parts: Json) -> list[Schema]:
    return [part for part in parts if isinstance(part, dict | bool)] if isinstance(parts, list) else []
