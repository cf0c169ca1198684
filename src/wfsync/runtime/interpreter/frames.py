"""Where a run stands: strands of frames. Values only; `turn` moves them.

A run is one strand; each item of a concurrent loop has a strand of its own while it runs. A strand's stack is a tuple
of frozen frames, so that a copy of a strand is cheap and a turn that must be given up leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import Write
from wfsync.runtime.definition import Block, CallStep, ForEachStep, IfStep, NodeStep, Step, TryStep
from wfsync.runtime.nodes import Asked
from wfsync.runtime.protocol import CallAction

__all__ = [
    "ROOT",
    "Asked",
    "AtBlock",
    "AtIf",
    "AtItems",
    "AtLoop",
    "AtTry",
    "Frame",
    "Journal",
    "Snapshot",
    "Strand",
    "Waiting",
]

ROOT = ""
"""The key of the strand that every run begins with."""

Journal = tuple["Journal", Write] | None
"""What a strand assigned, newest outermost: kept only where it must be merged into another's envelope."""


@dataclass(frozen=True, slots=True)
class AtBlock:
    """Before the step ``index`` of ``steps``."""

    steps: Block
    index: int = 0


@dataclass(frozen=True, slots=True)
class AtIf:
    """In a branch of an ``if``."""

    step: IfStep
    shown: JsonObject
    branch: Literal["then", "else"]


@dataclass(frozen=True, slots=True)
class AtTry:
    """In the ``try`` or the ``catch`` of a ``tryCatch``. ``outer_error`` is what ``error`` was before."""

    step: TryStep
    phase: Literal["try", "catch"] = "try"
    outer_error: Json = None


@dataclass(frozen=True, slots=True)
class AtLoop:
    """In the item ``index`` of a sequential loop; what was before is restored after it."""

    step: ForEachStep
    items: list[Json]
    index: int
    failed: int
    outer_local: Mapping[str, Json]
    outer_iteration: str


@dataclass(frozen=True, slots=True)
class AtItems:
    """Waiting for the items of a concurrent loop, each a strand.

    ``merged`` items, in order, have been taken over into ``envelope`` and ``journal``; what ended before its turn waits
    in ``early``.
    """

    step: ForEachStep
    items: list[Json]
    begun: int
    live: frozenset[int]
    failed: int
    merged: int
    envelope: JsonObject
    journal: Journal
    early: Mapping[int, Journal]


Frame = AtBlock | AtIf | AtTry | AtLoop | AtItems


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that waits for the answer to ``command``. ``first`` is the attempt with which its tries began; ``call`` is
    the call that a back-off will repeat.
    """

    step: NodeStep | CallStep
    command: Asked
    shown: Json
    attempt: int
    first: int
    call: CallAction | None = None

    @property
    def repeats(self) -> CallAction | None:
        """The call that another attempt makes again: with the same key and the same input."""
        return self.command if isinstance(self.command, CallAction) else self.call


@dataclass(slots=True)
class Strand:
    """One thread of steps. Changed only by the turn that owns it."""

    key: str
    parent: str | None
    index: int
    stack: tuple[Frame, ...]
    envelope: JsonObject
    local: Mapping[str, Json]
    iteration: str
    journal: Journal = None
    waiting: Waiting | None = None

    def copy(self) -> Strand:
        """A strand of its own, with the same values."""
        return Strand(
            self.key,
            self.parent,
            self.index,
            self.stack,
            self.envelope,
            self.local,
            self.iteration,
            self.journal,
            self.waiting,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it was when the step failed that made it fail: where ``retry`` goes on."""

    strands: Mapping[str, Strand]
    key: str
    step: Step
    attempt: int
    call: CallAction | None = None
