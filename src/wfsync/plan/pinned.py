"""A plan that was written down to be carried out later, as it was approved: ``plan --out FILE``, ``apply FILE``.

It holds no content and no digest of any: a plain SHA-256 of something that has few possible values (a name, a flag, a
short text) could be guessed by whoever reads the artifact. What stands there instead is an HMAC-SHA256 under a key of
the target's (the ledger's, where there is one), the plan's own id and the workflow's key. So digests of two databases,
of two plans and of two workflows have nothing in common, whatever is in them.

Pure. The file is read and written by `wfsync.plan.pinned_file`; what makes a plan stale is in `wfsync.plan.staleness`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

from wfsync import __version__
from wfsync.bundle.model import Json
from wfsync.plan.change import Action, Change
from wfsync.plan.model import Overwrite, Plan, SourceRef
from wfsync.plan.ownership import OnDrift

__all__ = [
    "RULES",
    "KeyKind",
    "PinnedChange",
    "PinnedOptions",
    "PinnedPlan",
    "PinnedSource",
    "PinnedTarget",
    "Seal",
    "pin",
    "pinned_source",
]

RULES: Final = 1
"""How workflows are digested and compared. Raise it in the commit that makes a version of wfsync decide otherwise about
the same files and rows: a plan of one version must not be carried out under the rules of another."""

KeyKind = Literal["ledger", "system"]
"""Where the key of the digests comes from: the ledger's random one, or one derived from the identity of the database,
where there is no ledger (yet) that this role may read."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes the digests of one plan file."""

    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes, plan_id: str) -> Self:
        """``secret`` is the target's key, which is in no file; ``plan_id`` makes equal digests of two plans differ."""
        return cls(hmac.digest(secret, f"wfsync plan file\0{plan_id}".encode(), "sha256"))

    def of_workflow(self, key: str, digest: str | None) -> str | None:
        """Of the digest of the workflow ``key``; None stays None: there is no such workflow."""
        return None if digest is None else self.of_text("workflow", key, digest)

    def of_text(self, what: str, *parts: str) -> str:
        """Of some text; ``what`` keeps equal texts of different meaning apart."""
        return self.of_value(what, list(parts))

    def of_value(self, what: str, value: Json) -> str:
        """Of a JSON value, whatever the order of its members."""
        text = json.dumps([what, value], ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=str)
        return hmac.digest(self._key, text.encode("ascii"), "sha256").hex()


@dataclass(frozen=True, slots=True)
class PinnedTarget:
    """The database that the plan is for. ``database`` and ``system`` are sealed: with a key that is derived from them,
    they must not stand in the file themselves.
    """

    display: str
    """For people; not compared, since one database has many names."""
    tenant: str | None
    environment: str | None
    database: str
    """Of the database's oid."""
    system: str | None
    """Of the server's system identifier; None where the role may not ask for it."""


@dataclass(frozen=True, slots=True)
class PinnedSource:
    """Where the files were read, and where they will be: what is in them decides, not where they lie."""

    identity: str | None
    """Which repository and directory it is (``source:``); None where that was not found out."""
    path: str | None
    """DIR as it was typed."""
    directory: str
    rev: str | None
    commit: str | None
    branch: str | None
    dirty: bool


@dataclass(frozen=True, slots=True)
class PinnedOptions:
    """What decided how the plan came out; apply takes all of it from here."""

    overwrite: Overwrite
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    prune: bool = False
    on_drift: OnDrift = "overwrite"
    config: str = ""
    """Of what ``wfsync.yaml`` says, sealed; comments and layout do not count."""
    policy: str = ""
    """Of the field policies and the overlay in force for the keys of the plan, sealed."""


@dataclass(frozen=True, slots=True)
class PinnedChange:
    """What happens to one workflow; ``before`` and ``after`` are sealed digests."""

    key: str
    action: Action
    file: str | None
    workflow_id: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PinnedPlan:
    """All that the file says, but for the format."""

    id: str
    """32 hexadecimal digits, random."""
    made_at: str
    key: KeyKind
    target: PinnedTarget
    source: PinnedSource
    options: PinnedOptions
    changes: tuple[PinnedChange, ...] = ()
    blocked: tuple[str, ...] = ()
    """Keys that the plan is about and that it could not decide on (such as keys with several rows), or may not."""
    unchanged: int = 0
    made_by: str = __version__
    """The version of wfsync."""
    rules: int = RULES

    @property
    def keys(self) -> frozenset[str]:
        """Every key that the plan is about."""
        return frozenset([*(change.key for change in self.changes), *self.blocked])

    def actions(self) -> Mapping[Action, int]:
        """How many workflows get which action."""
        counts: dict[Action, int] = {}
        for change in self.changes:
            counts[change.action] = counts.get(change.action, 0) + 1
        return counts


def pin(plan: Plan, frame: PinnedPlan, seal: Seal) -> PinnedPlan:
    """``plan`` as it is written down: its changes with sealed digests, in ``frame``, which says how it came out so."""
    changes = tuple(_pinned(change, seal) for change in plan.changes)
    changing = {change.key for change in changes}
    blocked = {block.key for block in plan.blocks if block.key is not None} - changing
    return replace(frame, changes=changes, blocked=tuple(sorted(blocked)), unchanged=plan.unchanged)


def pinned_source(ref: SourceRef, path: str | None, identity: str | None) -> PinnedSource:
    """The part of a plan file that says where the files were read."""
    return PinnedSource(identity, path, ref.directory, ref.rev, ref.commit, ref.branch, ref.dirty)


def _pinned(change: Change, seal: Seal) -> PinnedChange:
    return PinnedChange(
        key=change.key,
        action=change.action,
        file=change.file,
        workflow_id=change.workflow_id,
        before=seal.of_workflow(change.key, change.before_digest),
        after=seal.of_workflow(change.key, change.decided_digest),
    )
