"""The plan: a frozen value that says everything apply would do, and against what it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from wfsync.errors import Problem
from wfsync.plan.change import Blocked, Change, Kept
from wfsync.plan.ownership import OnDrift

__all__ = ["Overwrite", "Plan", "SourceRef", "Summary", "TargetRef", "plan_digest"]

Overwrite = Literal["replace", "update"]


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where the wanted state was read. ``commit`` and ``branch`` are None for a folder without git."""

    root: str
    directory: str
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    rev: str | None = None
    """The revision as it was asked for; None is the work tree."""


@dataclass(frozen=True, slots=True)
class TargetRef:
    """The database the plan is for. ``display`` names it without any password."""

    display: str
    tenant: str | None
    layout: str
    kind: str
    """How it was found: ``embedded`` or ``named``."""
    environment: str | None = None
    """Under which name of ``wfsync.yaml`` it was asked for."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How many workflows get which action."""

    create: int
    overwrite: int
    delete: int
    relink: int
    unchanged: int
    held: int = 0
    """Left alone since a rollback."""
    skipped: int = 0
    """Left alone because somebody changed them in the database."""

    @property
    def pending(self) -> int:
        """How many workflows would change."""
        return self.create + self.overwrite + self.delete + self.relink


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do: driven by ``changes`` alone, which are in order of key and leave out the unchanged.

    ``blocks`` are the reasons why apply would refuse; a plan that has some is still complete and worth showing.
    ``digest`` is always computed here (`plan_digest`), never taken from outside.
    """

    source: SourceRef
    target: TargetRef
    overwrite: Overwrite
    changes: tuple[Change, ...]
    unchanged: int
    warnings: tuple[Problem, ...] = ()
    blocks: tuple[Blocked, ...] = ()
    prune: bool = False
    """Whether workflows that we created and that are gone from git are deleted."""
    on_drift: OnDrift = "overwrite"
    """What happens to what somebody changed in the database."""
    kept: tuple[Kept, ...] = ()
    """What differs and is left alone, in order of key; not among ``changes``, not counted as unchanged."""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        if any(change.action == "unchanged" for change in self.changes):
            raise ValueError("a plan counts what is unchanged; it does not list it")
        ordered = tuple(sorted(self.changes, key=lambda change: (change.key, change.workflow_id or "")))
        object.__setattr__(self, "changes", ordered)
        object.__setattr__(self, "digest", self._digest_of(ordered))

    def _digest_of(self, changes: tuple[Change, ...]) -> str:
        return plan_digest(changes, self.overwrite, self.target.tenant, prune=self.prune, on_drift=self.on_drift)

    def summary(self) -> Summary:
        """The numbers of the last line of every rendering."""
        counts = {"create": 0, "overwrite": 0, "delete": 0, "relink": 0}
        for change in self.changes:
            counts[change.action] += 1
        held = sum(1 for kept in self.kept if kept.why == "held")
        return Summary(**counts, unchanged=self.unchanged, held=held, skipped=len(self.kept) - held)


def plan_digest(
    changes: Iterable[Change],
    overwrite: Overwrite,
    tenant: str | None,
    *,
    prune: bool = False,
    on_drift: OnDrift = "overwrite",
) -> str:
    """SHA-256 (hex) of what apply would do: keys, actions, digests before and after, and the options that decide how.

    Two plans with one digest do the same to the same base. Not in it: where the files or the server are, so that a plan
    made on one machine can be expected on another; warnings, field changes and counts, which only describe.
    """
    items = sorted([c.key, c.action, c.before_digest or "", c.decided_digest or ""] for c in changes)
    text = json.dumps(
        ["wfsync plan 2", overwrite, tenant, prune, on_drift, items], ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()
