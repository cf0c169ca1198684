"""What an apply leaves for later plans: every row that it knows, so that what has not moved need not be read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from wfsync.apply.work import Work
from wfsync.bundle.load import Desired
from wfsync.bundle.references import Call, plain_uuid
from wfsync.plan.resolve import Resolution
from wfsync.plan.state import Live
from wfsync.state.evidence import remember
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.moment import rfc3339, to_datetime
from wfsync.store.reader import read_touched

__all__ = ["leave_evidence"]

_WRITES: Final = ("create", "overwrite")


def leave_evidence(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, work: Work, ids: Mapping[str, str]
) -> None:
    """Remember the rows that the plan leaves alone, and those that it wrote; in the apply's transaction.

    ``ids`` are those that keys have now. Rows that were relinked are left to be read again.
    """
    if work.proof is None:
        return
    changed = {change.key: change for change in work.plan.changes}
    untouched = [row for row in work.live.rows() if row.key not in changed]
    written = {ids[key]: work.desired.by_key[key] for key, c in changed.items() if c.action in _WRITES}
    rows = []
    for workflow_id, (moment, who) in read_touched(conn, layout, tenant, list(written)).items():
        item = written[workflow_id]
        when = to_datetime(moment)
        calls = tuple(_stored_calls(item, work.resolution, ids))
        updated_at = rfc3339(when) if when is not None else None
        rows.append(Live(item.key, workflow_id, item.digest, calls, tuple(sorted(item.versions)), updated_at, who))
    remember(conn, layout, tenant, work.desired.policies, work.proof, untouched, rows)


def _stored_calls(item: Desired, resolution: Resolution, ids: Mapping[str, str]) -> Iterator[Call]:
    """The calls as a reader of the row finds them: callees by id, the draft's first, then by version."""
    for call in sorted(item.calls, key=lambda call: (call.in_version is not None, call.in_version or 0)):
        key = resolution.key_of(call.target)
        yield Call(call.path, plain_uuid(ids.get(key, key)), call.version, call.in_version)
