"""What an apply leaves in the ledger: its row, every change with the rows before, and what is managed from now on.

`Recorder.before` and `Recorder.after` run inside the apply's transaction, so that what they write is there if and only
if the apply is; `Recorder.failed` runs after a rollback, as best it can. `renew` is for an apply that changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from msgspec import structs

from wfsync import __version__
from wfsync.apply.actor import Actor
from wfsync.apply.managing import (
    forgotten,
    hold_outlives_file,
    managed_absent,
    managed_equal,
    managed_held,
    managed_written,
)
from wfsync.bundle.field_policies import Policies
from wfsync.errors import CommitUnknown, WfsyncError
from wfsync.plan.change import Change
from wfsync.plan.managed import Hold, Managed, ManagedState
from wfsync.plan.model import Plan, SourceRef, TargetRef
from wfsync.plan.ownership import Owner
from wfsync.plan.secrets import hide_message
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState
from wfsync.state.managed import read_managed_keys, write_managed
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger import managed as managed_rows
from wfsync.store.ledger.applies import begin_record, finish_record, record_changes, record_failure, thin_out
from wfsync.store.ledger.images import read_images
from wfsync.store.ledger.values import KEPT_FIELDS, AppliedRow, ChangeRow, Retention

__all__ = ["Recorder", "Recording"]

_LONGEST_ERROR = 1000
_UNREAD = frozenset({"REPOSITORY_SYMLINK", "REPOSITORY_FILE_NAME"})
"""Notes that something which looks like workflows is not read."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What an invocation knows of itself and its plan does not say."""

    actor: Actor
    source: str
    """Identity of the source; `wfsync.repo.identity`."""
    command: str = "apply"
    options: Mapping[str, Any] = field(default_factory=dict)
    """As they were given; JSON values, nothing secret."""
    keep: Retention | None = field(default_factory=Retention)
    """How much of the ledger is kept; None: nobody here knows, so all of it."""
    manages: bool = True
    """False for `import`: what it writes is recorded, and whose a key is stays as it was."""
    sees_all: bool = True
    """Whether files that are not found are gone: False where only a part of the source is read, or none."""
    holds: Mapping[str, Hold] = field(default_factory=dict)
    """For a rollback: keys that it holds, with what their files are now."""
    returned: Collection[str] = ()
    """For a rollback: keys that were there before the apply that it undoes."""
    policy_of: Callable[[str], str] | None = None
    """For a rollback: key → fingerprint, as in `Managed.policy`; None: as the plan's policies say."""

    def row(
        self, source: SourceRef, target: TargetRef, *, counts: Mapping[str, int] = MappingProxyType({})
    ) -> AppliedRow:
        """The ledger's row for a change by this invocation, that was applied; ``counts`` has those that are not 0."""
        actor = self.actor
        return AppliedRow(
            id=str(uuid.uuid4()),
            command=self.command,
            outcome="applied",
            actor=actor.name,
            actor_origin=actor.origin,
            run_url=actor.run_url,
            source=self.source,
            branch=source.branch,
            commit=source.commit,
            dirty=source.dirty,
            target=target.display,
            plan_digest="",
            options=self.options,
            counts={"create": 0, "overwrite": 0, "delete": 0, "relink": 0, "unchanged": 0, **counts},
            wfsync=__version__,
            seconds=0.0,
        )


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records one apply. Made before its transaction; knows nothing of how the rest of it is done."""

    id: str
    plan: Plan
    desired: DesiredState
    live: LiveState
    managed: ManagedState
    """As the plan saw it."""
    owner: Owner
    """Whose the keys are that are written."""
    recording: Recording

    @classmethod
    def of(
        cls, plan: Plan, desired: DesiredState, live: LiveState, managed: ManagedState, recording: Recording
    ) -> Recorder:
        """For one apply, with an id of its own; ``managed`` is what the plan saw."""
        owner = Owner(recording.source, recording.policy_of or desired.policies.fingerprints())
        return cls(str(uuid.uuid4()), plan, desired, live, managed, owner, recording)

    def before(self, conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Mapping[str, str]) -> None:
        """Write the apply's row and its changes with the rows as they are; ``ids`` are those that keys will have.

        For the transaction, under its locks, once the plan is known to hold and before anything is written.
        """
        begin_record(conn, tenant, self._row("applied", 0.0))
        rows = [_change_row(position, change, ids) for position, change in enumerate(self.plan.changes)]
        existing = [row.before_id for row in rows if row.before_id is not None]
        images = read_images(conn, layout, tenant, existing) if existing else ()
        record_changes(conn, tenant, self.id, rows, images)

    def after(self, conn: Connection, tenant: Tenant | None, ids: Mapping[str, str], seconds: float) -> None:
        """Write what is managed from now on, and how long it took; thin out the ledger."""
        if self.recording.manages:
            self.renew(conn, tenant, ids)
            managed_rows.forget(conn, tenant, forgotten(self.plan.changes) - self.recording.holds.keys())
        finish_record(conn, tenant, self.id, seconds)
        thin_out(conn, tenant, self.recording.keep)

    def failed(self, conn: Connection, tenant: Tenant | None, error: BaseException, seconds: float) -> None:
        """Leave one row that says so, after the rollback; never raises what a database says to it.

        Nothing is written when nobody knows whether the apply was committed: the row is there if it was.
        """
        if not isinstance(error, CommitUnknown):
            code, words = _reason(error)
            row = replace(self._row("failed", seconds), error_code=code, error=words)
            record_failure(conn, tenant, row, self.recording.keep)

    @property
    def is_due(self) -> bool:
        """Whether an apply without changes has anything to renew."""
        if not self.recording.manages:
            return False
        current = self.managed.by_key
        return bool(self._equal(current) or self._absent(current) or self._held(current) or self._outlived())

    def renew(self, conn: Connection, tenant: Tenant | None, ids: Mapping[str, str]) -> None:
        """Write what is managed of all keys that are or have become what their files say, under the lock of applies.

        Equal keys that somebody else has managed since the plan are left as they are now. Nothing is written for what
        does not manage, such as an import.
        """
        if not self.recording.manages:
            return
        seen = self.managed.by_key
        equal = {item.key: item for item in (*self._equal(seen), *self._held(seen))}
        written = {change.key for change in self.plan.changes if change.action in ("create", "overwrite")}
        outlived = self._outlived()
        current = read_managed_keys(conn, tenant, equal.keys() | written | self.recording.holds.keys() | outlived)
        recording = self.recording
        items = list(managed_written(self.plan.changes, ids, current, self.owner, recording.holds, recording.returned))
        items += [item for key, item in equal.items() if key not in written and current.get(key) == seen.get(key)]
        items += self._absent(current)
        ended = {key for key in outlived if current.get(key) == seen.get(key)}
        there = ended.intersection(self.live.keys_by_id.values())
        items += [structs.replace(seen[key], held=None, held_policy=None) for key in sorted(there)]
        write_managed(conn, tenant, items)
        managed_rows.forget(conn, tenant, ended - there)

    def _absent(self, current: Mapping[str, Managed]) -> list[Managed]:
        """What is managed of keys that are held and have no row any more."""
        absent = {key: held for key, held in self.recording.holds.items() if key not in self.desired.by_key}
        return list(managed_absent(absent, current, self.owner))

    def _equal(self, current: Mapping[str, Managed]) -> list[Managed]:
        holds = self.recording.holds
        return list(managed_equal(self.desired.by_key, self.live.by_key, current, self.owner, holds))

    def _held(self, current: Mapping[str, Managed]) -> list[Managed]:
        """What is to be renewed of holds that were made under other policies."""
        if not self.plan.kept:
            return []
        files = {item.key: item.digest for item in self.desired.unselected}
        return list(managed_held(self.plan.kept, files, current, self.owner))

    def _outlived(self) -> frozenset[str]:
        """Keys whose holds are behind files that are gone: with a row they are held no longer, without they are
        nothing any more. No plan speaks of the latter, so that the file could come back and stay behind the hold.
        """
        desired = self.desired
        if not self.recording.sees_all or any(note.code in _UNREAD for note in desired.notes):
            return frozenset()
        files = desired.by_key.keys() | {item.key for item in desired.unselected}
        items = self.managed.by_key.items()
        return frozenset(key for key, item in items if hold_outlives_file(item, files, self.owner))

    def _row(self, outcome: Literal["applied", "failed"], seconds: float) -> AppliedRow:
        plan, totals = self.plan, self.plan.summary()
        counts = {
            "create": totals.create,
            "overwrite": totals.overwrite,
            "delete": totals.delete,
            "relink": totals.relink,
            "unchanged": totals.unchanged,
        }
        return replace(
            self.recording.row(plan.source, plan.target, counts=counts),
            id=self.id,
            outcome=outcome,
            plan_digest=plan.digest,
            options={**self.recording.options, **_decided(plan, self.recording), **_kept_fields(self.desired.policies)},
            seconds=round(seconds, 3),
        )


def _decided(plan: Plan, recording: Recording) -> dict[str, Any]:
    """Which rules held for the apply, whether an option, ``wfsync.yaml`` or a plan file said so."""
    decided: dict[str, Any] = {"overwrite": plan.overwrite}
    if recording.manages:  # else nothing is anybody's: neither drift nor pruning is known
        decided |= {"on_drift": plan.on_drift} | ({"prune": True} if plan.prune else {})
    return decided


def _kept_fields(policies: Policies) -> dict[str, list[str]]:
    """Which fields were not git's: without them nobody could tell later what the digests of this apply are about."""
    return {KEPT_FIELDS: sorted(policies.kept)} if policies.kept else {}


def _change_row(position: int, change: Change, ids: Mapping[str, str]) -> ChangeRow:
    after = {"delete": None, "relink": change.workflow_id}.get(change.action, ids.get(change.key))
    return ChangeRow(
        position,
        change.key,
        change.action,
        change.before_digest,
        change.after_digest,
        None if change.action == "create" else change.workflow_id,
        after,
        change.versions,
    )


def _reason(error: BaseException) -> tuple[str, str]:
    """Code and words of a failure, without the secrets of a row that a server quotes in them; what is not ours is not
    kept. Hidden before it is cut, because half an object says nothing of what its values stand under.
    """
    if isinstance(error, WfsyncError):
        return error.code, hide_message(error.message)[:_LONGEST_ERROR]
    if isinstance(error, KeyboardInterrupt):
        return "INTERRUPTED", "interrupted; rolled back"
    name = type(error).__name__
    return name.upper(), f"{name}; rolled back"
