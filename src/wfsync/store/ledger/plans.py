"""Which pinned plans were applied: a plan is carried out once, also if everything is by now as it was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wfsync.store.faults import translate
from wfsync.store.ledger.access import look, tenant_text
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.instance import Tenant
    from wfsync.store.session import Connection

__all__ = ["PLAN_FILE", "AppliedPlan", "applied_plan"]

PLAN_FILE: Final = "plan_file"
"""The option of an apply that names the plan file by its id."""


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """The apply that carried out a plan file."""

    apply_id: str
    at: str
    """RFC 3339; sessions of ours are in UTC."""
    actor: str


def applied_plan(conn: Connection, tenant: Tenant | None, plan_id: str) -> AppliedPlan | None:
    """The apply that carried out the plan file ``plan_id``; None where there was none, or nobody can tell: there is no
    ledger, or this role may not read it.
    """
    if not look(conn).may_read("applies"):
        return None
    with translate(target_of(conn), "reading the ledger"):
        row = conn.execute(
            'SELECT apply_id::pg_catalog.text, pg_catalog.to_char(at, \'YYYY-MM-DD"T"HH24:MI:SS"Z"\'), actor FROM'
            " wfsync.applies WHERE tenant = %s AND outcome = 'applied' AND options ->> %s = %s LIMIT 1",
            [tenant_text(tenant), PLAN_FILE, plan_id],
        ).fetchone()
    return None if row is None else AppliedPlan(*row)
