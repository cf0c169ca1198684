"""``UNKNOWN_NODE_TYPE`` and ``INVALID_CONFIG``: what the registry says of a step's type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path
from wfsync.runtime.publish_checks.conformity import certain_faults
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean
from wfsync.runtime.publish_checks.values import is_wildcard

__all__ = ["CONTROL_TYPES", "check_nodes", "config_findings", "place_text"]

CONTROL_TYPES: Final = (
    "control.callWorkflow",
    "control.forEach",
    "control.if",
    "control.return",
    "control.tryCatch",
)

_WRITTEN_OUT: Final = ("actionId", "version", "saveAs")


def check_nodes(subject: Subject) -> Iterator[Finding]:
    """Steps of a type that is not registered, and configurations that their type's schema refuses."""
    known = subject.registry.node_types
    for path, step in subject.steps:
        kind = step.get("type")
        if not isinstance(kind, str) or not kind or kind in CONTROL_TYPES:
            continue
        node = known.get(kind)
        if node is None:
            candidates = CONTROL_TYPES if kind.startswith("control.") else (*known, *CONTROL_TYPES)
            yield finding_at(
                subject.definition,
                (*path, "type"),
                "UNKNOWN_NODE_TYPE",
                f"there is no type of step {kind!r}",
                did_you_mean(kind, candidates) or "install the plugin that has it, or declare it in registry.yaml",
            )
        elif node.config_schema is not None and isinstance(step.get("config", {}), dict):
            yield from config_findings(subject, node.config_schema, step.get("config", {}), (*path, "config"))
        yield from _computed(subject, step, path)


def _computed(subject: Subject, step: JsonObject, path: Path) -> Iterator[Finding]:
    """Members that must be known before a run begins."""
    config = step.get("config")
    if not isinstance(config, dict):
        return
    for name in _WRITTEN_OUT if step.get("type") == "action.call" else ("saveAs",):
        if is_wildcard(config.get(name)):
            yield finding_at(
                subject.definition,
                (*path, "config", name),
                "INVALID_CONFIG",
                f"config.{name}: no expression is evaluated here",
                "write the value out",
            )


def config_findings(subject: Subject, schema: Schema, value: Json, path: Path) -> Iterator[Finding]:
    """``INVALID_CONFIG`` for every fault of ``value`` (at ``path``) that no evaluation can mend."""
    for located in certain_faults(schema, value):
        fault = located.fault
        yield finding_at(
            subject.definition,
            path + fault.path,
            "INVALID_CONFIG",
            f"{place_text((*_tail(path), *fault.path))}: {fault.message}",
        )


def place_text(path: Path) -> str:
    """``config.filters[0].op`` for ``("config", "filters", 0, "op")``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _tail(path: Path) -> Path:
    """The part of ``path`` that is inside the step."""
    last = max((i for i, part in enumerate(path) if isinstance(part, int)), default=-1)
    return path[last + 1 :]
