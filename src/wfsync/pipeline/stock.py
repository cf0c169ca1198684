"""How every key of a repository and a database stands, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wfsync.plan.model import SourceRef, TargetRef
from wfsync.plan.ownership import Standing, State

if TYPE_CHECKING:
    from wfsync.errors import Problem
    from wfsync.plan.managed import Managed

__all__ = ["QUIET", "Item", "Stock"]

QUIET: Final[frozenset[State]] = frozenset(("in_sync", "database_only_unmanaged"))
"""Nothing is to be said of a key that stands like this; it is counted."""
_SETTLED: Final[frozenset[State]] = QUIET | {"held"}


@dataclass(frozen=True, slots=True)
class Item:
    """One key."""

    standing: Standing
    file: str | None
    workflow_id: str | None
    digest: str | None
    """Of the row."""
    managed: Managed | None
    """By any source."""
    updated_at: str | None
    updated_by: str | None
    stays: str | None = None
    """Why a prune would not delete it although it could be."""

    @property
    def key(self) -> str:
        """The workflow's key."""
        return self.standing.key

    @property
    def state(self) -> State:
        """How it stands."""
        return self.standing.state


@dataclass(frozen=True, slots=True)
class Stock:
    """How everything stands."""

    source: SourceRef
    source_name: str
    """What the source is called in the ledger."""
    target: TargetRef
    has_ledger: bool
    """False: nothing is known of what was applied before, so nobody can tell who changed what."""
    items: tuple[Item, ...]
    """In order of key; without those that are only counted."""
    warnings: tuple[Problem, ...]
    ambiguous: tuple[str, ...] = ()
    """Keys of files, and managed ones, that several rows have, in order: how they stand cannot be told, and they are no
    items.
    """
    unlisted: Mapping[State, int] = field(default_factory=dict)
    """How many more there are of which nothing is to be said, where nobody wanted them listed."""

    @property
    def settled(self) -> bool:
        """Whether nothing differs but what is nobody's business or waits for a change in git."""
        return all(item.state in _SETTLED for item in self.items) and not self.ambiguous
