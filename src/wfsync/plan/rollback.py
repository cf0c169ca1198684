"""What undoing an apply means for each workflow that it changed. Pure.

What the apply created is deleted; what it overwrote or deleted becomes what it was. What it only relinked is left: its
content never changed, and calls follow their callees by key. A rollback takes nothing away unseen: a row that is not
what the apply left is *drift*, whoever changed it since, a later apply too.

Decisions where the specification is silent. `--force` consents to all that a rollback writes: it overwrites by nature,
and what it deletes is what the named apply made, which is not pruning. The default brake on deletes does not hold it
for the same reason; a brake that somebody set does. Undoing an `import` or a `publish` manages no key and holds none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from wfsync.plan.change import Blocked, Change, Kept, last_update
from wfsync.plan.guard import Consent
from wfsync.plan.managed import Hold, Managed
from wfsync.plan.ownership import NO_FILE, Standing
from wfsync.plan.state import Live, LiveState

__all__ = [
    "Past",
    "PastAction",
    "file_digest",
    "holds",
    "more_blocks",
    "standings",
    "worded",
    "worded_blocks",
    "worded_kept",
]

PastAction = Literal["create", "overwrite", "delete"]


@dataclass(frozen=True, slots=True)
class Past:
    """What an apply did to one workflow, as the ledger has it."""

    key: str
    action: PastAction
    before_digest: str | None
    after_digest: str | None
    before_id: str | None
    after_id: str | None
    later: str | None = None
    """The last apply that changed the key since, in a person's words; None when none did."""
    later_digest: str | None = None
    """What that one left; None also when it deleted the row."""

    @property
    def row_was_lost(self) -> bool:
        """The apply deleted the row, or replaced it by another one: with every column that no file has."""
        return self.before_id is not None and self.before_id != self.after_id


def standings(
    pasts: Iterable[Past], live: LiveState, managed: Mapping[str, Managed], source: str | None
) -> dict[str, Standing]:
    """How every key stands that is to be what it was; keys that are gone already, as they should be, are left out.

    ``source`` is whose the apply was; None where it took nothing into management.
    """
    found = {past.key: _standing(past, live.by_key.get(past.key), managed.get(past.key), source) for past in pasts}
    return {key: its for key, its in sorted(found.items()) if its is not None}


def _standing(past: Past, row: Live | None, managed: Managed | None, source: str | None) -> Standing | None:
    other = managed.source if managed is not None and source not in (None, managed.source) else None
    if row is None:
        return None if past.action == "create" else Standing(past.key, "git_only", base_known=True, managed_by=other)
    if past.action == "create":
        drift = row.digest != past.after_digest or row.workflow_id != past.after_id
        # A row that somebody else put in the place of ours is not ours to delete, whatever is consented to (law 6)
        as_created = row.workflow_id == past.after_id
        as_replaced = managed is not None and (managed.origin, managed.workflow_id) == ("created", row.workflow_id)
        is_ours = as_created or as_replaced
        return Standing(past.key, "database_only_managed", drift, True, other, prunable=is_ours)
    drift = row.digest != past.after_digest
    return Standing(past.key, "both_changed" if drift else "git_changed", drift, True, other)


# -------------------------------------------------------------------------------------------------------------- words


_DID: Final[Mapping[PastAction, str]] = {
    "create": "created by that apply",
    "overwrite": "overwritten by that apply",
    "delete": "deleted by that apply",
}


def worded(change: Change, past: Past | None) -> Change:
    """``change`` with the reason that it has in a rollback; itself for a relink, which follows from the others."""
    if past is None or change.action == "relink":
        return change
    reason = _DID[past.action]
    if change.action == "create" and past.action == "overwrite":
        reason += ", and gone since"
    if change.action == "overwrite" and past.action == "delete":
        reason += ", and there again"
    if change.drift:
        reason += f"; changed since{_by(change, past)}"
    return replace(change, reason=reason, state=None, file=None, later=past.later if change.drift else None)


def worded_kept(kept: Kept, past: Past | None) -> Kept:
    """``kept`` with the reason that it has in a rollback."""
    if past is None:
        return kept
    reason = f"{_DID[past.action]}; changed since{_by(kept, past)}; left alone"
    return replace(kept, reason=reason, file=None)


def worded_blocks(
    blocks: Iterable[Blocked], changes: Collection[Change], pasts: Mapping[str, Past]
) -> tuple[Blocked, ...]:
    """``blocks`` in the words of a rollback: drift is measured from the apply, and not taken into git first."""
    by_key = {change.key: change for change in changes if change.drift}
    return tuple(
        _drift(block, by_key[block.key], pasts[block.key])
        if block.code == "DRIFT" and block.key in by_key and block.key in pasts
        else block
        for block in blocks
    )


def _drift(block: Blocked, change: Change, past: Past) -> Blocked:
    done = "deleting" if change.action == "delete" else "overwriting"
    return Blocked(
        block.code,
        f"was changed since that apply{_by(change, past)}; {done} it loses that",
        key=block.key,
        hint="roll back the later change first, or give --on-drift overwrite to lose it or --on-drift skip to leave it",
        details={**block.details, "state": None, "later": past.later},
    )


def _by(change: Change | Kept, past: Past) -> str:
    if past.later is not None:
        return f" by {past.later}"
    return last_update(change.updated_by, change.updated_at)


def more_blocks(
    changes: Iterable[Change], pasts: Iterable[Past], live: LiveState, consent: Consent
) -> Iterator[Blocked]:
    """What keeps a rollback from deleting, beside what keeps every plan from it."""
    for change in changes:
        if change.action == "delete" and not consent.force:
            yield Blocked(
                "WORKFLOW_KEY_CONFLICT",
                "exists, because that apply created it; deleting it needs --force",
                key=change.key,
                hint="look at the changes, then run the command with --force",
                details={"workflowKey": change.key, "existingWorkflowId": change.workflow_id},
            )
    for past in pasts:
        ids = live.ambiguous.get(past.key, ())
        if past.action == "create" and ids:
            yield Blocked(
                "AMBIGUOUS_KEY",
                f"{len(ids)} rows have this key: {', '.join(ids)}",
                key=past.key,
                hint="give all rows but one another key (or NULL), or leave the key out with --exclude",
                details={"workflowKey": past.key, "workflowIds": list(ids)},
            )


# -------------------------------------------------------------------------------------------------------------- holds


def file_digest(past: Past, managed: Managed | None, source: str) -> Hold:
    """The digest that the key's file has, as far as the ledger knows: that of the last apply from ``source``.

    The repository need not be there when something must be undone. `NO_FILE` where that apply had no file of it.
    """
    if managed is not None and managed.source == source:
        if managed.held is not None:
            return Hold(managed.held, managed.held_policy)
        return Hold(managed.digest, managed.policy or None)
    last = past.later_digest if past.later is not None else past.after_digest
    return Hold(NO_FILE if last is None else last)


def holds(
    pasts: Iterable[Past],
    wanted: Mapping[str, str],
    managed: Mapping[str, Managed],
    source: str,
    left: Collection[str],
) -> dict[str, Hold]:
    """Keys that the rollback holds → the files that it goes behind.

    ``wanted`` are digests that rows will have (none for what is deleted); keys in ``left`` are not touched. Nothing is
    held where file and row will say the same: undoing a rollback ends its hold.
    """
    found = {past.key: file_digest(past, managed.get(past.key), source) for past in pasts if past.key not in left}
    return {key: hold for key, hold in found.items() if hold.digest != wanted.get(key, NO_FILE)}
