"""Metadata that holds in one environment only: read, laid over a file's own, and taken out again.

An overlay maps key globs to metadata values (spec: cli.md "wfsync.yaml"). Objects are merged member by member, at every
depth; everything else, null included, replaces what the file says. Of two globs that match a key the later one in the
file wins. Pure.

Taking an overlay out (`subtract`) needs the file's own metadata: what a value was before something was laid over it
stands nowhere else. ``subtract(apply(base, o), o, base)`` is ``base`` again, and whatever else changed below an overlay
stays a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from wfsync.bundle import schema
from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import MAX_DEPTH, Json, JsonObject
from wfsync.bundle.numbers import parse_number
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.rules import numbers
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.source_map import Document, Path
from wfsync.bundle.structure import DEFAULT_SCHEMA_MODE
from wfsync.errors import InputError, Place, Problem

__all__ = ["CODE", "NO_OVERLAY", "Overlay", "merge", "parse_overlay", "subtract"]

CODE: Final = "INVALID_OVERLAY"
_UNMATCHED: Final = "OVERLAY_UNMATCHED"
_ABOVE: Final = 3
"""What a bundle nests around metadata, beyond what an overlay nests around it: a merged value stays within limits."""
_MAX_BYTES: Final = 16 * 1024 * 1024
_TOLD: Final = SecretPolicy()


@dataclass(frozen=True, slots=True)
class Overlay:
    """The globs of one file with their values, in the order of the file."""

    file: str = ""
    """As named in messages."""
    patterns: tuple[tuple[str, JsonObject], ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    """Where each glob stands."""
    notes: tuple[Problem, ...] = field(default=(), compare=False)
    """Warnings: values that look like secrets."""
    whole: bool = field(default=True, compare=False)
    """False where only a part of the repository is read: a glob that matches nothing there says nothing."""

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def of(self, key: str) -> JsonObject:
        """The values for one key, those of later globs over those of earlier ones; empty when no glob matches."""
        values: JsonObject = {}
        for pattern, metadata in self.patterns:
            if fnmatchcase(key, pattern):
                values = merge(values, metadata)
        return values

    def unmatched(self, keys: Collection[str]) -> Iterator[Problem]:
        """A warning for each glob that matches none of ``keys``."""
        for pattern, _ in self.patterns if self.whole else ():
            if not any(fnmatchcase(key, pattern) for key in keys):
                yield Problem(
                    code=_UNMATCHED,
                    severity="warning",
                    message=f"the overlay's pattern {pattern!r} matches no workflow",
                    place=self.places.get(pattern, Place(self.file)),
                    hint="correct it, or take it out",
                )


NO_OVERLAY: Final = Overlay()


def merge(base: Json, over: Json) -> Json:
    """``over`` laid over ``base``: objects member by member, everything else replaced. Changes neither."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    merged = dict(base)
    for name, value in over.items():
        merged[name] = merge(base[name], value) if name in base else value
    return merged


def subtract(value: JsonObject, over: JsonObject, base: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """``value`` without what ``over`` laid over ``base``; and the fields, by path, that no longer say what ``over``
    says: somebody changed them, and only the overlay could take that up.

    All three are metadata; ``base`` has every field that ``over`` has.
    """
    moved: list[str] = []
    taken = _subtract(value, over, base, (), moved)
    return taken, tuple(moved)


def parse_overlay(data: bytes, file: str, secrets: SecretPolicy = _TOLD) -> Overlay:
    """Read an overlay, JSON when ``file`` ends in ``.json``, else YAML; ``file`` also names it in problems. ``secrets``
    says what a literal is that looks like one.

    Raises `InputError` (``INVALID_OVERLAY``) with every fault and its place: not readable, against
    ``overlay.v1.schema.json``, a number that the database could not hold; and ``SECRET_LITERAL``, where that is one.
    """
    if len(data) > _MAX_BYTES:
        raise _invalid(file, [Problem(code=CODE, message="the file is larger than 16 MiB", place=Place(file))])
    syntax: Syntax = "json" if file.lower().endswith(".json") else "yaml"
    try:
        document = read_document(data, syntax, file)
    except InputError as error:
        raise _invalid(file, [_recoded(p) for p in error.problems]) from None
    problems = [_recoded(p) for p in document.problems]
    if schema.is_valid("overlay.v1", document.tree):
        problems.extend(_rules(document))
    else:
        problems.extend(_faults(document))
    if problems:
        raise _invalid(file, sorted(problems, key=_position))
    found = tuple(_secrets(document, secrets))
    if any(problem.is_error for problem in found):
        raise InputError(f"{file} holds what looks like a secret", code=found[0].code, problems=found)
    places = {pattern: document.source.key((pattern,)) for pattern in document.tree}
    return Overlay(file, tuple((p, _normal(values)) for p, values in document.tree.items()), places, found)


def _subtract(value: JsonObject, over: JsonObject, base: JsonObject, path: Path, moved: list[str]) -> JsonObject:
    taken: JsonObject = {}
    for name in {**value, **over}:
        here = (*path, name)
        if name not in over:
            taken[name] = value[name]
            continue
        laid = merge(base[name], over[name]) if name in base else over[name]
        if name in value and _same(value[name], laid):
            if name in base:
                taken[name] = base[name]
        elif name in value and isinstance(value[name], dict) and isinstance(over[name], dict):
            below = base.get(name)
            inner = _subtract(value[name], over[name], below if isinstance(below, dict) else {}, here, moved)
            if inner or isinstance(below, dict):
                taken[name] = inner
            elif name in base:
                taken[name] = below
        else:
            moved.append(".".join(map(str, here)))
            if name in base:
                taken[name] = base[name]
    return taken


def _same(one: Json, other: Json) -> bool:
    return one == other and compact_bytes(one) == compact_bytes(other)


def _normal(metadata: JsonObject) -> JsonObject:
    """The values as `wfsync.bundle.structure.from_tree` would read them in a file."""
    values = dict(metadata)
    if isinstance(values.get("failureRateThreshold"), str):
        values["failureRateThreshold"] = parse_number(values["failureRateThreshold"])
    if "payloadSchemaMode" in values and values["payloadSchemaMode"] is None:
        values["payloadSchemaMode"] = DEFAULT_SCHEMA_MODE
    return values


_SOUND: Final[JsonObject] = {"concurrencyLimit": None, "failureRateMinRuns": None, "failureRateThreshold": None}


def _rules(document: Document) -> Iterator[Problem]:
    """Faults that a schema cannot say, as those of a file's own metadata."""
    for pattern, metadata in document.tree.items():
        for fault in numbers.check({"metadata": {**_SOUND, **metadata}, "draft": {"draftVersion": 1}}):
            place = document.source.value((pattern, *fault.path[1:]))
            yield Problem(code=CODE, message=fault.message, place=place, hint=fault.hint)
        for name, value in metadata.items():
            if _depth(value) > MAX_DEPTH - _ABOVE - 1:
                place = document.source.value((pattern, name))
                yield Problem(code=CODE, message=f"{name} is nested too deeply for a workflow", place=place)


def _secrets(document: Document, policy: SecretPolicy) -> Iterator[Problem]:
    """Values that look like secrets; the policy allows them by pattern and pointer: ``billing.*#/metadata/name``."""
    from wfsync.bundle.rules import secrets  # its patterns take milliseconds to compile

    for pattern, metadata in document.tree.items():
        for fault in secrets.check({"key": pattern, "metadata": metadata}, policy, ()):
            at = (pattern, *fault.path[1:])
            place = document.source.key((pattern,)) if fault.path[0] == "key" else document.source.value(at)
            yield Problem(
                code=fault.code,
                message=fault.message,
                severity=fault.severity,
                place=place,
                hint=fault.hint,
                details=fault.details,
            )


def _depth(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _faults(document: Document) -> Iterator[Problem]:
    for fault in schema.explain("overlay.v1", document.tree):
        member = (*fault.path, fault.member) if fault.member is not None else None
        place = document.source.value(fault.path) if member is None else document.source.key(member)
        subject = ".".join(str(step) for step in fault.path[1:])
        message = f"{subject}: {fault.message}" if subject else fault.message
        yield Problem(code=CODE, message=message, place=place, details={"keyword": fault.keyword})


def _position(problem: Problem) -> tuple[int, int]:
    place = problem.place
    return (place.line or 0, place.column or 0) if place is not None else (0, 0)


def _recoded(problem: Problem) -> Problem:
    """The same fault as the overlay's: its readers know bundles only."""
    return Problem(code=CODE, message=problem.message, place=problem.place, hint=problem.hint, related=problem.related)


def _invalid(file: str, problems: list[Problem]) -> InputError:
    return InputError(
        f"{file} is not an overlay that wfsync can use",
        code=CODE,
        hint="`wfsync schema overlay` prints what it may say",
        problems=problems,
    )
