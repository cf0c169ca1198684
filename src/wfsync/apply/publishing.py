"""One version more of one workflow, in the instance: a transaction under the same locks as an apply's.

What the version is, and whether it may be, is decided by the caller's function, which is given the workflow as it
stands under the locks; when it raises, nothing was written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from wfsync.apply.execute import ApplyOptions
from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import Json, Workflow
from wfsync.errors import Conflict, InputError, Problem
from wfsync.plan.model import SourceRef, TargetRef
from wfsync.state.live import reduce_row
from wfsync.store.connection import Connection, advisory_lock, snapshot, write_transaction
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.applies import begin_record, finish_record, record_changes, thin_out
from wfsync.store.ledger.images import read_images
from wfsync.store.ledger.schema import ensure
from wfsync.store.ledger.values import AppliedRow, ChangeRow
from wfsync.store.mapping import to_new, to_workflow
from wfsync.store.publishing import Draft, Validation, add_version
from wfsync.store.reader import StoredWorkflow, read_ids, stream
from wfsync.store.writer import existing_keys, lock_definitions

__all__ = ["Asked", "Decide", "Intended", "Kept", "Stored", "not_in_database", "publish", "reading"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which workflow is meant, where, and who asks."""

    key: str
    target: TargetRef
    source: SourceRef


@dataclass(frozen=True, slots=True)
class Intended:
    """The version that is to be written."""

    after: Workflow
    """The workflow with it, as the last of its versions."""
    warnings: tuple[Json, ...] = ()
    """Of validation, in the form that the instance stores."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The workflows of a database, one by one, as they stand at this moment of the transaction."""

    conn: Connection
    layout: InstanceLayout
    tenant: Tenant | None
    keys_by_id: Mapping[str, str]

    def find(self, key: str) -> Workflow | None:
        """The workflow of ``key`` in portable form; None when there is no such row. Raises `DatabaseError`
        (``INVALID_ROW``) and `Conflict` (``AMBIGUOUS_KEY``).
        """
        row = self.row(key)
        return None if row is None else to_workflow(row, self.keys_by_id)

    def row(self, key: str) -> StoredWorkflow | None:
        """The row of ``key``. Raises `Conflict` (``AMBIGUOUS_KEY``)."""
        ids = existing_keys(self.conn, self.layout, self.tenant, [key]).get(key, ())
        if len(ids) > 1:
            raise Conflict(
                f"{len(ids)} rows of the database have the key {key}",
                code="AMBIGUOUS_KEY",
                hint="nothing was written; give each of them a key of its own in the instance",
                problems=[Problem(code="AMBIGUOUS_KEY", message=f"workflow_id {', '.join(ids)}", key=key)],
            )
        return next(stream(self.conn, self.layout, self.tenant, ids=ids), None) if ids else None


Decide = Callable[[Workflow, Stored], Intended | None]
"""What becomes of a workflow: one version more, or nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done."""

    apply_id: str | None
    """The row of the ledger; None where nothing was written, or no ledger could be."""
    notes: tuple[Problem, ...]


@contextmanager
def reading(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> Iterator[Stored]:
    """The workflows of the database in one snapshot, for whoever only looks."""
    with snapshot(conn):
        yield _stored(conn, layout, tenant)


def publish(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    asked: Asked,
    decide: Decide,
    options: ApplyOptions,
) -> Kept:
    """Write what ``decide`` says for the workflow that is asked for, with a row of the ledger, in one transaction.

    Other versions, runs and the row's other columns stay; the validation columns say when and with which warnings it
    was checked. What is managed stays as it was: the row now differs from its file. Raises `InputError`
    (``WORKFLOW_NOT_FOUND``), what ``decide`` raises, and `DatabaseError`; then nothing was written.
    """
    started = time.monotonic()
    entry: AppliedRow | None = None
    unavailable: Problem | None = None
    if options.recording is not None:
        access, _ = ensure(conn, options.lock_timeout)
        unavailable = access.unavailable()
        entry = (
            options.recording.row(asked.source, asked.target, counts={"overwrite": 1}) if unavailable is None else None
        )
    notes = () if unavailable is None else (unavailable,)
    with write_transaction(conn, options.lock_timeout, options.on_commit):
        advisory_lock(conn, layout, tenant)
        found = existing_keys(conn, layout, tenant, [asked.key]).get(asked.key, ())
        lock_definitions(conn, layout, tenant, found)
        stored = _stored(conn, layout, tenant)
        row = stored.row(asked.key)
        if row is None:
            raise not_in_database(asked.key)
        before = to_workflow(row, stored.keys_by_id)
        intended = decide(before, stored)
        if intended is None:
            return Kept(None, notes)
        images = tuple(read_images(conn, layout, tenant, [row.workflow_id])) if entry is not None else ()
        _write(stored, row.workflow_id, before, intended)
        if entry is not None and options.recording is not None:
            begin_record(conn, tenant, entry)
            record_changes(conn, tenant, entry.id, [_change(row, stored, intended.after)], images)
            finish_record(conn, tenant, entry.id, round(time.monotonic() - started, 3))
            thin_out(conn, tenant, options.recording.keep)
    return Kept(None if entry is None else entry.id, notes)


def not_in_database(key: str) -> InputError:
    """The error for a key that has no row."""
    return InputError(
        f"the database holds no workflow {key[:200]!r}",
        code="WORKFLOW_NOT_FOUND",
        hint="`wfsync apply` creates it from its file",
    )


def _stored(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> Stored:
    keys = {workflow_id: key for workflow_id, key in read_ids(conn, layout, tenant) if key is not None}
    return Stored(conn, layout, tenant, keys)


def _write(stored: Stored, workflow_id: str, before: Workflow, intended: Intended) -> None:
    ids = {key: its_id for its_id, key in stored.keys_by_id.items()}
    new = to_new(intended.after, workflow_id, lambda key: ids.get(key, key))
    is_moved = (before.draft_version, before.draft) != (intended.after.draft_version, intended.after.draft)
    add_version(
        stored.conn,
        stored.layout,
        stored.tenant,
        workflow_id,
        new.versions[-1],
        Draft(new.draft_version, new.draft) if is_moved else None,
        Validation("warning" if intended.warnings else "valid", b"[]", compact_bytes(list(intended.warnings))),
    )


def _change(row: StoredWorkflow, stored: Stored, after: Workflow) -> ChangeRow:
    """What the ledger says of it: an overwrite that can be rolled back. Digests are as every plan makes them."""
    now = next(stream(stored.conn, stored.layout, stored.tenant, ids=[row.workflow_id]))
    then_digest, now_digest = (reduce_row(one, stored.keys_by_id)[0].digest for one in (row, now))
    versions = tuple(version.version for version in after.versions)
    return ChangeRow(0, after.key, "overwrite", then_digest, now_digest, row.workflow_id, row.workflow_id, versions)
