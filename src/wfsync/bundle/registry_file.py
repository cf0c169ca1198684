"""``registry.yaml`` → a sound tree, or every fault of it with its place (spec: runtime.md "Registry").

Its form is `schemas/registry.v1.schema.json`. Beyond that: no entry stands twice, what is said to be a JSON Schema is
one that can be compiled, and a stub says nothing that contradicts itself or the action that it stands for.
`wfsync.bundle.registry` takes the names from the tree, `wfsync.bundle.declared` all of it. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Final

from wfsync.bundle import schema
from wfsync.bundle.json_schema import InvalidSchemaError, compile_schema, schema_faults
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.source_map import Document, Path
from wfsync.errors import InputError, Problem

__all__ = ["CODE", "delay_ms", "node_type_id", "read_registry"]

CODE: Final = "INVALID_REGISTRY"

_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_DELAY: Final = re.compile(r"([0-9]{1,8}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_LONGEST_MS: Final = 24 * _MILLISECONDS["h"]


def read_registry(data: bytes, file: str) -> JsonObject:
    """The tree of a registry, JSON when ``file`` ends in ``.json``, else YAML; ``file`` also names it in problems.

    Raises `InputError` (``INVALID_REGISTRY``) with every fault: not readable, against the schema, or unsound.
    """
    syntax: Syntax = "json" if file.lower().endswith(".json") else "yaml"
    try:
        document = read_document(data, syntax, file)
    except InputError as error:
        raise _invalid(file, [_recoded(p) for p in error.problems]) from None
    problems = [_recoded(p) for p in document.problems]
    if not schema.is_valid("registry.v1", document.tree):
        problems.extend(_form(document))
    problems.extend(_Rules(document).faults())
    if problems:
        raise _invalid(file, sorted(problems, key=_position))
    tree: JsonObject = document.tree
    return tree


def node_type_id(entry: Json) -> str:
    """The id of an entry of ``nodeTypes``, which may be nothing else."""
    name: str = entry if isinstance(entry, str) else entry["id"]
    return name


def delay_ms(delay: float | str) -> float:
    """Milliseconds of a stub's ``delay``, a number of them or text with a unit. Raises `ValueError` for other text."""
    if not isinstance(delay, str):
        return delay
    match = _DELAY.fullmatch(delay)
    if match is None:
        raise ValueError(delay)
    return float(match[1]) * _MILLISECONDS[match[2]]


def _form(document: Document) -> Iterator[Problem]:
    for fault in schema.explain("registry.v1", document.tree):
        if fault.keyword == "uniqueItems" and len(fault.path) == 1:
            continue  # which `_Rules.twice` says of the entry
        member = (*fault.path, fault.member) if fault.member is not None else None
        place = document.source.value(fault.path) if member is None else document.source.key(member)
        yield Problem(code=CODE, message=fault.message, place=place, details={"keyword": fault.keyword})


class _Rules:
    """What the schema cannot say. Parts that break the schema are passed over: that is said already."""

    def __init__(self, document: Document) -> None:
        self.source = document.source
        self.tree = document.tree if isinstance(document.tree, dict) else {}

    def faults(self) -> Iterator[Problem]:
        """Every fault, in any order."""
        yield from self.twice("actions", lambda entry: (entry.get("id"), entry.get("version")))
        yield from self.twice("nodeTypes", lambda entry: (entry.get("id"),))
        yield from self.twice("schemas", lambda entry: (entry.get("ref"),))
        for index, entry in self.entries("actions"):
            path: Path = ("actions", index)
            yield from self.schema(entry, path, "input")
            unsound = [*self.schema(entry, path, "output")]
            yield from unsound
            if "stub" in entry:
                yield from self.stub(entry["stub"], (*path, "stub"), None if unsound else entry.get("output"))
        for index, entry in self.entries("nodeTypes"):
            yield from self.schema(entry, ("nodeTypes", index), "config")
        for index, entry in self.entries("schemas"):
            yield from self.schema(entry, ("schemas", index), "schema")

    def entries(self, name: str) -> Iterator[tuple[int, JsonObject]]:
        """The entries of a list that are objects; a bare id counts as the object that it stands for."""
        found = self.tree.get(name)
        for index, entry in enumerate(found if isinstance(found, list) else ()):
            if isinstance(entry, dict):
                yield index, entry
            elif isinstance(entry, str) and name == "nodeTypes":
                yield index, {"id": entry}

    def twice(self, name: str, identity: Callable[[JsonObject], tuple[Json, ...]]) -> Iterator[Problem]:
        """Entries of the list ``name`` that an earlier one says already."""
        first: dict[tuple[Json, ...], int] = {}
        for index, entry in self.entries(name):
            identified = identity(entry)
            if not all(isinstance(part, str) or type(part) is int for part in identified):
                continue
            if first.setdefault(identified, index) != index:
                yield Problem(
                    code=CODE,
                    message=f"{' version '.join(map(str, identified))} stands in this list already",
                    place=self.source.value((name, index)),
                    related=(self.source.value((name, first[identified])),),
                    hint="remove one of the two",
                )

    def schema(self, entry: JsonObject, path: Path, member: str) -> Iterator[Problem]:
        """Why ``entry[member]`` is no JSON Schema that can be used."""
        given = entry.get(member)
        if isinstance(given, dict | bool):
            for fault in schema_faults(given):
                yield self.problem((*path, member, *fault.path), f"no usable JSON Schema: {fault.message}")

    def stub(self, stub: Json, path: Path, output: Json) -> Iterator[Problem]:
        """What is wrong with a stub, whose action gives ``output``."""
        if isinstance(stub, list):
            for index, reply in enumerate(stub):
                yield from self.reply(reply, (*path, index), output, listed=True)
        else:
            yield from self.reply(stub, path, output, listed=False)

    def reply(self, reply: Json, path: Path, output: Json, *, listed: bool) -> Iterator[Problem]:
        if not isinstance(reply, dict):
            return
        if "echo" in reply and "output" in reply:
            yield self.member((*path, "echo"), "a reply gives back the input or an output of its own, not both")
        if listed and "calls" in reply:
            yield self.member(
                (*path, "calls"), "in a list of replies the order says which call gets which; drop `calls`"
            )
        elif "fail" in reply and "calls" not in reply and not reply.keys().isdisjoint(("echo", "output")):
            message = "every call fails, so that nothing else is ever given; say which `calls` fail"
            yield self.member((*path, "echo" if "echo" in reply else "output"), message)
        delay = reply.get("delay")
        if isinstance(delay, str) and _DELAY.fullmatch(delay) and delay_ms(delay) > _LONGEST_MS:
            yield self.problem((*path, "delay"), "is longer than 24 hours; waits of that kind are `time.wait` steps")
        if "output" in reply and isinstance(output, dict | bool):
            for fault in _breaches(output, reply["output"]):
                message = f"against the action's `output` schema: {fault.message}"
                yield self.problem((*path, "output", *fault.path), message)

    def problem(self, path: Path, message: str) -> Problem:
        return Problem(code=CODE, message=message, place=self.source.value(path))

    def member(self, path: Path, message: str) -> Problem:
        return Problem(code=CODE, message=message, place=self.source.key(path))


def _breaches(given: Json, value: Json) -> tuple[schema.SchemaFault, ...]:
    try:
        return compile_schema(given).faults(value)
    except InvalidSchemaError:
        return ()


def _position(problem: Problem) -> tuple[float, float]:
    place = problem.place
    return (math.inf, 0) if place is None else (place.line or math.inf, place.column or math.inf)


def _recoded(problem: Problem) -> Problem:
    """The same fault as the registry's: its readers know bundles only."""
    return Problem(code=CODE, message=problem.message, place=problem.place, hint=problem.hint, related=problem.related)


def _invalid(file: str, problems: list[Problem]) -> InputError:
    return InputError(
        f"{file} is not a registry that wfsync can use",
        code=CODE,
        hint="`wfsync schema registry` prints what it may say",
        problems=problems,
    )
