"""Whose a key is, changed on purpose: `wfsync adopt` and `wfsync release`. No workflow is ever touched here.

Both are told apart from an apply in the ledger by their command, and are never what `rollback last` means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wfsync.apply.execute import ApplyOptions
from wfsync.errors import Conflict, Problem
from wfsync.plan.managed import Managed
from wfsync.plan.model import SourceRef, TargetRef
from wfsync.state.managed import read_managed_keys, write_managed
from wfsync.store.connection import Connection, advisory_lock, write_transaction
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.access import refused
from wfsync.store.ledger.applies import begin_record, finish_record, thin_out
from wfsync.store.ledger.schema import ensure

__all__ = ["Intent", "manage"]


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be managed, and what that was decided from."""

    wanted: Sequence[Managed]
    seen: Mapping[str, Managed]
    """What was managed when it was decided, by key."""
    source: SourceRef
    target: TargetRef


def manage(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, intent: Intent, options: ApplyOptions
) -> str:
    """Write what is wanted to what is managed, with a row of the ledger; its id.

    Creates the ledger where there is none. Raises `Conflict` (``STALE_PLAN``) when a key is managed in another way
    meanwhile, `DatabaseError` (``LEDGER_UNAVAILABLE`` where the role may not), `LockTimeout`.
    """
    started = time.monotonic()
    assert options.recording is not None  # noqa: S101 - both commands record
    _require_ledger(conn, options.lock_timeout)
    keys = [item.key for item in intent.wanted]
    recording = replace(options.recording, options={**options.recording.options, "keys": keys})
    row = recording.row(intent.source, intent.target)
    with write_transaction(conn, options.lock_timeout, options.on_commit):
        advisory_lock(conn, layout, tenant)
        _require_unmoved(read_managed_keys(conn, tenant, keys), intent)
        write_managed(conn, tenant, intent.wanted)
        begin_record(conn, tenant, row)
        finish_record(conn, tenant, row.id, round(time.monotonic() - started, 3))
        thin_out(conn, tenant, options.recording.keep)
    return row.id


def _require_ledger(conn: Connection, lock_timeout: float) -> None:
    access, _ = ensure(conn, lock_timeout)
    unavailable = access.unavailable("whose a workflow is stands there, so nothing was changed")
    if unavailable is not None:
        raise refused(unavailable)


def _require_unmoved(now: Mapping[str, Managed], intent: Intent) -> None:
    moved = [item.key for item in intent.wanted if now.get(item.key) != intent.seen.get(item.key)]
    if moved:
        raise Conflict(
            f"{len(moved)} workflow{'s are' if len(moved) != 1 else ' is'} managed in another way meanwhile",
            code="STALE_PLAN",
            hint="nothing was written; look at `wfsync status`, and run the command again",
            problems=[Problem(code="STALE_PLAN", message="is managed in another way meanwhile", key=k) for k in moved],
        )
