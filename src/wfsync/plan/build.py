"""(desired, live) → changes: the decision itself. Pure; compares digests, never documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wfsync.bundle.load import Desired
from wfsync.plan.change import Change
from wfsync.plan.model import Overwrite
from wfsync.plan.state import Live, LiveState

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What must happen, before it is known what that takes with it."""

    changes: tuple[Change, ...]
    equal: Mapping[str, str]
    """Ids of the workflows that do not differ, by key."""
    ambiguous: Mapping[str, tuple[str, ...]]
    """Keys of the desired set, or called by a changing workflow, that have several rows."""

    @property
    def unchanged(self) -> int:
        """How many of the desired workflows nothing happens to: equal, and not relinked."""
        relinked = {change.key for change in self.changes if change.action == "relink"}
        return len(self.equal.keys() - relinked)


def decide(
    desired: Mapping[str, Desired], live: LiveState, overwrite: Overwrite, key_of: Callable[[str], str]
) -> Decision:
    """Compare every desired workflow with its row.

    ``desired`` holds final digests (references resolved) by key; ``key_of`` says which key a call's target means. A
    workflow of the database that no file names is left alone. With ``replace``, an overwritten workflow gets a new id,
    so every stored definition that calls it and is not itself overwritten is relinked.
    """
    changes: list[Change] = []
    equal: dict[str, str] = {}
    for key, item in desired.items():
        row = live.by_key.get(key)
        if key in live.ambiguous:
            continue
        if row is None:
            changes.append(_create(item))
        elif row.digest == item.digest:
            equal[key] = row.workflow_id
        else:
            changes.append(_overwrite(item, row))
    called = {key_of(call.target) for change in changes for call in desired[change.key].calls}
    if overwrite == "replace":
        relinks = tuple(_relinks(changes, live))
        changes.extend(relinks)
    ambiguous = {k: ids for k, ids in live.ambiguous.items() if k in desired or k in called}
    return Decision(tuple(changes), equal, ambiguous)


def _create(item: Desired) -> Change:
    return Change(
        item.key,
        "create",
        "not in the database",
        after_digest=item.digest,
        file=item.file,
        versions=item.versions,
    )


def _overwrite(item: Desired, row: Live) -> Change:
    return Change(
        item.key,
        "overwrite",
        "differs from the database",
        before_digest=row.digest,
        after_digest=item.digest,
        file=item.file,
        workflow_id=row.workflow_id,
        versions=item.versions,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def _relinks(changes: list[Change], live: LiveState) -> Iterator[Change]:
    replaced = {c.workflow_id: c.key for c in changes if c.action == "overwrite" and c.workflow_id is not None}
    if not replaced:
        return
    for row in live.rows():
        if row.workflow_id in replaced:
            continue
        callees = sorted({replaced[call.target] for call in row.calls if call.target in replaced})
        if callees:
            yield Change(
                row.key,
                "relink",
                f"calls {', '.join(callees)}, which would get a new id",
                before_digest=row.digest,
                after_digest=row.digest,  # references are keys in a digest: it does not move
                workflow_id=row.workflow_id,
                versions=row.versions,
            )
