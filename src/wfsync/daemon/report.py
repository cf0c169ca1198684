"""What came of one sync: a value that the loop, the log, the metrics and the health checks all look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from wfsync.errors import (
    CommitUnknown,
    Conflict,
    DatabaseError,
    LockTimeout,
    Problem,
    Refused,
    RepositoryError,
    WfsyncError,
)

__all__ = ["ACTIONS", "STATUSES", "Report", "Status", "status_of"]

Status = Literal["in_sync", "applied", "suspended", "refused", "failed", "standby"]
"""``in_sync``: compared, nothing to do. ``applied``: committed. ``suspended``: compared, and told not to apply.
``refused``: compared, and consent or a brake says no. ``failed``: it could not be done. ``standby``: another instance
leads."""

STATUSES: Final[tuple[Status, ...]] = ("in_sync", "applied", "suspended", "refused", "failed", "standby")
ACTIONS: Final = ("create", "overwrite", "delete", "relink")

_OF_A_REVISION: Final = frozenset(
    {
        "EMPTY_DIRECTORY",
        "MISSING_DIRECTORY",
        "NOT_A_DIRECTORY",
        "REPOSITORY_LFS_POINTER",
        "REPOSITORY_SPECIAL_FILE",
        "REPOSITORY_SYMLINK",
    }
)
"""What `RepositoryError` says of files that were reached: the next commit mends it."""
_NOWHERE: Final = frozenset(
    {"DATABASE_ENV_UNSET", "DATABASE_REQUIRED", "INTERNAL", "INVALID_DATABASE_URL", "NO_REPOSITORY", "REMOTE_URL"}
)
"""What other errors say where a repository or a database was not reached. Of a defect nobody knows how far it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One sync."""

    status: Status
    at: float
    """When it ended, in seconds since the epoch."""
    seconds: float
    """How long it took."""
    leader: bool
    """Whether this instance leads its target after the sync."""
    reason: str = "interval"
    """What began it: ``start``, ``interval``, ``retry``, ``webhook``, ``signal``."""
    commit: str | None = None
    """What was compared; None without git, or where it did not come to that."""
    pending: Mapping[str, int] = field(default_factory=dict)
    """By action: what still differs after the sync, where it is known."""
    written: Mapping[str, int] = field(default_factory=dict)
    """By action: what was committed."""
    unchanged: int | None = None
    """Workflows that were equal; None where nothing was compared."""
    drifted: int | None = None
    """Workflows that somebody changed in the database; None where nothing was compared."""
    held: int | None = None
    """Workflows that a rollback holds, likewise."""
    notes: tuple[Problem, ...] = ()
    """Warnings."""
    error: WfsyncError | None = None
    """Why it failed or was refused."""

    @property
    def code(self) -> str | None:
        """The stable code of `error`."""
        return None if self.error is None else self.error.code

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, with the warnings."""
        return (*(() if self.error is None else self.error.problems), *self.notes)

    @property
    def in_sync(self) -> bool | None:
        """Whether the database is what git says, as far as this sync found out; None when it found out nothing."""
        if self.status in ("failed", "standby"):
            return None
        differs = any(self.pending.values()) or self.drifted or self.held
        return self.status != "refused" and not differs

    @property
    def is_transient(self) -> bool:
        """True when trying again may help although nobody changes anything: a database or a remote out of reach, a row
        that moved between plan and apply. Wrong files and missing consent wait for the next revision instead.
        """
        if self.status != "failed":
            return False
        if isinstance(self.error, Conflict):
            return self.error.code == "STALE_PLAN"
        return self.error is None or isinstance(self.error, DatabaseError | RepositoryError | CommitUnknown)

    @property
    def is_cut_off(self) -> bool:
        """True when git or the database was not reached, or could not be worked with. Wrong files and settings of a
        revision, a lock that somebody holds and a row that moved were found there: the service is as good as before.
        """
        if self.code in _NOWHERE:
            return True
        if self.code in _OF_A_REVISION or isinstance(self.error, Conflict | LockTimeout):
            return False
        return self.is_transient


def status_of(error: WfsyncError) -> Literal["refused", "failed"]:
    """``refused`` when consent or policy said no to a plan that could have been carried out."""
    if isinstance(error, Conflict):
        return "failed" if error.code == "STALE_PLAN" else "refused"
    return "refused" if isinstance(error, Refused) else "failed"
