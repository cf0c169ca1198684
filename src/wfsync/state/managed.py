"""What is managed, read through `store` and reduced to the values that decisions are made from."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import structs

from wfsync.errors import Problem
from wfsync.plan.managed import Managed, ManagedState
from wfsync.plan.state import LiveState
from wfsync.store.connection import Connection
from wfsync.store.layout import Tenant
from wfsync.store.ledger import managed as rows
from wfsync.store.ledger.access import NOT_KNOWN, look
from wfsync.store.moment import rfc3339

__all__ = ["as_told", "read_managed", "read_managed_keys", "unreadable", "write_managed"]


def read_managed(conn: Connection, tenant: Tenant | None) -> ManagedState:
    """Everything that is managed for ``tenant``, read in the caller's transaction.

    ``exists`` is False where there is no ledger, or this role may not read it. Raises `DatabaseError`.
    """
    found = rows.read(conn, tenant)
    if found is None:
        return ManagedState()
    return ManagedState({row[0]: Managed(*row) for row in found}, exists=True)  # type: ignore[arg-type]  # checked there


def unreadable(conn: Connection, unknown: str = NOT_KNOWN) -> Problem | None:
    """The warning where `read_managed` found nothing because this role may not read what there is: what is ``unknown``
    therefore.
    """
    return look(conn).unreadable(unknown)


def as_told(conn: Connection, tenant: Tenant | None, live: LiveState, drifted: Collection[str]) -> LiveState:
    """``live`` with rows of ``drifted`` keys that name nobody and no time, where those would be ours.

    Not everybody who changes a row says so in it. What our last apply left there tells nothing of a change since.
    """
    told = {}
    for key, when in rows.written_at(conn, tenant, drifted).items():
        row = live.by_key.get(key)
        if row is not None and (row.updated_at is None or row.updated_at <= rfc3339(when)):
            told[key] = structs.replace(row, updated_at=None, updated_by=None)
    return LiveState({**live.by_key, **told}, live.ambiguous, live.keys_by_id, live.others) if told else live


def read_managed_keys(conn: Connection, tenant: Tenant | None, keys: Collection[str]) -> dict[str, Managed]:
    """Those of ``keys`` that are managed now, where it is known that the ledger can be read."""
    return {row[0]: Managed(*row) for row in rows.read_keys(conn, tenant, keys)}  # type: ignore[arg-type]  # as above


def write_managed(conn: Connection, tenant: Tenant | None, items: Iterable[Managed]) -> int:
    """Insert or replace ``items`` in bulk, in the caller's transaction; how many there were."""
    return rows.write(
        conn,
        tenant,
        ((m.key, m.source, m.origin, m.workflow_id, m.digest, m.policy, m.held, m.held_policy) for m in items),
    )
