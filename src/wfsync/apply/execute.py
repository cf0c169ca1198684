"""One transaction: the only place that opens it (spec: database.md "Writing", which fixes the order of every step)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from wfsync.apply.evidence import leave_evidence
from wfsync.apply.outcome import Applied, Outcome
from wfsync.apply.precondition import Base, require_absent, require_base, require_no_runs, require_ownership
from wfsync.apply.record import Recording
from wfsync.apply.work import Work
from wfsync.bundle.canonical import compact_bytes, parse_exact
from wfsync.bundle.model import Json
from wfsync.bundle.references import plain_uuid, rewrite
from wfsync.errors import DatabaseError, Problem
from wfsync.plan.change import Change
from wfsync.plan.guard import Consent
from wfsync.state.flow import Flow
from wfsync.state.progress import Track, untracked
from wfsync.store import rewrite as rows
from wfsync.store.connection import Connection, advisory_lock, write_transaction
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.applies import begin_record
from wfsync.store.ledger.values import AppliedRow
from wfsync.store.mapping import to_new
from wfsync.store.new_rows import NewWorkflow
from wfsync.store.reader import StoredWorkflow
from wfsync.store.writer import insert, lock_definitions, lock_table_if_needed

__all__ = ["ApplyOptions", "execute", "renew"]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How a plan is carried out; nothing here changes what it does."""

    consent: Consent
    lock_timeout: float
    """Seconds."""
    on_commit: Callable[[], None] = lambda: None
    """Called once the transaction is known to be committed."""
    track: Track = untracked
    recording: Recording | None = None
    """What the ledger is to say of it; None: nothing is recorded."""


def execute(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, work: Work, options: ApplyOptions
) -> Outcome:
    """Carry out ``work.plan`` on ``conn`` in one transaction: all of it or nothing.

    The caller has made sure that consent covers the plan. Raises `Conflict` (``STALE_PLAN``) when a row or a file moved
    since the plan, `Refused` when a run began, `LockTimeout` when somebody else holds a lock for too long,
    `DatabaseError` for all else; then everything was rolled back, except for `CommitUnknown`, which says so. The ledger
    then gets a row of its own, as best it can.
    """
    started = time.monotonic()
    try:
        return _execute(conn, layout, tenant, work, options, started)
    except BaseException as error:
        if work.recorder is not None:
            work.recorder.failed(conn, tenant, error, time.monotonic() - started)
        raise


def renew(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, work: Work, options: ApplyOptions) -> None:
    """What an apply without changes writes: keys that are in sync are managed from now on, and evidence is renewed. No
    workflow is touched.
    """
    with write_transaction(conn, options.lock_timeout, options.on_commit):
        advisory_lock(conn, layout, tenant)
        if work.recorder is not None:
            work.recorder.renew(conn, tenant, {})
        leave_evidence(conn, layout, tenant, work, _ids(work))


def record_alone(conn: Connection, tenant: Tenant | None, row: AppliedRow, options: ApplyOptions) -> None:
    """Write ``row`` and nothing else."""
    with write_transaction(conn, options.lock_timeout, options.on_commit):
        begin_record(conn, tenant, row)


def _execute(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    work: Work,
    options: ApplyOptions,
    started: float,
) -> Outcome:
    recorder = work.recorder
    changes = work.plan.changes
    ids = _ids(work)
    moved = _moved(work, ids)
    documents = _Documents(work, ids)
    try:
        with documents.inserts() as new, write_transaction(conn, options.lock_timeout, options.on_commit):
            advisory_lock(conn, layout, tenant)
            lock_table_if_needed(conn, layout)
            lock_definitions(conn, layout, tenant, [c.workflow_id for c in changes if c.workflow_id is not None])
            gone = [*moved, *_pruned(changes)]
            base = Base(work.live.keys_by_id, documents.callees(), gone, work.snapshot, work.desired.policies)
            locked = require_base(conn, layout, tenant, changes, base)
            require_ownership(conn, tenant, changes, work.managed, readable=recorder is not None)
            if not options.consent.allow_running:
                require_no_runs(conn, layout, tenant, changes)
            if recorder is not None:
                recorder.before(conn, layout, tenant, ids)
            rows.delete(conn, layout, tenant, gone)
            inserted = insert(conn, layout, tenant, options.track(_keeping(new, locked.kept), "creating", None))
            overwritten = _keeping(documents.updates(), locked.kept)
            updated = rows.update(conn, layout, tenant, options.track(map(_update, overwritten), "overwriting", None))
            rows.relink(conn, layout, tenant, _relinks(locked.relinked, moved, _present(work, ids)))
            notes = _restore(conn, layout, tenant, work, ids)
            if recorder is not None:
                recorder.after(conn, tenant, ids, time.monotonic() - started)
                leave_evidence(conn, layout, tenant, work, ids)
    except DatabaseError as error:
        if error.code == "CONSTRAINT_VIOLATION" and layout.key_is_unique:
            # Somebody without our lock inserted one of the keys, and committed after we had looked for it
            require_absent(conn, layout, tenant, changes)
        raise
    applied = tuple(_applied(change, ids) for change in changes)
    return Outcome(
        work.plan,
        applied,
        inserted.versions + updated.versions_inserted + updated.versions_rewritten,
        time.monotonic() - started,
        notes,
        apply_id=None if recorder is None else recorder.id,
    )


def _ids(work: Work) -> dict[str, str]:
    """The id that every key has after the apply. Chosen before anything is written, so that cycles can be."""
    ids = {key: row.workflow_id for key, row in work.live.by_key.items()}
    for change in work.plan.changes:
        if change.action == "create" or (change.action == "overwrite" and work.plan.overwrite == "replace"):
            former = None if work.restoring is None else work.restoring.ids.get(change.key)
            ids[change.key] = former or str(uuid.uuid4())
    return ids


def _restore(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, work: Work, ids: Mapping[str, str]
) -> tuple[Problem, ...]:
    """What a rollback gives back beside content: warnings of what it could not."""
    if work.restoring is None:
        return ()
    plan = work.plan
    return work.restoring.restore(conn, layout, tenant, plan.changes, plan.overwrite, work.live, ids)


def _moved(work: Work, ids: Mapping[str, str]) -> dict[str, str]:
    """The rows that are replaced: old id → new id."""
    if work.plan.overwrite != "replace":
        return {}
    overwritten = [change for change in work.plan.changes if change.action == "overwrite"]
    return {change.workflow_id: ids[change.key] for change in overwritten if change.workflow_id is not None}


def _present(work: Work, ids: Mapping[str, str]) -> dict[str, str]:
    """Key → id of what is there after the apply: what a relinked caller calls by key, it calls by id from then on."""
    deleted = {change.key for change in work.plan.changes if change.action == "delete"}
    return {key: workflow_id for key, workflow_id in ids.items() if key not in deleted}


def _pruned(changes: Collection[Change]) -> list[str]:
    """The rows that are deleted for good: those that we created and git no longer has. Nothing else ever is."""
    return [change.workflow_id for change in changes if change.action == "delete" and change.workflow_id is not None]


@dataclass(frozen=True, slots=True)
class _Documents:
    """What the files say, read again, and turned into rows."""

    work: Work
    ids: Mapping[str, str]

    def callees(self) -> dict[str, str]:
        """Keys that the written workflows call and that this apply does not write, with their ids."""
        written = {change.key for change in self.work.plan.changes}
        called: set[str] = set()
        for change in self.work.plan.changes:
            item, row = self.work.desired.by_key.get(change.key), self.work.live.by_key.get(change.key)
            if item is not None and change.action in ("create", "overwrite"):
                called.update(self.work.resolution.key_of(call.target) for call in item.calls)
            elif row is not None and change.action == "relink":
                called.update(call.target for call in row.calls)  # of which keys are looked up, ids are none
        return {key: self.ids[key] for key in called if key in self.ids and key not in written}

    def inserts(self) -> Flow[Change, NewWorkflow]:
        """Creates, and overwrites that get a new id; made in other processes while the server writes."""
        anew = ("create", "overwrite") if self.work.plan.overwrite == "replace" else ("create",)
        new = [change for change in self._in_files() if change.action in anew]
        # A document that is held is parsed once for all of its workflows; that is not done twice
        return Flow(new, self._row, jobs=1 if self.work.desired.documents else None)

    def updates(self) -> Iterator[NewWorkflow]:
        """Overwrites that keep their id."""
        if self.work.plan.overwrite == "update":
            for change in self._in_files():
                if change.action == "overwrite":
                    yield self._row(change)

    def _in_files(self) -> list[Change]:
        """The changes that write a file's workflow, as they stand in the files: each bundle is read once."""
        wanted = self.work.desired.by_key
        written = [change for change in self.work.plan.changes if change.action in ("create", "overwrite")]
        return sorted(written, key=lambda change: (wanted[change.key].file, wanted[change.key].index))

    def _row(self, change: Change) -> NewWorkflow:
        item = self.work.desired.by_key[change.key]
        workflow = self.work.desired.final(item, self.work.resolution)
        return to_new(workflow, self.ids[change.key], lambda key: self.ids.get(key, key))


def _keeping(new: Iterable[NewWorkflow], kept: Mapping[str, Mapping[str, Json]]) -> Iterator[NewWorkflow]:
    """``new`` with what overwritten rows keep. Known only under the locks, when ``new`` is being made already."""
    for row in new:
        its = kept.get(row.key)
        yield row if its is None else replace(row, metadata={**row.metadata, **its})


def _update(row: NewWorkflow) -> rows.UpdateWorkflow:
    return rows.UpdateWorkflow(row.workflow_id, row.metadata, row.draft_version, row.draft, row.versions)


def _relinks(
    stored: Mapping[str, StoredWorkflow], moved: Mapping[str, str], present: Mapping[str, str]
) -> Iterator[rows.Relink]:
    # A call by a key leads nowhere yet: nothing is lost where only ids can be followed
    ways = ({**present, **moved}, moved)
    for row in stored.values():
        yield rows.Relink(
            row.workflow_id,
            _relinked(row, row.draft, ways),
            tuple((v.version, new) for v in row.versions if (new := _relinked(row, v.definition, ways))),
        )


def _relinked(row: StoredWorkflow, data: bytes, ways: Iterable[Mapping[str, str]]) -> bytes | None:
    """The document with its calls as the first of ``ways`` says that can be written; None when it makes none."""
    try:
        tree = parse_exact(data)
    except (ValueError, RecursionError):
        return None  # no call was read in it either
    if not isinstance(tree, dict):
        return None
    for known in ways:
        new = rewrite(tree, partial(_follow, known))
        if new is tree:
            return None
        try:
            return compact_bytes(new)
        except (ValueError, RecursionError):
            continue
    raise DatabaseError(
        f"workflow {row.key or row.workflow_id} calls a workflow that gets a new id, and cannot be relinked: "
        "it holds a number beyond binary64",
        code="INVALID_ROW",
        hint="correct it in the instance, or use --overwrite update, which keeps ids",
    )


def _follow(known: Mapping[str, str], target: str) -> str:
    return known.get(plain_uuid(target), target)


def _applied(change: Change, ids: Mapping[str, str]) -> Applied:
    if change.action == "relink" and change.workflow_id is not None:
        return Applied(change.key, "relinked", change.workflow_id, versions=change.versions)
    if change.action == "delete" and change.workflow_id is not None:
        return Applied(change.key, "deleted", change.workflow_id, change.workflow_id)
    workflow_id = ids[change.key]
    if change.action == "create":
        return Applied(change.key, "created", workflow_id, versions=change.versions)
    previous = change.workflow_id if change.workflow_id != workflow_id else None
    return Applied(change.key, "overwritten", workflow_id, previous, change.versions)
