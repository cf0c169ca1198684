"""What moved since a plan was pinned (law 3 of the architecture: a plan whose base moved is refused). Pure.

A plan is made anew, of the same keys and with the same options, and compared item by item with the pinned one: digests
decide, never commit ids or times. Each difference is explained by what is there now: a file that changed, a row that
somebody wrote, a caller that appeared. A workflow that the plan is not about may change as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wfsync.bundle.fingerprint import of_creation
from wfsync.bundle.load import Desired
from wfsync.errors import Place, Problem
from wfsync.plan.change import Change, Kept
from wfsync.plan.pinned import PinnedChange, PinnedPlan, Seal
from wfsync.plan.state import Live, LiveState

__all__ = ["Now", "moved", "was_applied"]

_SECONDS: Final = len("2026-01-01T00:00:00")

_VERBS: Final = {"create": "created", "overwrite": "overwritten", "relink": "relinked", "delete": "deleted"}


@dataclass(frozen=True, slots=True)
class Now:
    """Files, rows and the plan for them as they are at the moment of the apply."""

    changes: Sequence[Change]
    kept: Sequence[Kept]
    """What differs and is left alone now."""
    desired: Mapping[str, Desired]
    """By key, with final digests."""
    live: LiveState
    seal: Seal
    since: str = ""
    """When the plan was made; what a row says of an earlier update tells nothing of what moved."""

    def is_wanted(self, pinned: PinnedChange) -> bool:
        """Whether the row is already what the plan wants to make of it."""
        row = self.live.by_key.get(pinned.key)
        if pinned.action == "delete":
            return row is None
        if row is None:
            return False
        digest = row.digest
        item = self.desired.get(pinned.key)
        if pinned.action == "create" and item is not None:
            digest = of_creation(digest, item.initial)  # what a row makes of these fields later is its own
        return self.seal.of_workflow(row.key, digest) == pinned.after


def moved(pinned: PinnedPlan, now: Now) -> list[Problem]:
    """Every reason why ``pinned`` is not what an apply would do now; empty if it still is."""
    problems: list[Problem] = []
    consequences: list[Problem] = []
    kept = {item.key: item for item in now.kept}
    gone = {
        change.workflow_id: change.key
        for change in pinned.changes
        if change.workflow_id is not None and now.live.keys_by_id.get(change.workflow_id) != change.key
    }
    for planned, change in _pairs(pinned.changes, now.changes):
        if planned is None and change is not None:
            problems.append(_unplanned(change))
        elif planned is not None and not _is_same(planned, change, now.seal):
            if planned.key in kept:
                problems.append(_stale(planned.key, "plan", f"is left alone now: {kept[planned.key].reason}"))
                continue
            reasons = [*_of_file(planned, now), *_of_row(planned, now, gone)]
            problems += reasons
            if not reasons:
                (consequences if planned.action == "relink" else problems).append(_otherwise(planned, change))
    # A caller needs no relinking any more because its callee moved: that one is named
    return problems or consequences


def was_applied(pinned: PinnedPlan, now: Now) -> bool:
    """Whether everything looks as the plan would leave it: most likely somebody applied it before."""
    written = [change for change in pinned.changes if change.action != "relink"]
    return bool(written) and all(map(now.is_wanted, written))


def _pairs(
    pinned: Sequence[PinnedChange], changes: Sequence[Change]
) -> Iterator[tuple[PinnedChange | None, Change | None]]:
    """Both sides by key; where a key has several items (rows that share it), by the row's id."""
    then: dict[str, list[PinnedChange]] = {}
    for planned in pinned:
        then.setdefault(planned.key, []).append(planned)
    now: dict[str, list[Change]] = {}
    for change in changes:
        now.setdefault(change.key, []).append(change)
    for key in sorted(then.keys() | now.keys()):
        before, after = then.get(key, []), now.get(key, [])
        if len(before) <= 1 and len(after) <= 1:
            yield (before[0] if before else None, after[0] if after else None)
            continue
        rows = {change.workflow_id: change for change in after}
        for planned in before:
            yield planned, rows.pop(planned.workflow_id, None)
        for change in rows.values():
            yield None, change


def _is_same(planned: PinnedChange, change: Change | None, seal: Seal) -> bool:
    return (
        change is not None
        and change.action == planned.action
        and change.workflow_id == planned.workflow_id
        and seal.of_workflow(change.key, change.before_digest) == planned.before
        and seal.of_workflow(change.key, change.decided_digest) == planned.after
    )


def _unplanned(change: Change) -> Problem:
    if change.action == "relink":
        return _stale(change.key, "row", f"would have to be relinked since meanwhile: it {change.reason}")
    return _stale(change.key, "plan", f"is not among the changes of the plan, and would now be {_VERBS[change.action]}")


def _otherwise(planned: PinnedChange, change: Change | None) -> Problem:
    if change is None:
        what = f"would not be {_VERBS[planned.action]} any more"
    elif change.action != planned.action:
        what = f"would not be {_VERBS[planned.action]} but {_VERBS[change.action]} now: {change.reason}"
    else:
        what = f"would be {_VERBS[planned.action]} in another way now"
    return _stale(planned.key, "plan", what)


def _of_file(planned: PinnedChange, now: Now) -> Iterator[Problem]:
    item = now.desired.get(planned.key)
    if planned.action == "delete":
        if item is not None:
            yield _stale(planned.key, "file", f"has a file again: {item.file}", item.file)
    elif planned.action != "relink":
        if item is None:
            yield _stale(planned.key, "file", "its file is gone", planned.file)
        elif now.seal.of_workflow(item.key, _written(planned, item)) != planned.after:
            yield _stale(planned.key, "file", "its file was changed", item.file)


def _written(planned: PinnedChange, item: Desired) -> str:
    return item.creation_digest if planned.action == "create" else item.digest


def _of_row(planned: PinnedChange, now: Now, gone: Mapping[str, str]) -> Iterator[Problem]:
    several = now.live.ambiguous.get(planned.key)
    row = _row(planned, now.live)
    if several is not None and planned.action != "relink":
        yield _stale(planned.key, "row", f"several rows have this key meanwhile: {', '.join(several)}")
    elif planned.action == "create":
        if row is not None:
            as_wanted = ", and is already what the plan makes of it" if now.is_wanted(planned) else ""
            yield _by(row, now, f"was created meanwhile (workflow_id {row.workflow_id})", as_wanted)
    elif row is None:
        other = now.live.keys_by_id.get(planned.workflow_id or "")
        what = "was deleted meanwhile" if other is None else f"has another key meanwhile: {other}"
        yield _stale(planned.key, "row", what)
    else:
        as_wanted = ": it is already what the plan makes of it" if now.is_wanted(planned) else ""
        if now.seal.of_workflow(planned.key, row.digest) != planned.before:
            lost = sorted({call.target for call in row.calls if call.target in gone})
            if lost:  # its own row may be as it was: digests name callees by key
                yield _stale(row.key, "row", f"calls {', '.join(gone[target] for target in lost)}, which moved")
            else:
                yield _by(row, now, "was changed meanwhile", as_wanted)
        elif row.workflow_id != planned.workflow_id:
            yield _by(row, now, f"was deleted and created again meanwhile (workflow_id {row.workflow_id})", as_wanted)


def _row(planned: PinnedChange, live: LiveState) -> Live | None:
    """The row that the plan means: by its key, or by its id where the key is not its own."""
    if planned.action != "relink":
        return live.by_key.get(planned.key)
    return next((row for row in live.rows() if row.workflow_id == planned.workflow_id), live.by_key.get(planned.key))


def _by(row: Live, now: Now, what: str, end: str) -> Problem:
    """Who and when, where the row was marked since: not everybody who changes a row says so in it."""
    marked = row.updated_at is not None and row.updated_at[:_SECONDS] >= now.since[:_SECONDS]
    at, by = (row.updated_at, row.updated_by) if marked else (None, None)
    who = f" by {by}" if by else ""
    when = f" at {at}" if at else ""
    details = {"updated_by": by, "updated_at": at, "workflow_id": row.workflow_id}
    return _stale(row.key, "row", f"{what}{who}{when}{end}", **details)


def _stale(key: str, moved_what: str, message: str, file: str | None = None, **details: str | None) -> Problem:
    place = None if file is None else Place(file)
    return Problem(code="STALE_PLAN", message=message, key=key, place=place, details={"moved": moved_what, **details})
