"""What came of one command on many targets: values, and which ending is the worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from wfsync.apply.outcome import Outcome
from wfsync.errors import Conflict, LockTimeout, Problem, Refused, WfsyncError
from wfsync.pipeline.stock import Stock
from wfsync.plan.model import Plan, SourceRef

__all__ = ["ENDINGS", "Command", "Ending", "GroupReport", "TargetReport", "ending_of_error"]

Command = Literal["plan", "apply", "status"]

Ending = Literal[
    "in_sync",
    "pending",
    "blocked",
    "differs",
    "applied",
    "unchanged",
    "locked",
    "conflict",
    "refused",
    "failed",
    "interrupted",
    "skipped",
]
"""Of ``plan``: in_sync, pending, blocked (apply would refuse); of ``status``: in_sync, differs; of ``apply``: applied,
unchanged. Any: locked, conflict, refused, failed, interrupted (rolled back), skipped (never begun).
"""

ENDINGS: Final[tuple[Ending, ...]] = (
    "applied",
    "unchanged",
    "in_sync",
    "pending",
    "differs",
    "blocked",
    "locked",
    "conflict",
    "refused",
    "failed",
    "interrupted",
    "skipped",
)
"""In the order in which they are counted."""


@dataclass(frozen=True, slots=True)
class TargetReport:
    """How the command ended on one target."""

    name: str
    environment: str
    wave: str
    ending: Ending
    tenant: str | None = None
    """As it was asked for, or as the database spells it where that is known."""
    seconds: float = 0.0
    plan: Plan | None = None
    """Also of an apply that was refused."""
    outcome: Outcome | None = None
    stock: Stock | None = None
    error: WfsyncError | None = None
    because: str | None = None
    """Of what was skipped: why."""

    @property
    def failed(self) -> bool:
        """Whether what comes after it in an apply should not be begun."""
        return self.error is not None or self.ending == "interrupted"

    @property
    def pending(self) -> bool:
        """Whether something would change, or is not in sync."""
        return self.ending in ("pending", "blocked", "differs")


@dataclass(frozen=True, slots=True)
class GroupReport:
    """How it ended on all of them, in the order of the waves."""

    group: str
    command: Command
    jobs: int
    waves: tuple[str, ...]
    targets: tuple[TargetReport, ...]
    source: SourceRef
    source_name: str
    """What the source is called in the ledgers."""
    seconds: float = 0.0
    stopped_by: int | None = None
    """The signal that came before everything was begun, or finished."""
    warnings: tuple[Problem, ...] = field(default=())

    def counts(self) -> Mapping[Ending, int]:
        """How many targets ended how; only endings that there are."""
        counted = dict.fromkeys(ENDINGS, 0)
        for target in self.targets:
            counted[target.ending] += 1
        return {ending: count for ending, count in counted.items() if count}


def ending_of_error(error: WfsyncError) -> Ending:
    """How a target ended that raised ``error``."""
    match error:
        case Conflict():
            return "conflict"
        case Refused():
            return "refused"
        case LockTimeout():
            return "locked"
        case _:
            return "failed"
