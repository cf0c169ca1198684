"""What a rollback asks the ledger: what came after an apply, and which key an id had that no row has any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from wfsync.store.faults import translate
from wfsync.store.ledger.access import tenant_text
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.instance import Tenant
    from wfsync.store.session import Connection

__all__ = ["LaterChange", "keys_of_ids", "later_changes"]


@dataclass(frozen=True, slots=True)
class LaterChange:
    """The last apply that changed a key after a given one."""

    apply_id: str
    command: str
    actor: str
    at: datetime
    after_digest: str | None


def later_changes(conn: Connection, tenant: Tenant | None, apply_id: str) -> dict[str, LaterChange]:
    """Of every key that the apply changed: the last later apply that did, too. Relinks count as no change."""
    with translate(target_of(conn), "reading the ledger"):
        rows = conn.execute(
            "SELECT DISTINCT ON (c.key) c.key, a.apply_id::text, a.command, a.actor, a.at, c.after_digest"
            " FROM wfsync.applies this"
            " JOIN wfsync.apply_changes mine ON mine.tenant = this.tenant AND mine.apply_id = this.apply_id"
            " JOIN wfsync.apply_changes c ON c.tenant = this.tenant AND c.key = mine.key"
            " JOIN wfsync.applies a ON a.tenant = this.tenant AND a.apply_id = c.apply_id AND a.at > this.at"
            " WHERE this.tenant = %s AND this.apply_id = %s::pg_catalog.uuid AND a.outcome = 'applied'"
            " AND c.action <> 'relink' ORDER BY c.key, a.at DESC",
            [tenant_text(tenant), apply_id],
        ).fetchall()
    return {key: LaterChange(*row) for key, *row in rows}


def keys_of_ids(conn: Connection, tenant: Tenant | None, ids: Collection[str]) -> dict[str, str]:
    """Which key each of ``ids`` last had, as far as any apply that is still in the ledger knows."""
    if not ids:
        return {}
    with translate(target_of(conn), "reading the ledger"):
        rows = conn.execute(
            "SELECT DISTINCT ON (named.id) named.id, c.key FROM wfsync.apply_changes c"
            " JOIN wfsync.applies a ON a.tenant = c.tenant AND a.apply_id = c.apply_id"
            " CROSS JOIN LATERAL (VALUES (c.before_id), (c.after_id)) named (id)"
            " WHERE c.tenant = %s AND named.id = ANY (%s::pg_catalog.text[]) ORDER BY named.id, a.at DESC",
            [tenant_text(tenant), list(ids)],
        ).fetchall()
    return dict(rows)
