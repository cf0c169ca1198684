"""load → plan: both states, compared, with everything that apply would take with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wfsync.bundle.model import Json
from wfsync.errors import DatabaseError, Problem
from wfsync.pipeline.belonging import Belonging, measure, stand, with_renames, without_kept
from wfsync.pipeline.options import PlanOptions, source_of
from wfsync.plan.build import NOBODYS, Decision, Whose, decide
from wfsync.plan.change import CascadeCount, Change
from wfsync.plan.guard import Measure, refusals
from wfsync.plan.managed import ManagedState
from wfsync.plan.model import Overwrite, Plan, TargetRef
from wfsync.plan.ownership import Owner
from wfsync.plan.resolve import Resolution, resolution, unresolved
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState, missing_dependencies, raise_if_wrong
from wfsync.state.evidence import Proof
from wfsync.state.live import Rows, portable, read_live
from wfsync.state.managed import as_told, read_managed, unreadable
from wfsync.state.recognise import Recogniser
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import to_workflow, unheld_metadata
from wfsync.store.reader import stream

if TYPE_CHECKING:
    from wfsync.apply.restoring import Restoring

__all__ = ["MOST_DETAILED", "Planned", "make_plan"]

MOST_DETAILED: Final = 1000
"""Overwritten workflows whose differences are worked out; nobody reads more, and each costs milliseconds."""


_UNMANAGED: Final = ManagedState()


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what it was made from."""

    plan: Plan
    desired: DesiredState
    live: LiveState
    resolution: Resolution
    snapshot: str | None
    managed: ManagedState = _UNMANAGED
    """What the ledger remembers, read in the same snapshot."""
    proof: Proof | None = None
    """For evidence that an apply leaves to later plans."""
    restoring: Restoring | None = None
    """Of a rollback: what it gives back beside content."""


def make_plan(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    wanted: Callable[[], DesiredState],
    target: TargetRef,
    options: PlanOptions,
    recogniser: Recogniser | None = None,
) -> Planned:
    """Compare the wanted state with the database in one read-only snapshot. Nothing is written, nothing is held.

    ``wanted`` is called after the database was read, when ``recogniser`` has seen every row. Raises what it raises,
    `InputError` when references or dependencies are missing, `DatabaseError` when reading fails.
    """
    layout.require_readable()
    with snapshot(conn):
        rows = read_live(conn, layout, tenant, recogniser, options.track, options.policies, options.reading)
        managed = read_managed(conn, tenant)
        desired = wanted()
        if desired.policies != options.policies:
            raise ValueError("both sides must be read under the same policies")
        known = resolution((*desired.by_key.values(), *desired.unselected), rows.state.keys_by_id)
        unheld = unheld_metadata(layout)
        desired = desired.resolved(known, unheld)
        belonging = _belonging(desired, rows.state, managed, options)
        whose = _whose(belonging, desired, options)
        told = as_told(conn, tenant, rows.state, [key for key, its in whose.standings.items() if its.drift])
        decision = decide(desired.by_key, told, options.overwrite, known.key_of, whose)
        desired = without_kept(desired, decision)
        problems = (*_unheld_warning(unheld), *_check(desired, rows, known, decision))
        blind = unreadable(conn) if options.source is not None and not managed.exists else None
        if blind is not None:
            problems = (*problems, blind)
        changes, notes = _with_consequences(conn, layout, tenant, decision.changes, rows.state, options.overwrite)
        if options.details:
            changes, more = _with_paths(conn, layout, tenant, changes, desired, rows.state, known)
            notes = (*notes, *more)
        if belonging is not None and options.standings is None:
            changes = with_renames(conn, layout, tenant, changes, desired, known, belonging)
    blocks = refusals(
        changes,
        decision.ambiguous,
        options.consent,
        equal=decision.equal,
        rows_may_be_hidden=layout.row_security_active,
        brakes=options.brakes,
        measure=Measure() if belonging is None else replace(measure(desired, belonging, decision), blind=blind),
    )
    plan = Plan(
        source_of(desired.info),
        target,
        options.overwrite,
        changes,
        decision.unchanged,
        (*problems, *notes),
        blocks,
        options.prune,
        options.brakes.on_drift,
        decision.kept,
    )
    return Planned(plan, desired, rows.state, known, rows.snapshot, managed, rows.proof)


def _belonging(desired: DesiredState, live: LiveState, managed: ManagedState, options: PlanOptions) -> Belonging | None:
    if options.standings is not None:
        owner = Owner(options.source or "", options.policies.fingerprint)
        return Belonging(owner, options.standings(live, managed), managed, live)
    if options.source is not None:
        return stand(desired, live, managed, options.source, options.about)
    return None


def _whose(belonging: Belonging | None, desired: DesiredState, options: PlanOptions) -> Whose:
    if belonging is None:
        return NOBODYS
    looks = options.prune and options.standings is None  # a rollback is about its own keys, and looks by itself
    doubtful = belonging.doubtful(desired, options.about) if looks else frozenset[str]()
    return Whose(belonging.standings, options.prune, options.brakes.on_drift == "skip", doubtful)


def _check(desired: DesiredState, rows: Rows, known: Resolution, decision: Decision) -> tuple[Problem, ...]:
    """Every warning; raises `InputError` when something that is needed is missing."""
    overwritten = {c.key: desired.by_key[c.key] for c in decision.changes if c.action == "overwrite"}
    deleted = {c.workflow_id for c in decision.changes if c.action == "delete" and c.workflow_id is not None}
    left_out = {item.key for item in desired.unselected}
    why = {item.key: item.why for item in decision.kept}
    kept = {item.key: (why[item.key], item.versions) for item in desired.unselected if item.key in why}
    problems = [
        *desired.notes,
        *rows.notes,
        *missing_dependencies(desired.by_key.values()),
        *unresolved(desired.by_key, rows.state, known, overwritten, left_out, deleted, kept),
    ]
    raise_if_wrong(problems)
    return tuple(problems)


def _with_consequences(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    changes: Collection[Change],
    live: LiveState,
    overwrite: Overwrite,
) -> tuple[tuple[Change, ...], tuple[Problem, ...]]:
    """What the changes take with them: unfinished runs, and rows that go by cascade when a row is replaced, or (in
    place) when a version of it is deleted.
    """
    deleted = [c.workflow_id for c in changes if c.action == "delete" and c.workflow_id is not None]
    ids = [c.workflow_id for c in changes if c.action == "overwrite" and c.workflow_id is not None]
    if not ids and not deleted:
        return tuple(changes), ()
    from wfsync.store.cascade import count, count_versions  # most plans change nothing
    from wfsync.store.runs import active_runs

    runs = active_runs(conn, layout, tenant, [*ids, *deleted])
    if overwrite == "replace":
        taken = [count(conn, layout, tenant, [*ids, *deleted])]
    else:
        dropped = count_versions(conn, layout, tenant, _dropped_versions(changes, live))
        taken = [dropped, count(conn, layout, tenant, deleted)]
    by_workflow = {workflow_id: found for each in taken for workflow_id, found in each.by_workflow.items()}
    # A foreign key may be met twice: where versions are dropped, and where workflows are deleted
    problems = {problem.message: problem for each in taken for problem in each.problems}

    def with_consequences(change: Change) -> Change:
        if change.action not in ("overwrite", "delete") or change.workflow_id is None:
            return change
        cascades = tuple(
            CascadeCount(c.table, c.effect, c.rows, c.capped) for c in by_workflow.get(change.workflow_id, ())
        )
        return replace(change, active_runs=runs.get(change.workflow_id, {}), cascades=cascades)

    return tuple(map(with_consequences, changes)), tuple(problems.values())


def _dropped_versions(changes: Collection[Change], live: LiveState) -> dict[str, frozenset[int]]:
    """Versions that an overwrite in place deletes, by ``workflow_id``."""
    return {
        row.workflow_id: dropped
        for change in changes
        if change.action == "overwrite" and (row := live.by_key.get(change.key)) is not None
        if (dropped := frozenset(row.versions) - frozenset(change.versions))
    }


def _with_paths(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    changes: tuple[Change, ...],
    desired: DesiredState,
    live: LiveState,
    known: Resolution,
) -> tuple[tuple[Change, ...], tuple[Problem, ...]]:
    """What differs inside the overwritten workflows, each read once more from both sides."""
    shown = [c for c in changes if c.action == "overwrite" and c.workflow_id is not None][:MOST_DETAILED]
    if not shown:
        return changes, ()
    from wfsync.plan.diff import compare

    by_id = {c.workflow_id: c for c in shown}
    detailed: dict[str, Change] = {}
    for stored in stream(conn, layout, tenant, ids=[i for i in by_id if i is not None]):
        change = by_id[stored.workflow_id]
        item = desired.by_key[change.key]
        try:
            before = portable(to_workflow(stored, {}), live.keys_by_id)
        except DatabaseError:
            continue  # no portable workflow: a warning of the plan says so
        after = desired.final(item, known)
        after = replace(after, metadata=desired.policies.keep(after.metadata, before.metadata))
        detailed[change.key] = replace(change, paths=compare(before, after))
    notes: tuple[Problem, ...] = ()
    overwrites = sum(1 for c in changes if c.action == "overwrite")
    if overwrites > MOST_DETAILED:
        notes = (_not_detailed(overwrites - MOST_DETAILED),)
    return tuple(detailed.get(c.key, c) for c in changes), notes


def _unheld_warning(unheld: Mapping[str, Json]) -> tuple[Problem, ...]:
    if not unheld:
        return ()
    return (
        Problem(
            code="METADATA_NOT_HELD",
            severity="warning",
            message=f"the instance has no column for {', '.join(sorted(unheld))}; what files say of it is not written",
            hint="upgrade the instance if the workflows need it",
        ),
    )


def _not_detailed(count: int) -> Problem:
    return Problem(
        code="DETAILS_OMITTED",
        severity="note",
        message=f"what differs inside {count} more overwritten workflows is not listed",
        hint="look at one of them with `wfsync diff KEY`, or narrow the plan with --select",
    )
