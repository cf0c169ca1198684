"""Whose the compared workflows are: how keys stand, what a plan is measured against, which keys were renamed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from wfsync.bundle.field_policies import Policies
from wfsync.bundle.model import Workflow
from wfsync.bundle.structure import relabel
from wfsync.errors import DatabaseError
from wfsync.plan.build import Decision
from wfsync.plan.change import Change
from wfsync.plan.guard import Measure
from wfsync.plan.managed import ManagedState
from wfsync.plan.ownership import NO_FILE, Owner, Standing, standings
from wfsync.plan.resolve import Resolution
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState, nothing_selected
from wfsync.state.live import portable
from wfsync.state.selection import Selection
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import to_workflow
from wfsync.store.reader import stream

__all__ = ["Belonging", "measure", "stand", "with_renames", "without_kept"]

_MOST_RENAMES: Final = 1000
"""Created and missing workflows that are read to be compared with each other."""

_UNREAD: Final = frozenset({"REPOSITORY_SYMLINK", "REPOSITORY_FILE_NAME"})
"""Warnings that something which looks like workflows is not read: a key that is missed may be there."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """Whose the keys of a comparison are."""

    owner: Owner
    standings: Mapping[str, Standing]
    managed: ManagedState
    live: LiveState

    @property
    def ours(self) -> Iterator[str]:
        """Keys that this source manages."""
        return (key for key, item in self.managed.by_key.items() if item.source == self.owner.source)

    def doubtful(self, desired: DesiredState, about: Selection | Collection[str]) -> frozenset[str]:
        """Keys whose row we created and no file names, that another row has, too: which of them is to go?"""
        files = {item.key for item in desired.unselected} | desired.by_key.keys()
        found = self.managed.by_key
        return frozenset(
            key
            for key in self.ours
            if found[key].workflow_id in self.live.ambiguous.get(key, ())
            if found[key].origin == "created" and found[key].held != NO_FILE
            if key in about and key not in files
        )


def stand(
    desired: DesiredState, live: LiveState, managed: ManagedState, source: str, about: Selection | Collection[str]
) -> Belonging:
    """How every key stands that the command is ``about``, for the source of that name.

    Raises `ConfigError` (``NOTHING_SELECTED``) when there is no such key in files, and none that the source manages.
    """
    owner = Owner(source, desired.policies.fingerprints())
    found = standings(
        {key: item.digest for key, item in desired.by_key.items()},
        live,
        managed,
        owner,
        elsewhere={item.key for item in desired.unselected},
        chosen=lambda key: key in about,
    )
    belonging = Belonging(owner, found, managed, live)
    is_exact = isinstance(about, Selection) and about.keys is not None  # a plan file may be empty
    if not is_exact and not desired.by_key and desired.unselected and not any(key in about for key in belonging.ours):
        raise nothing_selected()
    return belonging


def without_kept(desired: DesiredState, decision: Decision) -> DesiredState:
    """``desired`` without what is left alone: those workflows stay what their rows are."""
    kept = {item.key for item in decision.kept}
    left = tuple(item for key, item in desired.by_key.items() if key in kept)
    if not left:
        return desired
    by_key = {key: item for key, item in desired.by_key.items() if key not in kept}
    return replace(desired, by_key=by_key, unselected=(*desired.unselected, *left))


def measure(desired: DesiredState, belonging: Belonging, decision: Decision) -> Measure:
    """What the changes of ``decision`` are held against."""
    live = belonging.live
    managed = {key for key in belonging.ours if key in live.by_key}
    named = {item.key for item in (*desired.by_key.values(), *desired.unselected) if item.key in live.by_key}
    unread = tuple(sorted(str(note.place) for note in desired.notes if note.code in _UNREAD and note.place is not None))
    return Measure(len(managed), len(managed | named), decision.callers, unread)


def with_renames(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    changes: tuple[Change, ...],
    desired: DesiredState,
    known: Resolution,
    belonging: Belonging,
) -> tuple[Change, ...]:
    """``changes`` that say of which key a created one is the new name: a managed key that git no longer has.

    It is when the file carries the id of that row, or when both hold the same but for the key.
    """
    live = belonging.live
    gone = {key: live.by_key[key] for key, its in belonging.standings.items() if its.state == "database_only_managed"}
    created = [change for change in changes if change.action == "create"]
    if not gone or not created:
        return changes
    keys_by_id = {row.workflow_id: key for key, row in gone.items()}
    names: dict[str, str] = {}  # new → old
    for change in created:
        old = keys_by_id.get(desired.by_key[change.key].origin_id or "")
        if old is not None and old not in names.values():
            names[change.key] = old
    contents = _contents(conn, layout, tenant, gone.keys() - set(names.values()), created, live, desired.policies)
    for change in [c for c in created if c.key not in names and contents][:_MOST_RENAMES]:
        item = desired.by_key[change.key]
        olds = contents.get(_content(desired.final(item, known), desired.policies), [])
        if olds:
            names[change.key] = olds.pop(0)
    return tuple(_named(change, names, {old: new for new, old in names.items()}) for change in changes)


def _contents(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    gone: Collection[str],
    created: Collection[Change],
    live: LiveState,
    policies: Policies,
) -> dict[str, list[str]]:
    """What the rows of ``gone`` hold but for their keys → those keys, in order. Reads only rows that may be meant."""
    shapes = {change.versions for change in created}
    ids = [live.by_key[key].workflow_id for key in sorted(gone) if live.by_key[key].versions in shapes]
    found: dict[str, list[str]] = {}
    for stored in stream(conn, layout, tenant, ids=ids[:_MOST_RENAMES]) if ids else ():
        try:
            workflow = portable(to_workflow(stored, {}), live.keys_by_id)
        except DatabaseError:
            continue  # no portable workflow: a warning of the plan says so
        found.setdefault(_content(workflow, policies), []).append(workflow.key)
    return {content: sorted(keys) for content, keys in found.items()}


def _content(workflow: Workflow, policies: Policies) -> str:
    """The digest of ``workflow`` under a name that no workflow has, also where it calls itself."""
    own = workflow.key
    return policies.digest(replace(relabel(workflow, lambda target: "" if target == own else target), key=""))


def _named(change: Change, old_of: Mapping[str, str], new_of: Mapping[str, str]) -> Change:
    if change.action == "create" and change.key in old_of:
        old = old_of[change.key]
        return replace(change, reason=f"renamed from {old}", renamed_from=old)
    if change.action == "delete" and change.key in new_of:
        new = new_of[change.key]
        return replace(change, reason=f"renamed to {new}; {change.reason}", renamed_to=new)
    return change
