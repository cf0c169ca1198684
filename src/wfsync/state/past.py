"""The wanted state of a rollback: workflows as the ledger's before-images have them.

Images hold ids where files hold keys. An id means the workflow that has it now; one that no row has any more means the
key that the ledger last saw it with.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec import structs

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.dependencies import derive
from wfsync.bundle.field_policies import Policies
from wfsync.bundle.load import Desired
from wfsync.bundle.model import Workflow
from wfsync.bundle.steps import steps_of
from wfsync.bundle.structure import bundle_tree
from wfsync.errors import DatabaseError, Problem
from wfsync.plan.rollback import Past
from wfsync.state.desired import DesiredState
from wfsync.state.live import portable, stored_calls
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.applies import images_of
from wfsync.store.ledger.rollbacks import keys_of_ids
from wfsync.store.mapping import to_workflow
from wfsync.store.reader import read_ids
from wfsync.store.row_images import RowImage, read_image

__all__ = ["PastState", "read_past"]

_EPOCH: Final = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class PastState:
    """What was, and all that a file does not say of it."""

    desired: DesiredState
    images: Mapping[str, RowImage] = field(repr=False)
    """By key."""


def read_past(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    apply_id: str,
    pasts: Mapping[int, Past],
    policies: Policies,
) -> PastState:
    """The workflows of ``pasts`` (by their positions in the ledger) before that apply; those it created are none.

    For the plan's snapshot. Raises `DatabaseError`: ``LEDGER_DAMAGED`` when an image is missing or cannot be read,
    ``INVALID_ROW`` when a row was no portable workflow, so that it cannot be written; each with all keys.
    """
    images = _images(conn, tenant, apply_id, pasts)
    workflows = _workflows(images)
    calls = {key: stored_calls(w, [steps_of(d) for d in w.definitions()]) for key, w in workflows.items()}
    keys = _keys(conn, layout, tenant, {call.target for found in calls.values() for call in found})
    by_key: dict[str, Desired] = {}
    documents: dict[str, bytes] = {}
    for key, workflow in workflows.items():
        label = f"{key} before apply {apply_id}"
        final = portable(workflow, keys) if calls[key] else workflow
        documents[label] = canonical_bytes(bundle_tree([final], _EPOCH))
        by_key[key] = Desired(
            key=key,
            file=label,
            index=0,
            digest=policies.digest(final, derive(final.metadata, final.definitions())),
            calls=tuple(structs.replace(call, target=keys.get(call.target, call.target)) for call in calls[key]),
            origin_id=None,
            versions=tuple(version.version for version in final.versions),
            missing=None,
            is_canonical=True,
            initial=policies.initial(final),
        )
    return PastState(DesiredState(None, by_key, (), documents=documents, policies=policies), images)


def _images(conn: Connection, tenant: Tenant | None, apply_id: str, pasts: Mapping[int, Past]) -> dict[str, RowImage]:
    wanted = {position: past for position, past in pasts.items() if past.action != "create"}
    found: dict[str, RowImage] = {}
    damaged: dict[str, str] = {past.key: "is missing" for past in wanted.values()}
    # One at a time: a damaged one must not hide the others
    for position, past in wanted.items():
        try:
            for _, text in images_of(conn, tenant, apply_id, [position]):
                found[past.key] = read_image(text, past.key)
                del damaged[past.key]
        except (zlib.error, ValueError) as error:
            damaged[past.key] = f"cannot be read: {error}"
    if damaged:
        raise _damaged(apply_id, damaged)
    return found


def _workflows(images: Mapping[str, RowImage]) -> dict[str, Workflow]:
    workflows: dict[str, Workflow] = {}
    problems: list[Problem] = []
    for key, image in images.items():
        try:
            workflows[key] = to_workflow(image.stored, {})
        except DatabaseError as error:
            problems += [
                replace(p, message=p.message.replace("its row in the database is", "its row before that apply was"))
                for p in error.problems
            ]
    if problems:
        raise DatabaseError(
            "what that apply overwrote or deleted was no portable workflow, and cannot be written",
            code="INVALID_ROW",
            hint="nothing was written; leave it out with --exclude, and correct it in the instance",
            problems=problems,
        )
    return workflows


def _keys(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, targets: Collection[str]) -> dict[str, str]:
    """What the ids among ``targets`` mean that no row has; those that a row has are the plan's to resolve."""
    if not targets:
        return {}
    stored = {workflow_id for workflow_id, _ in read_ids(conn, layout, tenant)}
    return keys_of_ids(conn, tenant, [target for target in targets if target not in stored])


def _damaged(apply_id: str, damaged: Mapping[str, str]) -> DatabaseError:
    return DatabaseError(
        f"the ledger's image of {len(damaged)} workflow{'s' * (len(damaged) != 1)} before the apply is damaged",
        code="LEDGER_DAMAGED",
        hint="nothing was written; leave these workflows out with --exclude",
        problems=[
            Problem(code="LEDGER_DAMAGED", message=f"its image {why}", key=key) for key, why in sorted(damaged.items())
        ],
        details={"apply": apply_id},
    )
