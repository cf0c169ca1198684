"""What an apply did: past tense, a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wfsync.errors import Problem
from wfsync.plan.model import Plan

__all__ = ["Applied", "AppliedAction", "Outcome"]

AppliedAction = Literal["created", "overwritten", "deleted", "relinked"]


@dataclass(frozen=True, slots=True)
class Applied:
    """One workflow that was written."""

    key: str
    action: AppliedAction
    workflow_id: str
    """The row's id now; of a deleted one, what it was."""
    previous_id: str | None = None
    """The id of the row that is gone: before ``replace`` gave it a new one, or of a deleted one."""
    versions: tuple[int, ...] = ()
    """Its published versions now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A committed apply."""

    plan: Plan
    applied: tuple[Applied, ...]
    """In order of key."""
    versions_written: int
    """Published versions inserted or rewritten."""
    seconds: float
    """Wall time of the write transaction."""
    notes: tuple[Problem, ...] = ()
    """Warnings of the apply itself: what it could not do beside what the plan says."""
    apply_id: str | None = None
    """Its row in the ledger; None where nothing was recorded."""

    @property
    def deleted_ids(self) -> tuple[str, ...]:
        """Ids of rows that are gone, with everything that hung on them."""
        return tuple(a.previous_id for a in self.applied if a.previous_id is not None)

    def count(self, action: AppliedAction) -> int:
        """How many workflows were written in this way."""
        return sum(1 for a in self.applied if a.action == action)
