"""(desired, live) → changes: the decision itself. Pure; compares digests, never documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from wfsync.bundle.load import Desired
from wfsync.plan.change import Change, Kept, last_update
from wfsync.plan.model import Overwrite
from wfsync.plan.ownership import Standing
from wfsync.plan.state import Live, LiveState

__all__ = ["NOBODYS", "Decision", "Whose", "decide"]


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose the keys are, and what follows from it."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    """Of every chosen key; empty where nobody's ownership matters (`import`)."""
    prune: bool = False
    """Delete what we created and git no longer has."""
    skip_drift: bool = False
    """Leave what somebody changed in the database."""
    doubtful: Collection[str] = frozenset()
    """Keys that a prune would be about if they had not several rows."""


NOBODYS: Final = Whose()


@dataclass(frozen=True, slots=True)
class Decision:
    """What must happen, before it is known what that takes with it."""

    changes: tuple[Change, ...]
    equal: Mapping[str, str]
    """Ids of the workflows that do not differ, by key."""
    ambiguous: Mapping[str, tuple[str, ...]]
    """Keys of the desired set, called by a changing workflow, or to be pruned, that have several rows."""
    kept: tuple[Kept, ...] = ()
    """What differs and is left alone, in order of key."""
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key that would be deleted → keys that call it and stay."""

    @property
    def unchanged(self) -> int:
        """How many of the desired workflows nothing happens to: equal, and not relinked."""
        relinked = {change.key for change in self.changes if change.action == "relink"}
        return len(self.equal.keys() - relinked)


def decide(
    desired: Mapping[str, Desired],
    live: LiveState,
    overwrite: Overwrite,
    key_of: Callable[[str], str],
    whose: Whose = NOBODYS,
) -> Decision:
    """Compare every desired workflow with its row.

    ``desired`` holds final digests (references resolved) by key; ``key_of`` says which key a call's target means. A
    workflow of the database that no file names is left alone, unless it is pruned. With ``replace``, an overwritten
    workflow gets a new id, so every stored definition that calls it and is not itself written is relinked; so is one
    that calls a workflow by its key which was not there when it was written.
    """
    changes: list[Change] = []
    equal: dict[str, str] = {}
    kept: list[Kept] = []
    for key, item in desired.items():
        row = live.by_key.get(key)
        its = whose.standings.get(key)
        if key in live.ambiguous:
            continue
        if row is not None and row.digest == item.digest:
            equal[key] = row.workflow_id
        elif its is not None and (left := _left(its, whose, row, item.file)) is not None:
            kept.append(left)
        elif row is None:
            changes.append(_create(item, its))
        else:
            changes.append(_overwrite(item, row, its))
    for key, its in whose.standings.items():
        if key in live.by_key and key not in desired:
            row = live.by_key[key]
            left = _left(its, whose, row, None) if its.state == "held" or (whose.prune and its.prunable) else None
            if left is not None:
                kept.append(left)
            elif whose.prune and its.prunable:
                changes.append(_delete(row, its))
    called = {
        key_of(call.target) for change in changes if change.action != "delete" for call in desired[change.key].calls
    }
    callers = _callers(changes, desired, live, key_of)
    changes.extend(tuple(_relinks(changes, live, overwrite, equal)))
    in_doubt = called | set(whose.doubtful if whose.prune else ())
    ambiguous = {k: ids for k, ids in live.ambiguous.items() if k in desired or k in in_doubt}
    return Decision(tuple(changes), equal, ambiguous, tuple(sorted(kept, key=lambda k: k.key)), callers)


_HELD: Final = "was rolled back behind this file; it waits for a change in git, or for `wfsync release`"
_HELD_AWAY: Final = "was brought back by a rollback; it waits for a file, or for `wfsync release`"


def _left(its: Standing, whose: Whose, row: Live | None, file: str | None) -> Kept | None:
    """The workflow as one that is left alone; None when it is not."""
    at, by = (None, None) if row is None else (row.updated_at, row.updated_by)
    workflow_id = None if row is None else row.workflow_id
    if its.state == "held":
        reason = _HELD if file is not None else _HELD_AWAY
        return Kept(its.key, "held", its.state, reason, file, workflow_id, at, by)
    if its.drift and whose.skip_drift:
        reason = f"{_CHANGED[its.state]}{last_update(by, at)}; left alone"
        return Kept(its.key, "skipped", its.state, reason, file, workflow_id, at, by)
    return None


_CHANGED: Final = {
    "git_changed": "changed in git",
    "database_changed": "changed in the database since the last apply",
    "both_changed": "changed in git, and in the database since the last apply",
    "database_only_managed": "gone from git, and changed in the database since the last apply",
    "unmanaged_differs": "differs from the database",
}


def _create(item: Desired, its: Standing | None) -> Change:
    deleted = its is not None and its.state == "database_deleted"
    return Change(
        item.key,
        "create",
        "deleted from the database since the last apply" if deleted else "not in the database",
        after_digest=item.digest,
        file=item.file,
        versions=item.versions,
        state=None if its is None else its.state,
        managed_by=None if its is None else its.managed_by,
        creation_digest=item.creation_digest,
    )


def _overwrite(item: Desired, row: Live, its: Standing | None) -> Change:
    reason = "differs from the database"
    if its is not None:
        reason = _CHANGED[its.state] if its.base_known else reason
    return Change(
        item.key,
        "overwrite",
        reason,
        before_digest=row.digest,
        after_digest=item.digest,
        file=item.file,
        workflow_id=row.workflow_id,
        versions=item.versions,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        state=None if its is None else its.state,
        drift=its is not None and its.drift,
        managed_by=None if its is None else its.managed_by,
    )


def _delete(row: Live, its: Standing) -> Change:
    reason = "gone from git"
    if its.drift:
        reason = _CHANGED[its.state]
    elif not its.base_known:
        reason = "gone from git; whether somebody changed it in the database is not known: field policies changed since"
    return Change(
        row.key,
        "delete",
        reason,
        before_digest=row.digest,
        workflow_id=row.workflow_id,
        versions=row.versions,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        state=its.state,
        drift=its.drift,
        managed_by=its.managed_by,
    )


def _callers(
    changes: Collection[Change], desired: Mapping[str, Desired], live: LiveState, key_of: Callable[[str], str]
) -> dict[str, tuple[str, ...]]:
    """For every workflow that would be deleted: what calls it afterwards, drafts too."""
    deleted = {c.workflow_id: c.key for c in changes if c.action == "delete" and c.workflow_id is not None}
    if not deleted:
        return {}
    found: dict[str, set[str]] = {}
    written = {change.key for change in changes}
    for change in changes:
        if change.action != "delete":
            for call in desired[change.key].calls:
                callee = key_of(call.target)
                if callee in deleted.values():
                    found.setdefault(callee, set()).add(change.key)
    for row in live.rows():
        if row.workflow_id in deleted or (row.key in written and row.key in live.by_key):
            continue
        for call in row.calls:
            if call.target in deleted:
                found.setdefault(deleted[call.target], set()).add(row.key)
    return {callee: tuple(sorted(callers)) for callee, callers in sorted(found.items())}


def _relinks(changes: list[Change], live: LiveState, overwrite: Overwrite, equal: Collection[str]) -> Iterator[Change]:
    """Rows that are not written and whose calls must follow: of callees that get another id, and of callees that are
    there now and are called by their key, because they were not when the caller was written (a draft may be first).
    """
    written = {change.workflow_id for change in changes if change.action in ("overwrite", "delete")}
    deleted = {change.key for change in changes if change.action == "delete"}
    created = {change.key for change in changes if change.action == "create"}
    replaced = {}
    if overwrite == "replace":
        replaced = {c.workflow_id: c.key for c in changes if c.action == "overwrite" and c.workflow_id is not None}
    for row in live.rows():
        if not row.calls or row.workflow_id in written:
            continue
        moved = sorted({replaced[call.target] for call in row.calls if call.target in replaced})
        named = sorted(
            {
                call.target
                for call in row.calls
                if call.target in created
                or (call.target in live.by_key and row.key in equal and call.target not in deleted)
            }
            if live.by_key.get(row.key) is row
            else ()
        )
        reasons = [f"calls {', '.join(moved)}, which would get a new id"] if moved else []
        reasons += [f"calls {', '.join(named)} by key, for want of an id until now"] if named else []
        if reasons:
            yield Change(
                row.key,
                "relink",
                "; ".join(reasons),
                before_digest=row.digest,
                after_digest=row.digest,  # references are keys in a digest: it does not move
                workflow_id=row.workflow_id,
                versions=row.versions,
            )
