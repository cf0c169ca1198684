"""What an instance offers, and whether that is enough, for people and machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from wfsync.bundle.model import JsonObject
from wfsync.bundle.registry import Missing
from wfsync.bundle.registry import Registry as Names
from wfsync.errors import Problem
from wfsync.pipeline.covering import Coverage
from wfsync.plan.codec import PLAN_FORMAT_VERSION, problem_value
from wfsync.render.escape import json_document, plain
from wfsync.render.problems import problems_text
from wfsync.runtime.registry import Action, Registry
from wfsync.runtime.registry_tree import action_tree, node_type_tree, schema_tree
from wfsync.runtime.stubs import is_stub

__all__ = ["KINDS", "Kind", "check_json", "check_text", "listing_json", "listing_text", "unused_note"]

Kind = Literal["actions", "nodeTypes", "schemas"]
KINDS: Final[tuple[Kind, ...]] = ("actions", "nodeTypes", "schemas")
_TITLES: Final[Mapping[Kind, str]] = {"actions": "Actions", "nodeTypes": "Node types", "schemas": "Payload schemas"}
_NAMED: Final = 10
"""How many unused entries of a kind are named one by one."""


def listing_text(registry: Registry, kinds: Sequence[Kind]) -> str:
    """A line for each entry: name, where it is from, what people call it; the last line counts."""
    lines: list[str] = []
    for kind in kinds:
        rows = list(_rows(registry, kind))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        lines.append(f"{_TITLES[kind]}:")
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines.append("")
    return "\n".join([*lines, f"Registry: {_counts(registry)}."]) + "\n"


def _rows(registry: Registry, kind: Kind) -> Iterator[tuple[str, ...]]:
    if kind == "actions":
        for (name, version), action in sorted(registry.actions.items()):
            yield plain(name), str(version), _how(action), plain(action.origin), plain(action.label or "")
    elif kind == "nodeTypes":
        for name, node in sorted(registry.node_types.items()):
            yield plain(name), plain(node.origin), plain(node.label or "")
    else:
        for ref, entry in sorted(registry.schemas.items()):
            yield plain(ref), "schema" if entry.schema is not None else "name only", plain(entry.origin)


def _how(action: Action) -> str:
    return "stub" if is_stub(action) else "name only" if action.run is None else "real"


def _counts(registry: Registry) -> str:
    stubs = sum(map(is_stub, registry.actions.values()))
    actions = f"{_count(len(registry.actions), 'action')} ({_count(stubs, 'stub')})"
    nodes = _count(len(registry.node_types), "node type")
    return f"{actions}, {nodes}, {_count(len(registry.schemas), 'payload schema')}"


def listing_json(registry: Registry, kinds: Sequence[Kind], problems: Sequence[Problem]) -> str:
    """One document: the entries as ``registry.yaml`` has them, each with ``origin``, actions with ``execution``."""
    entries: dict[Kind, list[JsonObject]] = {
        "actions": [
            {**action_tree(action), "origin": action.origin, "execution": _EXECUTION[_how(action)]}
            for _, action in sorted(registry.actions.items())
        ],
        "nodeTypes": [
            {**node_type_tree(node), "origin": node.origin} for _, node in sorted(registry.node_types.items())
        ],
        "schemas": [{**schema_tree(entry), "origin": entry.origin} for _, entry in sorted(registry.schemas.items())],
    }
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "summary": {
                "actions": len(registry.actions),
                "stubs": sum(map(is_stub, registry.actions.values())),
                "node_types": len(registry.node_types),
                "schemas": len(registry.schemas),
            },
            **{kind: entries[kind] for kind in kinds},
            "errors": [problem_value(problem) for problem in problems],
            "warnings": [],
        }
    )


_EXECUTION: Final = {"stub": "stub", "name only": "none", "real": "real"}


def unused_note(unused: Missing) -> Problem | None:
    """A note that names what nobody needs."""
    kinds = (
        ("action", [f"{action} version {version}" for action, version in unused.actions]),
        ("node type", list(unused.node_types)),
        ("schema", list(unused.schema_refs)),
    )
    parts = [f"{kind} {_some(names)}" for kind, names in kinds if names]
    if not parts:
        return None
    return Problem(
        code="REGISTRY_UNUSED",
        severity="note",
        message=f"no workflow here needs {'; '.join(parts)}",
        details={
            "actions": [{"actionId": action, "version": version} for action, version in unused.actions],
            "nodeTypes": list(unused.node_types),
            "schemaRefs": list(unused.schema_refs),
        },
    )


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def check_text(file: str, offered: Names, coverage: Coverage | None, *, notes: bool = True, color: bool = False) -> str:
    """What is missing for each workflow, what nobody needs (with ``notes``), and the line that counts."""
    shown = [problem for problem in _found(coverage) if notes or problem.is_error]
    return problems_text(shown, color=color) + f"Checked {plain(file)}: {_verdict(offered, coverage)}.\n"


def _found(coverage: Coverage | None) -> list[Problem]:
    if coverage is None:
        return []
    note = unused_note(coverage.unused)
    return [*coverage.problems, *([] if note is None else [note])]


def _verdict(offered: Names, coverage: Coverage | None) -> str:
    actions, nodes = _count(len(offered.actions), "action"), _count(len(offered.node_types), "node type")
    text = f"{actions}, {nodes}, {_count(len(offered.schema_refs), 'payload schema')}"
    if coverage is None:
        return text
    return f"{text}; {_count(coverage.workflows, 'workflow')}, {coverage.lacking} need more"


def check_json(file: str, offered: Names, coverage: Coverage | None) -> str:
    """One document: ``summary``, ``errors`` (what is missing), ``warnings`` (the note on what nobody needs)."""
    found = _found(coverage)
    unused = Missing() if coverage is None else coverage.unused
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "registry": file,
            "summary": {
                "actions": len(offered.actions),
                "node_types": len(offered.node_types),
                "schemas": len(offered.schema_refs),
                "workflows": None if coverage is None else coverage.workflows,
                "lacking": None if coverage is None else coverage.lacking,
                "unused": len(unused.actions) + len(unused.node_types) + len(unused.schema_refs),
            },
            "errors": [problem_value(problem) for problem in found if problem.is_error],
            "warnings": [problem_value(problem) for problem in found if not problem.is_error],
        }
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
