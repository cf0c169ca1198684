"""Calling one built-in action as an engine does: input and output checked against its schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from wfsync.bundle.json_schema import compile_schema
from wfsync.bundle.model import Json
from wfsync.runtime.actions import built_in_actions
from wfsync.runtime.registry import Action, Registry

REGISTRY = Registry.of(built_in_actions())


@dataclass(frozen=True)
class Calling:
    """An `ActionContext`: what a test says, and the lines that were logged."""

    settings: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = "run-1/root.steps[0]/"
    run_id: str = "6c0f2b4e-0000-4000-8000-000000000001"
    step_path: str = "root.steps[0]"
    attempt: int = 1
    now: datetime = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
    transaction: Any = None
    lines: list[tuple[str, str, Json]] = field(default_factory=list)

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        self.lines.append((level, message, context))

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)


def action(name: str, version: int = 1) -> Action:
    return REGISTRY.actions[name, version]


def call(name: str, given: Any, context: Calling | None = None, version: int = 1) -> Any:
    """The output of a call whose input must fit; the output must fit, too."""
    found = action(name, version)
    assert found.run is not None
    assert found.input_schema is not None
    assert found.output_schema is not None
    assert compile_schema(found.input_schema).faults(given) == ()
    output = found.run(given, context or Calling())
    assert compile_schema(found.output_schema).faults(output) == ()
    return output


def refuses(name: str, given: Any, version: int = 1) -> bool:
    """Whether the input breaks the action's schema."""
    schema = action(name, version).input_schema
    assert schema is not None
    return bool(compile_schema(schema).faults(given))
