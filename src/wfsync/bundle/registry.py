"""What an instance offers, as ``registry.yaml`` says it (issue 2, section 5; spec: runtime.md "Registry").

The file is taken literally: an instance offers what is listed and nothing else, built-in node types included, so that
the file written by an instance and one written by hand mean the same. Types starting with ``control.`` are part of the
language, not of an instance; nobody asks for them (`wfsync.bundle.dependencies`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wfsync.bundle import schema
from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.source_map import Document
from wfsync.errors import InputError, Problem

__all__ = ["Missing", "Registry", "parse_registry"]

CODE = "INVALID_REGISTRY"


@dataclass(frozen=True, slots=True)
class Missing:
    """What a workflow needs and an instance lacks, each sorted; false when that is nothing."""

    actions: tuple[tuple[str, int], ...] = ()
    node_types: tuple[str, ...] = ()
    schema_refs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions or self.node_types or self.schema_refs)

    def union(self, other: Missing) -> Missing:
        """What either of the two lacks: the merged lists of ``MISSING_DEPENDENCIES``."""
        return Missing(
            tuple(sorted({*self.actions, *other.actions})),
            tuple(sorted({*self.node_types, *other.node_types})),
            tuple(sorted({*self.schema_refs, *other.schema_refs})),
        )

    def to_tree(self) -> JsonObject:
        """The details of ``MISSING_DEPENDENCIES``, as bundle.md names them."""
        return {
            "missingActions": [{"actionId": action, "version": version} for action, version in self.actions],
            "missingNodeTypes": list(self.node_types),
            "missingSchemaRefs": list(self.schema_refs),
        }


@dataclass(frozen=True, slots=True)
class Registry:
    """Actions (id, version), node types and schema references that an instance offers."""

    actions: frozenset[tuple[str, int]] = frozenset()
    node_types: frozenset[str] = frozenset()
    schema_refs: frozenset[str] = frozenset()

    def missing(self, needs: Dependencies) -> Missing:
        """Which of ``needs`` are not offered; ``control.*`` is never asked for (bundle.md, "Derived values")."""
        return Missing(
            tuple(sorted(set(needs.actions) - self.actions)),
            tuple(sorted(kind for kind in set(needs.node_types) - self.node_types if not kind.startswith("control."))),
            tuple(sorted(set(needs.schema_refs) - self.schema_refs)),
        )

    def versions(self, action: str) -> tuple[int, ...]:
        """The versions of ``action`` that are offered, ascending: what to name when another one was asked for."""
        return tuple(sorted(version for name, version in self.actions if name == action))


def parse_registry(data: bytes, file: str) -> Registry:
    """Read a registry, JSON when ``file`` ends in ``.json``, else YAML; ``file`` also names it in problems.

    Raises `InputError` (``INVALID_REGISTRY``) with every fault: not readable, or against ``registry.v1.schema.json``.
    """
    syntax: Syntax = "json" if file.lower().endswith(".json") else "yaml"
    try:
        document = read_document(data, syntax, file)
    except InputError as error:
        raise _invalid(file, [_recoded(p) for p in error.problems]) from None
    problems = [_recoded(p) for p in document.problems]
    if not schema.is_valid("registry.v1", document.tree):
        problems.extend(_faults(document))
    if problems:
        raise _invalid(file, problems)
    return _from_tree(document.tree)


def _from_tree(tree: Json) -> Registry:
    return Registry(
        actions=frozenset((action["id"], action["version"]) for action in tree.get("actions", ())),
        node_types=frozenset(tree.get("nodeTypes", ())),
        schema_refs=frozenset(entry["ref"] for entry in tree.get("schemas", ())),
    )


def _faults(document: Document) -> Iterator[Problem]:
    for fault in schema.explain("registry.v1", document.tree):
        member = (*fault.path, fault.member) if fault.member is not None else None
        place = document.source.value(fault.path) if member is None else document.source.key(member)
        yield Problem(code=CODE, message=fault.message, place=place, details={"keyword": fault.keyword})


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
