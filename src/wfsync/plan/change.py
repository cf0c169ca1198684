"""The items of a plan: values that say what would happen to one workflow, and what differs in it.

`FieldChange.path` says the place in a person's words, steps by their id and flat, however deep they are nested::

    metadata.trigger.cron                       a field of the metadata
    draftVersion                                the draft's number
    draft.steps[notify].config.inputMapping.to  a field of the draft's step ``notify``
    versions[2].steps[notify#2].name            in version 2, the second step that has the id ``notify``
    versions[2].payloadSchemaJson.type          version 2's payload schema
    draft.steps[a].config["odd.key"].list[3]    odd names are quoted as JSON; list items count from 0

Two different places never have the same path. (Grammar and escaping: `wfsync.plan.place`.)
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from wfsync.bundle.model import Json
from wfsync.plan.ownership import State

__all__ = [
    "MISSING",
    "Action",
    "Blocked",
    "CascadeCount",
    "CascadeEffect",
    "Change",
    "FieldChange",
    "FieldOp",
    "Kept",
    "KeptWhy",
    "Missing",
    "last_update",
]

Action = Literal["create", "overwrite", "relink", "delete", "unchanged"]
FieldOp = Literal["add", "remove", "change", "move"]
CascadeEffect = Literal["deleted", "detached", "blocked"]
KeptWhy = Literal["held", "skipped"]


class Missing(enum.Enum):
    """The one value that says "there is nothing here", which JSON's null does not."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference inside a workflow.

    ``add`` has only ``new``, ``remove`` only ``old``. For a ``move``, ``old`` and ``new`` are step paths as the runtime
    writes them (``root.steps[3].then.steps[0]``). An added or removed step stands for its own fields, without the steps
    nested in it (they have entries of their own); an added or removed version for a short summary.
    """

    op: FieldOp
    path: str
    old: Json | Missing = MISSING
    new: Json | Missing = MISSING
    masked: bool = False
    """True when ``old`` or ``new`` hides something that looks like a secret; both may then read the same."""
    note: str | None = None
    """In a person's words: where a step moved from and to, what an added step or version is."""


@dataclass(frozen=True, slots=True)
class CascadeCount:
    """Rows of one table that go, are cut loose, or stand in the way when a workflow is deleted."""

    table: str
    effect: CascadeEffect
    rows: int
    capped: bool = False
    """True when counting stopped: there are more than ``rows``."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one workflow, and why. Holds no document; ``paths`` are masked."""

    key: str
    action: Action
    reason: str
    before_digest: str | None = None
    after_digest: str | None = None
    """Fields that are not git's are null in it, also where they are written: of a create, see ``creation_digest``."""
    file: str | None = None
    workflow_id: str | None = None
    """The row's id in the database, for everything but a create."""
    versions: tuple[int, ...] = ()
    """The published versions after the change (before it, for a delete)."""
    paths: tuple[FieldChange, ...] = ()
    cascades: tuple[CascadeCount, ...] = ()
    active_runs: Mapping[str, int] = field(default_factory=dict)
    """Status (QUEUED, RUNNING, WAITING) to number of runs; only those above zero."""
    updated_at: str | None = None
    """When the row was last written (RFC 3339), if known."""
    updated_by: str | None = None
    state: State | None = None
    """How the key stood: whose it is, and who changed it; None where the plan is not a repository's (`import`)."""
    drift: bool = False
    """The change takes away what somebody changed in the database since our last apply."""
    managed_by: str | None = None
    """The other source that manages the key."""
    renamed_from: str | None = None
    """Of a create: the key that git no longer has and whose row holds the same, or is the one that the file means."""
    renamed_to: str | None = None
    """Of a delete: likewise, the key that is created."""
    creation_digest: str | None = None
    """Of a create: of all that is written, with what fields begin with that are not git's afterwards."""
    later: str | None = None
    """Of a rollback: the last later apply of the workflow, whose work the change takes away."""

    @property
    def decided_digest(self) -> str | None:
        """Of what the change makes of the workflow, as whoever approves it means it."""
        return self.creation_digest or self.after_digest


@dataclass(frozen=True, slots=True)
class Kept:
    """A workflow that apply leaves alone although file and row differ."""

    key: str
    why: KeptWhy
    """``held``: a rollback went behind this very file. ``skipped``: changed in the database, and told to leave that."""
    state: State
    reason: str
    file: str | None = None
    workflow_id: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A reason why apply would refuse the plan as it stands. ``key`` is None when it concerns the whole plan."""

    code: str
    message: str
    key: str | None = None
    hint: str | None = None
    """What consents to it, or what to do about it."""
    details: Mapping[str, Any] = field(default_factory=dict)


def last_update(who: str | None, when: str | None) -> str:
    """Who wrote a row last and when, as an aside, as far as it tells: not everybody who changes a row says so in it."""
    by = f" by {who}" if who else ""
    at = f" at {when}" if when else ""
    return f" (the row was last updated{by}{at})" if by or at else " (the row does not tell who did, nor when)"
