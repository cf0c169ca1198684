"""The live state without reading documents, where the ledger's evidence proves that rows have not moved.

`recall` gives every row that is as the last apply left it, and names those that must be read; `remember` writes down
what an apply knows at its end. What cannot be proved is read: evidence only ever saves work.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from wfsync import __version__
from wfsync.bundle.field_policies import Policies
from wfsync.bundle.references import Call
from wfsync.plan.state import Live
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger import evidence as store
from wfsync.store.ledger.evidence import Header

__all__ = ["Evidence", "Proof", "recall", "remember"]

_FORMAT: Final = 1
"""Of what `remember` writes, and of how rows are digested: raise it when either changes."""
_FAST: Final = 1

_CallRecord = tuple[tuple[str | int, ...], str, int, int | None]


class _Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    mark: int
    """`wfsync.store.ledger.evidence.fingerprints` of the row."""
    key: str
    workflow_id: str
    digest: str
    calls: tuple[_CallRecord, ...]
    versions: tuple[int, ...]
    updated_at: str | None
    updated_by: str | None

    def live(self) -> Live:
        calls = tuple(Call(*call) for call in self.calls) if self.calls else ()
        return Live(self.key, self.workflow_id, self.digest, calls, self.versions, self.updated_at, self.updated_by)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a tenant's rows without reading them, in one snapshot."""

    known: Mapping[str, Live]
    """Rows that have not moved, by ``workflow_id``."""
    marks: Mapping[str, int] | None
    """A fingerprint of every row there is, by ``workflow_id``; None where nobody asked."""
    is_complete: bool
    """``known`` is all there is."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What an apply must know of the rows that its plan read, to `remember` them."""

    marks: Mapping[str, int]
    """Their fingerprints, by ``workflow_id``."""
    unsound: frozenset[str]
    """Rows about which there is something to say each time: they are never remembered."""
    is_remembered: bool
    """All of it is what was remembered before."""


def recall(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, policies: Policies, *, believed: bool, marks: bool
) -> Evidence | None:
    """What the ledger proves, in the caller's snapshot; None where nothing can be proved at all.

    ``marks`` asks for all fingerprints, which an apply wants for `remember`. What was remembered counts if
    ``believed``.
    """
    guarded = store.guard(conn, layout)
    if guarded is None:
        return None
    header = store.read_header(conn, tenant) if believed and store.is_usable(conn) else None
    if header is None or not header.holds(guarded, _rules(policies)):
        return Evidence({}, store.fingerprints(conn, layout, tenant) if marks else None, is_complete=False)
    rows = _decode(store.read_rows(conn, tenant))
    if header.total is not None and header.total == store.total(conn, layout, tenant):
        known = {row.workflow_id: row.live() for row in rows}
        return Evidence(known, {row.workflow_id: row.mark for row in rows} if marks else None, is_complete=True)
    now = store.fingerprints(conn, layout, tenant)
    still = {row.workflow_id: row for row in rows if now.get(row.workflow_id) == row.mark}
    # The digest of a caller names its callees by key: it holds only while they are the same
    moved = (now.keys() | {row.workflow_id for row in rows}) - still.keys()
    known = {
        workflow_id: row.live()
        for workflow_id, row in still.items()
        if not row.calls or moved.isdisjoint(call[1] for call in row.calls)
    }
    return Evidence(known, now, is_complete=False)


def remember(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    policies: Policies,
    proof: Proof,
    known: Iterable[Live],
    written: Collection[Live] = (),
) -> None:
    """Write down what is known of every row, at the end of the transaction that wrote ``written``.

    ``known`` are rows as the plan saw them: those that have moved since ``proof`` are left out, and so are callers of
    rows that moved, vanished or came (a rollback gives rows their ids back, which others may have called all along);
    whoever comes next reads them. Nothing is written where nothing can be proved.
    """
    guarded = store.guard(conn, layout)
    if guarded is None or not store.is_usable(conn, write=True):
        return
    store.settle(conn)
    total = store.total(conn, layout, tenant)
    marks = store.fingerprints(conn, layout, tenant)
    ours = {live.workflow_id for live in written}
    moved = {i for i, mark in marks.items() if i not in ours and proof.marks.get(i) != mark}
    moved |= proof.marks.keys() - marks.keys()
    came = moved | (ours - proof.marks.keys())
    rows = [
        _record(live, marks[live.workflow_id])
        for lives, renamed in ((known, came), (written if guarded.is_literal else (), moved))
        for live in lives
        if live.workflow_id in marks
        and live.workflow_id not in moved
        and live.workflow_id not in proof.unsound
        and (not live.calls or renamed.isdisjoint(call.target for call in live.calls))
    ]
    # Somebody may have written between two statements; then no total stands for these rows
    is_complete = len(rows) == len(marks) and store.total(conn, layout, tenant) == total
    header = Header(_rules(policies), guarded.guard, guarded.xid, total if is_complete else None)
    store.write(conn, tenant, header, zlib.compress(msgspec.msgpack.encode(rows), _FAST))


def _rules(policies: Policies) -> str:
    """What digests of rows depend on, apart from the rows."""
    return f"{__version__} {_FORMAT} {','.join(sorted(policies.kept))}"


def _record(live: Live, mark: int) -> _Row:
    calls = tuple((call.path, call.target, call.version, call.in_version) for call in live.calls)
    return _Row(mark, live.key, live.workflow_id, live.digest, calls, live.versions, live.updated_at, live.updated_by)


def _decode(data: bytes) -> list[_Row]:
    try:
        return msgspec.msgpack.decode(zlib.decompress(data), type=list[_Row])
    except (zlib.error, msgspec.DecodeError):  # a cache that nobody can read is none
        return []
