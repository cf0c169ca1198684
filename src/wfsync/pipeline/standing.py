"""How every key stands: both sides read as for a plan, and nothing decided (`wfsync status`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from wfsync.errors import Problem
from wfsync.pipeline.options import PlanOptions, source_of
from wfsync.pipeline.stock import Item, Stock
from wfsync.plan.guard import Brakes
from wfsync.plan.managed import ManagedState
from wfsync.plan.model import TargetRef
from wfsync.plan.ownership import Owner, Standing, standings
from wfsync.plan.resolve import resolution
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState, nothing_selected
from wfsync.state.live import read_live
from wfsync.state.managed import as_told, read_managed, unreadable
from wfsync.state.recognise import Recogniser
from wfsync.state.selection import Selection
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import unheld_metadata
from wfsync.store.runs import active_runs, may_count_runs

__all__ = ["take_stock"]

_MOST_CALLERS: Final = 3
"""Callers that are named."""


def take_stock(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    wanted: Callable[[], DesiredState],
    target: TargetRef,
    options: PlanOptions,
    recogniser: Recogniser | None = None,
) -> Stock:
    """Compare files, rows and what is managed in one read-only snapshot.

    Arguments as for `wfsync.pipeline.planning.make_plan`; ``options.source`` is needed, ``wanted`` gives all files.
    Raises what it raises, `ConfigError` (``NOTHING_SELECTED``) when globs mean no key on either side, `DatabaseError`.
    """
    layout.require_readable()
    about = options.about if isinstance(options.about, Selection) else Selection(keys=frozenset(options.about))
    with snapshot(conn):
        rows = read_live(conn, layout, tenant, recogniser, options.track, options.policies, options.reading)
        managed = read_managed(conn, tenant)
        blind = None if managed.exists else unreadable(conn)
        desired = wanted().selected(about, may_be_empty=True)
        known = resolution((*desired.by_key.values(), *desired.unselected), rows.state.keys_by_id)
        desired = desired.resolved(known, unheld_metadata(layout))
        found = standings(
            {key: item.digest for key, item in desired.by_key.items()},
            rows.state,
            managed,
            Owner(options.source or "", options.policies.fingerprints()),
            elsewhere={item.key for item in desired.unselected},
            chosen=about.__contains__,
        )
        told = as_told(conn, tenant, rows.state, [key for key, its in found.items() if its.drift])
        prunable = [rows.state.by_key[key].workflow_id for key, its in found.items() if its.prunable]
        runs = active_runs(conn, layout, tenant, prunable) if prunable and may_count_runs(conn, layout) else {}
    ambiguous = tuple(sorted(_in_doubt(desired, rows.state, managed, options.source or "", about)))
    if not found and not ambiguous and desired.unselected and about.keys is None:
        raise nothing_selected()  # who names keys is told what each of them lacks
    notes = (*desired.notes, *rows.notes, *([blind] if blind is not None else ()))
    warnings = (*notes, *(_ambiguous(key, rows.state.ambiguous[key]) for key in ambiguous))
    stays = _staying(found, told, options.brakes, runs)
    items = tuple(_item(its, desired, told, managed, stays.get(its.key)) for its in found.values())
    return Stock(source_of(desired.info), options.source or "", target, managed.exists, items, warnings, ambiguous)


def _in_doubt(
    desired: DesiredState, live: LiveState, managed: ManagedState, source: str, about: Selection
) -> Iterator[str]:
    """Keys with several rows that somebody expects to hear of: they have a file, or are managed from here."""
    for key in live.ambiguous:
        ours = managed.by_key.get(key)
        if key in desired.by_key or (ours is not None and ours.source == source and key in about):
            yield key


def _staying(
    found: Mapping[str, Standing], live: LiveState, brakes: Brakes, runs: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    """Of keys that a prune could delete: all that keeps it from that, under the policy of the configuration; ``runs``
    are those that are not finished, by id.
    """
    reasons: dict[str, list[str]] = {}
    for its in (its for its in found.values() if its.prunable):
        own = reasons.setdefault(its.key, [])
        protected = [pattern for pattern in brakes.protected if fnmatchcase(its.key, pattern)]
        if protected:
            own.append(f"it is protected by {', '.join(protected)}")
        if its.drift and brakes.on_drift != "overwrite":
            own.append("it was changed in the database; that needs --on-drift overwrite")
        unfinished = runs.get(live.by_key[its.key].workflow_id)
        if unfinished:
            counts = ", ".join(f"{count} {status}" for status, count in sorted(unfinished.items()))
            own.append(f"it has runs that are not finished ({counts}); that needs --allow-running")
    prunable = {live.by_key[key].workflow_id: key for key in reasons}
    goes = {row_id for row_id, key in prunable.items() if not reasons[key]}
    callers: dict[str, list[str]] = {}
    for row in live.rows() if prunable else ():
        for target in {call.target for call in row.calls} & prunable.keys() - {row.workflow_id}:
            if row.workflow_id not in goes:
                callers.setdefault(prunable[target], []).append(row.key)
    for key, names in callers.items():
        more = len(names) - _MOST_CALLERS
        listed = ", ".join(sorted(names)[:_MOST_CALLERS]) + (f" and {more} more" if more > 0 else "")
        reasons[key].append(f"{listed} {'calls' if len(names) == 1 else 'call'} it")
    return {key: "; ".join(own) for key, own in reasons.items() if own}


def _item(its: Standing, desired: DesiredState, live: LiveState, managed: ManagedState, stays: str | None) -> Item:
    file, row = desired.by_key.get(its.key), live.by_key.get(its.key)
    return Item(
        its,
        None if file is None else file.file,
        None if row is None else row.workflow_id,
        None if row is None else row.digest,
        managed.by_key.get(its.key),
        None if row is None else row.updated_at,
        None if row is None else row.updated_by,
        stays,
    )


def _ambiguous(key: str, ids: tuple[str, ...]) -> Problem:
    return Problem(
        code="AMBIGUOUS_KEY",
        severity="warning",
        message=f"{len(ids)} rows have this key: {', '.join(ids)}; how it stands cannot be told",
        key=key,
        hint="give all rows but one another key (or NULL), or leave the key out with --exclude",
        details={"workflowKey": key, "workflowIds": list(ids)},
    )
