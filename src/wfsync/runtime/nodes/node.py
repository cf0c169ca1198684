"""What the interpreter asks of a node, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import Write, writes
from wfsync.runtime.envelope import scope_of
from wfsync.runtime.protocol import (
    CallAction,
    Event,
    OpenTask,
    Pos,
    StartChild,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.template import Template

__all__ = ["Asked", "Done", "Node", "Parked", "Standing"]


Asked = CallAction | WaitUntil | WaitEvent | OpenTask | StartChild
"""A command that is answered: every one but `Finish`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a step stands when it is entered or resumed."""

    envelope: JsonObject
    local: Mapping[str, Json]
    """The variables of the loops around it."""
    at: datetime
    pos: Pos
    newest: Callable[[str], int]
    """The newest version of an action, for node types that name an action and no version."""

    def resolve(self, template: Template) -> Json:
        """``template`` here and now. Raises `StepFailed`."""
        return template.resolve(scope_of(self.envelope, self.local), self.at)

    def after(self, assigned: tuple[Write, ...]) -> Standing:
        """The same with ``assigned`` in the envelope. Raises `StepFailed` where that cannot be."""
        return Standing(writes(self.envelope, assigned), self.local, self.at, self.pos, self.newest)


@dataclass(frozen=True, slots=True)
class Done:
    """The step has succeeded: what it assigns, and what its record shows."""

    writes: tuple[Write, ...] = ()
    output: Json = None
    input: Json = None


@dataclass(frozen=True, slots=True)
class Parked:
    """The step waits for the answer to ``command``; ``input`` is what its record shows."""

    command: Asked
    input: Json = None


class Node(Protocol):
    """What a step does; compiled once per definition, without any state of a run."""

    def enter(self, here: Standing) -> Done | Parked:
        """Begin an attempt. Raises `StepFailed`."""

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:
        """Go on with ``event``, which answers ``command``. Raises `StepFailed`."""
