"""What is managed after an apply: whose each key is, and what it was when we last wrote it. Pure.

Decisions where the specification is silent. A key that is equal and managed by nobody is adopted; one that another
source manages is left to it. Whatever is overwritten without having been ours is ``adopted``, and so never pruned.
Every write of ours ends a hold; so does a file that says what the row says, and one that is no longer there: if it
comes back, somebody wants it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import structs

from wfsync.bundle.load import Desired
from wfsync.plan.change import Change, Kept
from wfsync.plan.managed import Hold, Managed, Origin
from wfsync.plan.ownership import NO_FILE, Owner
from wfsync.plan.state import Live

__all__ = ["forgotten", "hold_outlives_file", "managed_absent", "managed_equal", "managed_held", "managed_written"]


def managed_written(
    changes: Collection[Change],
    ids: Mapping[str, str],
    current: Mapping[str, Managed],
    owner: Owner,
    holds: Mapping[str, Hold],
    returned: Collection[str] = (),
) -> Iterator[Managed]:
    """What is managed of the keys that were created or overwritten; ``ids`` are those that they have now.

    ``holds`` are keys that a rollback holds, with what their files are now; ``returned`` are keys that
    were there before the apply that it undoes: to bring one back does not make it ours.
    """
    for change in changes:
        if change.action in ("create", "overwrite"):
            yield Managed(
                change.key,
                owner.source,
                _origin(change, current.get(change.key), owner.source, is_back=change.key in returned),
                ids[change.key],
                change.after_digest or "",
                owner.policy_of(change.key),
                *_held(holds.get(change.key)),
            )


def managed_equal(
    desired: Mapping[str, Desired],
    live: Mapping[str, Live],
    current: Mapping[str, Managed],
    owner: Owner,
    holds: Mapping[str, Hold],
) -> Iterator[Managed]:
    """What is to be renewed of the keys whose file and row say the same: those that are not managed like this yet."""
    for key, item in desired.items():
        row = live.get(key)
        if row is None or row.digest != item.digest:
            continue
        base = current.get(key)
        if base is not None and base.source != owner.source:
            continue
        policy = owner.policy_of(key)
        held = _held(holds.get(key))
        if base is None:
            yield Managed(key, owner.source, "adopted", row.workflow_id, row.digest, policy, *held)
        elif (base.workflow_id, base.digest, base.policy, base.held) != (row.workflow_id, row.digest, policy, held[0]):
            # Another row than the one that we know is somebody else's, whatever it holds: never to be pruned
            origin = base.origin if base.workflow_id == row.workflow_id else "adopted"
            yield Managed(key, base.source, origin, row.workflow_id, row.digest, policy, *held)


def managed_absent(holds: Mapping[str, Hold], current: Mapping[str, Managed], owner: Owner) -> Iterator[Managed]:
    """What is managed of keys that a rollback holds and that have no row any more: no apply makes them again."""
    for key, hold in holds.items():
        base = current.get(key)
        if base is None:
            base = Managed(key, owner.source, "created", "", hold.digest, owner.policy_of(key))
        if base.source == owner.source and (base.held != hold.digest or key not in current):
            yield structs.replace(base, held=hold.digest, held_policy=hold.policy)


def managed_held(
    kept: Collection[Kept], files: Mapping[str, str], current: Mapping[str, Managed], owner: Owner
) -> Iterator[Managed]:
    """What is to be renewed of keys that an earlier rollback holds: what their files are under the policies in force,
    so that the next change of a file ends the hold. ``files`` are the digests of files, by key.
    """
    for item in kept:
        base, file = current.get(item.key), files.get(item.key)
        if item.why == "held" and base is not None and file is not None and base.source == owner.source:
            policy = owner.policy_of(item.key)
            if base.held is not None and base.held_policy != policy:
                yield structs.replace(base, held=file, held_policy=policy)


def hold_outlives_file(item: Managed, files: Collection[str], owner: Owner) -> bool:
    """Whether a rollback went behind a file of ours that is gone; ``files`` are the keys of all that there are."""
    return item.source == owner.source and item.held not in (None, NO_FILE) and item.key not in files


def _held(hold: Hold | None) -> tuple[str | None, str | None]:
    """As the last two members of `Managed`."""
    return (None, None) if hold is None else (hold.digest, hold.policy)


def forgotten(changes: Collection[Change]) -> frozenset[str]:
    """Keys that are managed no longer, because their rows were deleted."""
    return frozenset(change.key for change in changes if change.action == "delete")


def _origin(change: Change, base: Managed | None, source: str, *, is_back: bool) -> Origin:
    is_made = change.action == "create"
    if is_made and not is_back:
        return "created"
    ours = base is not None and base.source == source and (is_made or base.workflow_id == change.workflow_id)
    return base.origin if base is not None and ours else "adopted"
