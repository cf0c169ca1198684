"""What the ledger says of an apply: plain values, as they stand in its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

__all__ = ["KEPT_FIELDS", "AppliedRow", "ChangeRow", "Retention"]

KEPT_FIELDS: Final = "kept_fields"
"""Among an apply's options: the metadata that was not git's, and so not in its digests."""


@dataclass(frozen=True, slots=True)
class AppliedRow:
    """One apply: a row of ``wfsync.applies``."""

    id: str
    """A UUID."""
    command: str
    """What was run: ``apply``, ``import``, ``rollback``."""
    outcome: Literal["applied", "failed"]
    actor: str
    actor_origin: str
    """What named the actor: an option, a variable, or ``user`` for that of the operating system."""
    source: str
    """Identity of the source; `wfsync.repo.identity`."""
    target: str
    """The database, without a password."""
    plan_digest: str
    wfsync: str
    """The version of the program."""
    seconds: float
    error_code: str | None = None
    error: str | None = None
    run_url: str | None = None
    """Of the CI run."""
    branch: str | None = None
    commit: str | None = None
    dirty: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of the plan: create, overwrite, delete, relink, unchanged."""
    at: datetime | None = None
    """When it ended, by the server's clock; None before it is written."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What one apply did to one workflow: a row of ``wfsync.apply_changes`` without its image."""

    position: int
    """Counts from 0, in order of key."""
    key: str
    action: str
    """``create``, ``overwrite``, ``relink``, ``delete``."""
    before_digest: str | None
    after_digest: str | None
    before_id: str | None
    """``workflow_id`` before; None for what was created."""
    after_id: str | None
    """``workflow_id`` after; None for what was deleted."""
    versions: Sequence[int]
    """Published versions after the change (before it, for a delete)."""
    has_image: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the ledger is kept: whichever of the two keeps more. Managed keys are always kept."""

    applies: int = 200
    days: int = 90
