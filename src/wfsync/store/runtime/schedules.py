"""What was done about schedules: one row a workflow, locked by whoever fires, so that a time fires once."""
# ruff: noqa: S608 - put together from constants of this package; values are parameters

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection

__all__ = ["State", "database_time", "fingerprint", "forget_gone", "lock", "save"]


@dataclass(frozen=True, slots=True)
class State:
    """How far a workflow's schedule has come."""

    trigger_hash: str
    next_at: datetime | None


def database_time(conn: Connection) -> datetime:
    """The database's clock: every worker's schedules go by it."""
    row = conn.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - it is an expression
    now: datetime = row[0]
    return now


def fingerprint(conn: Connection, place: Place) -> tuple[object, ...]:
    """What moves whenever a workflow, a version of one or a schedule's state is written; milliseconds for ten thousand.

    It moves with the place of rows, not with what they say (docs/unchanged.md): whoever wants to know what is in them
    reads them when it has moved.
    """
    parts = (("workflow_definitions", "workflow_id"), ("workflow_definition_versions", "version_id"))
    places = ", ".join(
        f"(SELECT ROW(count(*), bit_xor(h.h), sum(h.h))::text FROM (SELECT pg_catalog.hash_record_extended("
        f"ROW(t.{key}, t.xmin, t.ctid), 0) AS h FROM {table} t WHERE t.tenant = %(tenant)s) h)"
        for table, key in parts
    )
    row = conn.execute(f"SELECT {places}", {"tenant": place.tenant}).fetchone()
    return tuple(row or ())


def lock(conn: Connection, place: Place, workflow_id: str) -> State | None:
    """The state of a schedule, locked until the transaction ends; None when somebody else has it right now.

    A schedule that nobody has seen gets an empty state.
    """
    names = {"tenant": place.tenant, "workflow": workflow_id}
    conn.execute(
        "INSERT INTO workflow_schedule_state (tenant, workflow_id, trigger_hash) VALUES (%(tenant)s, %(workflow)s, '')"
        " ON CONFLICT (tenant, workflow_id) DO NOTHING",
        names,
    )
    row = conn.execute(
        "SELECT trigger_hash, next_at FROM workflow_schedule_state"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s FOR UPDATE SKIP LOCKED",
        names,
    ).fetchone()
    return State(*row) if row else None


def save(
    conn: Connection,
    place: Place,
    workflow_id: str,
    state: State,
    *,
    due_at: datetime | None = None,
    run_id: str | None = None,
    problem: str | None = None,
) -> None:
    """Write the state of a locked schedule; with ``due_at`` a time that has come, and with ``run_id`` its run."""
    names: dict[str, Any] = {
        "tenant": place.tenant,
        "workflow": workflow_id,
        "hash": state.trigger_hash,
        "next": state.next_at,
        "due": due_at,
        "run": run_id,
        "problem": problem,
    }
    conn.execute(
        """
        UPDATE workflow_schedule_state SET trigger_hash = %(hash)s, next_at = %(next)s,
            last_due_at = coalesce(%(due)s, last_due_at), last_run_id = coalesce(%(run)s, last_run_id),
            last_fired_at = CASE WHEN %(run)s::uuid IS NULL THEN last_fired_at
                ELSE pg_catalog.clock_timestamp() END,
            last_problem = %(problem)s
        WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s
        """,
        names,
    )


def forget_gone(conn: Connection, place: Place) -> None:
    """Delete the states of workflows that are gone."""
    conn.execute(
        "DELETE FROM workflow_schedule_state s WHERE s.tenant = %(tenant)s AND NOT EXISTS ("
        " SELECT FROM workflow_definitions d WHERE d.tenant = %(tenant)s AND d.workflow_id = s.workflow_id)",
        {"tenant": place.tenant},
    )
