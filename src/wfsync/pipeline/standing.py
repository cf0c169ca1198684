"""How every key stands: both sides read as for a plan, and nothing decided (`wfsync status`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wfsync.errors import Problem
from wfsync.pipeline.planning import PlanOptions, source_of
from wfsync.plan.managed import Managed, ManagedState
from wfsync.plan.model import SourceRef, TargetRef
from wfsync.plan.ownership import Owner, Standing, State, standings
from wfsync.plan.resolve import resolution
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState, Selection, nothing_selected
from wfsync.state.live import read_live
from wfsync.state.managed import as_told, read_managed
from wfsync.state.recognise import Recogniser
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import unheld_metadata

__all__ = ["Item", "Stock", "take_stock"]

_SETTLED: frozenset[State] = frozenset(("in_sync", "database_only_unmanaged", "held"))


@dataclass(frozen=True, slots=True)
class Item:
    """One key."""

    standing: Standing
    file: str | None
    workflow_id: str | None
    digest: str | None
    """Of the row."""
    managed: Managed | None
    """By any source."""
    updated_at: str | None
    updated_by: str | None

    @property
    def key(self) -> str:
        """The workflow's key."""
        return self.standing.key

    @property
    def state(self) -> State:
        """How it stands."""
        return self.standing.state


@dataclass(frozen=True, slots=True)
class Stock:
    """How everything stands."""

    source: SourceRef
    source_name: str
    """What the source is called in the ledger."""
    target: TargetRef
    has_ledger: bool
    """False: nothing is known of what was applied before, so nobody can tell who changed what."""
    items: tuple[Item, ...]
    """In order of key."""
    warnings: tuple[Problem, ...]

    @property
    def settled(self) -> bool:
        """Whether nothing differs but what is nobody's business or waits for a change in git."""
        return all(item.state in _SETTLED for item in self.items) and not any(
            warning.code == "AMBIGUOUS_KEY" for warning in self.warnings
        )


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
    if not found and desired.unselected and about.keys is None:  # who names keys is told what each of them lacks
        raise nothing_selected()
    warnings = (*desired.notes, *rows.notes, *_ambiguous(desired, rows.state))
    items = tuple(_item(its, desired, told, managed) for its in found.values())
    return Stock(source_of(desired), options.source or "", target, managed.exists, items, warnings)


def _item(its: Standing, desired: DesiredState, live: LiveState, managed: ManagedState) -> Item:
    file, row = desired.by_key.get(its.key), live.by_key.get(its.key)
    return Item(
        its,
        None if file is None else file.file,
        None if row is None else row.workflow_id,
        None if row is None else row.digest,
        managed.by_key.get(its.key),
        None if row is None else row.updated_at,
        None if row is None else row.updated_by,
    )


def _ambiguous(desired: DesiredState, live: LiveState) -> Iterator[Problem]:
    for key, ids in sorted(live.ambiguous.items()):
        if key in desired.by_key:
            yield Problem(
                code="AMBIGUOUS_KEY",
                severity="warning",
                message=f"{len(ids)} rows have this key: {', '.join(ids)}; how it stands cannot be told",
                key=key,
                hint="give all rows but one another key (or NULL), or leave the key out with --exclude",
                details={"workflowKey": key, "workflowIds": list(ids)},
            )
