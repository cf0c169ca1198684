"""Are the plan's digests still live? Read under the locks, so that the answer holds until the commit.

Spec: database.md "Writing". Whatever moved since the plan was made refuses it (law 3 of the architecture): a row that
changed, vanished or appeared, a new caller that would need relinking, a callee that is gone, a run that began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.model import Json
from wfsync.errors import Conflict, Problem, Refused
from wfsync.plan.change import Change
from wfsync.plan.managed import Managed, ManagedState
from wfsync.state.live import reduce_row
from wfsync.state.managed import read_managed_keys
from wfsync.store.connection import Connection, snapshot
from wfsync.store.freshness import changed_since
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.reader import StoredWorkflow, stream
from wfsync.store.runs import active_runs
from wfsync.store.writer import existing_keys

__all__ = ["Base", "Locked", "require_absent", "require_base", "require_no_runs", "require_ownership"]


@dataclass(frozen=True, slots=True)
class Base:
    """What the plan was made against, apart from the digests that its changes carry."""

    keys_by_id: Mapping[str, str]
    """Every row's key."""
    callees: Mapping[str, str]
    """Keys that are called and not written, with their ids."""
    replaced: Collection[str]
    """Ids of rows that will be deleted."""
    snapshot: str | None
    """``pg_current_snapshot()`` of the transaction that the plan was read in."""
    policies: Policies = GIT_OWNS_ALL
    """Under which digests were made."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What the locked rows hold that the writing needs."""

    relinked: Mapping[str, StoredWorkflow]
    """The rows to relink, by id."""
    kept: Mapping[str, Mapping[str, Json]]
    """Of every workflow that is overwritten, by key: the fields that are not git's, with what they hold now."""


def require_base(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, changes: Collection[Change], base: Base
) -> Locked:
    """Compare the locked rows with what the plan saw; returns what the writing needs of them.

    Raises `Conflict` (``STALE_PLAN``) naming every row that moved.
    """
    touched = {c.workflow_id: c for c in changes if c.workflow_id is not None}
    missing = dict(touched)
    relinked: dict[str, StoredWorkflow] = {}
    kept: dict[str, Mapping[str, Json]] = {}
    problems: list[Problem] = []
    for row in stream(conn, layout, tenant, ids=list(touched)) if touched else ():
        change = missing.pop(row.workflow_id)
        problems += _moved(change, row, base)
        if change.action == "relink":
            relinked[row.workflow_id] = row
        elif change.action == "overwrite" and base.policies.kept:
            kept[change.key] = {name: _plain(row.metadata.get(name)) for name in base.policies.kept}
    problems += [_stale(change.key, "was deleted meanwhile") for change in missing.values()]
    problems += _appeared(conn, layout, tenant, changes)
    found = existing_keys(conn, layout, tenant, list(base.callees))
    problems += [
        _stale(key, "is called, and was deleted or replaced meanwhile")
        for key, workflow_id in sorted(base.callees.items())
        if workflow_id not in found.get(key, ())
    ]
    if base.replaced and base.snapshot is not None:
        newer = set(changed_since(conn, layout, tenant, base.snapshot)) - touched.keys()
        rows = stream(conn, layout, tenant, ids=sorted(newer))
        problems += _new_callers(rows, frozenset(base.replaced), base)
    _refuse(problems)
    return Locked(relinked, kept)


def _plain(value: Any) -> Json:
    """A value as the writer takes it: documents stay text."""
    match value:
        case Decimal():
            return str(value)
        case memoryview() | bytearray():
            return bytes(value)
        case _:
            return value


def require_absent(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, changes: Collection[Change]
) -> None:
    """Raise `Conflict` (``STALE_PLAN``) when a key that was to be created exists; for after a rollback."""
    with snapshot(conn):
        appeared = list(_appeared(conn, layout, tenant, changes))
    _refuse(appeared)


def require_no_runs(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, changes: Collection[Change]
) -> None:
    """Raise `Refused` (``ACTIVE_RUNS``) when a workflow that will be overwritten or deleted has unfinished runs."""
    touched = [change for change in changes if change.action in ("overwrite", "delete")]
    overwritten = {c.workflow_id: c.key for c in touched if c.workflow_id is not None}
    active = active_runs(conn, layout, tenant, list(overwritten))
    if active:
        raise Refused(
            f"{len(active)} workflow{'s have' if len(active) != 1 else ' has'} runs that began meanwhile",
            code="ACTIVE_RUNS",
            hint="nothing was written; wait for the runs, or consent with --allow-running",
            problems=[
                Problem(code="ACTIVE_RUNS", message=f"{n} {status}", key=overwritten[i])
                for i, runs in sorted(active.items())
                for status, n in runs.items()
            ],
        )


def require_ownership(
    conn: Connection, tenant: Tenant | None, changes: Collection[Change], managed: ManagedState, *, readable: bool
) -> None:
    """Raise `Conflict` (``STALE_PLAN``) when a workflow that will be overwritten or deleted is managed in another way
    meanwhile: somebody adopted it from another source, or a rollback holds it. Their rows need not have moved.

    ``readable`` says that there is a ledger now, also if the plan saw none.
    """
    if not (readable or managed.exists):
        return
    deleted = {change.key for change in changes if change.action == "delete"}
    keys = [change.key for change in changes if change.action in ("overwrite", "delete")]
    now = read_managed_keys(conn, tenant, keys)
    _refuse(
        [
            _stale(key, "is managed in another way meanwhile")
            for key in keys
            if not _is_managed_as(managed.by_key.get(key), now.get(key), exactly=key in deleted)
        ]
    )


def _is_managed_as(then: Managed | None, now: Managed | None, *, exactly: bool) -> bool:
    """Whether the same source manages the workflow under the same hold, or ``exactly`` what was known of it is."""
    if exactly or then is None or now is None:
        return then == now
    return (then.source, then.held) == (now.source, now.held)


def _appeared(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, changes: Collection[Change]
) -> Iterator[Problem]:
    created = [c.key for c in changes if c.action == "create"]
    for key, ids in sorted(existing_keys(conn, layout, tenant, created).items()):
        yield _stale(key, f"was created meanwhile (workflow_id {', '.join(ids)})")


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Conflict(
            f"the database changed since the plan was made: {len(problems)} workflow{'s' * (len(problems) != 1)} moved",
            code="STALE_PLAN",
            hint="nothing was written; look at a new plan",
            problems=problems,
        )


def _moved(change: Change, row: StoredWorkflow, base: Base) -> Iterator[Problem]:
    live, _ = reduce_row(row, base.keys_by_id, base.policies)
    if live.key != change.key:
        yield _stale(change.key, f"has another key meanwhile: {live.key}")
    elif live.digest != change.before_digest:
        marked = live.updated_at != change.updated_at  # else it is the mark that the plan saw
        who = f" by {live.updated_by}" if live.updated_by and marked else ""
        when = f" at {live.updated_at}" if live.updated_at and marked else ""
        yield _stale(change.key, f"was changed meanwhile{who}{when}")


def _new_callers(rows: Iterator[StoredWorkflow], replaced: frozenset[str], base: Base) -> Iterator[Problem]:
    for row in rows:
        live, _ = reduce_row(row, base.keys_by_id)
        if any(call.target in replaced for call in live.calls):
            yield _stale(live.key, "calls a workflow that gets a new id or is deleted, since meanwhile")


def _stale(key: str, what: str) -> Problem:
    return Problem(code="STALE_PLAN", message=what, key=key)
