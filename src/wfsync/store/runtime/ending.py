"""How a run ends: its waits, its children, whoever called it, whoever queues behind it, and the brake on failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.queue import ask_for_turns
from wfsync.store.runtime.starting import admit
from wfsync.store.session import Connection

__all__ = ["End", "cancel_children", "end_run", "request_cancel"]


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    status: str
    envelope: Any
    """What a caller is given of."""
    shown: Any
    """The same, masked where the run asks for it."""
    error: Any


def end_run(conn: Connection, place: Place, run_id: str, end: End) -> None:
    """Write a run's end, inside the transaction that holds its row.

    Children are asked to end, open waits and tasks are closed, the caller hears of it, the next in the queue begins,
    and a workflow that fails too often is paused (runtime.md, "Auto-pause").
    """
    names: dict[str, Any] = {"tenant": place.tenant, "run": run_id}
    row = conn.execute(
        "UPDATE workflow_runs SET status = %(status)s, output_json = %(output)s, error_json = %(error)s,"
        " completed_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp(), timer_at = NULL"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s RETURNING workflow_id::text, parent_wait_id::text",
        {
            **names,
            "status": end.status,
            "output": as_jsonb(end.shown),
            "error": None if end.error is None else as_jsonb(end.error),
        },
    ).fetchone()
    if row is None:
        return
    workflow_id, parent_wait = row
    cancel_children(conn, place, run_id, "the run that called it has ended")
    conn.execute(
        "UPDATE workflow_run_waits SET status = 'CANCELED', resolved_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s AND status = 'WAITING'",
        names,
    )
    conn.execute(
        "UPDATE workflow_tasks SET status = 'CANCELED', completed_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s AND status = 'OPEN'",
        names,
    )
    if parent_wait is not None:
        _tell_caller(conn, place, parent_wait, end)
    _let_others(conn, place, workflow_id, failed=end.status == "FAILED")


def request_cancel(conn: Connection, place: Place, run_id: str, reason: str) -> str | None:
    """Ask a run to end: it hears so in its next turn. The status it had; None when there is no such run."""
    names = {"tenant": place.tenant, "run": run_id, "reason": reason}
    with conn.transaction():
        row = conn.execute(
            "SELECT status, fence FROM workflow_runs WHERE tenant = %(tenant)s AND run_id = %(run)s FOR NO KEY UPDATE",
            names,
        ).fetchone()
        if row is None or row[0] not in {"QUEUED", "RUNNING", "WAITING"}:
            return None if row is None else str(row[0])
        conn.execute(
            "UPDATE workflow_runs SET cancel_requested_at = pg_catalog.clock_timestamp(), cancel_reason = %(reason)s"
            " WHERE tenant = %(tenant)s AND run_id = %(run)s AND cancel_requested_at IS NULL",
            names,
        )
        ask_for_turns(conn, place, [(run_id, f"cancel {row[1]}")])
        return str(row[0])


def cancel_children(conn: Connection, place: Place, run_id: str, reason: str) -> None:
    """Ask every child of a run that is under way to end."""
    rows = conn.execute(
        "UPDATE workflow_runs SET cancel_requested_at = pg_catalog.clock_timestamp(), cancel_reason = %(reason)s"
        " WHERE tenant = %(tenant)s AND parent_run_id = %(run)s AND status IN ('QUEUED', 'RUNNING', 'WAITING')"
        " AND cancel_requested_at IS NULL RETURNING run_id::text, fence",
        {"tenant": place.tenant, "run": run_id, "reason": reason},
    ).fetchall()
    ask_for_turns(conn, place, [(child, f"cancel {fence}") for child, fence in rows])


def _tell_caller(conn: Connection, place: Place, parent_wait: str, end: End) -> None:
    envelope = end.envelope
    output = {name: envelope.get(name) for name in ("payload", "vars")} if isinstance(envelope, dict) else None
    row = conn.execute(
        "UPDATE workflow_run_waits SET status = 'RESOLVED', payload_json = %(answer)s,"
        " resolved_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND wait_id = %(wait)s AND status = 'WAITING' RETURNING run_id::text",
        {
            "tenant": place.tenant,
            "wait": parent_wait,
            "answer": as_jsonb({"status": end.status, "output": output, "error": end.error}),
        },
    ).fetchone()
    if row is not None:
        ask_for_turns(conn, place, [(row[0], f"child {parent_wait}")])


def _let_others(conn: Connection, place: Place, workflow_id: str, *, failed: bool) -> None:
    """The next of the queue begins; a workflow that failed too often starts nothing any more."""
    row = conn.execute(
        "SELECT concurrency_limit IS NOT NULL, auto_pause_on_failure AND NOT is_paused FROM workflow_definitions"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s",
        {"tenant": place.tenant, "workflow": workflow_id},
    ).fetchone()
    if row is None:
        return
    limited, may_pause = row
    if failed and may_pause:
        _pause_if_failing(conn, place, workflow_id)
    if limited:
        admit(conn, place, workflow_id)


def _pause_if_failing(conn: Connection, place: Place, workflow_id: str) -> None:
    """Of the last ``failureRateMinRuns`` runs that succeeded or failed the share that failed decides; a canceled run
    says nothing about its workflow. The row is locked first, so that two runs that fail at once count each other.
    """
    names = {"tenant": place.tenant, "workflow": workflow_id}
    row = conn.execute(
        "SELECT greatest(coalesce(failure_rate_min_runs, 10), 1), coalesce(failure_rate_threshold, 0.5)"
        " FROM workflow_definitions WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s FOR NO KEY UPDATE",
        names,
    ).fetchone()
    if row is None:
        return
    conn.execute(
        """
        UPDATE workflow_definitions SET is_paused = true, updated_at = pg_catalog.clock_timestamp()
        WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s AND NOT is_paused AND (
            SELECT count(*) >= %(least)s AND count(*) FILTER (WHERE last.status = 'FAILED') >= %(share)s * count(*)
            FROM (SELECT r.status FROM workflow_runs r
                WHERE r.tenant = %(tenant)s AND r.workflow_id = %(workflow)s AND r.completed_at IS NOT NULL
                    AND r.status IN ('SUCCEEDED', 'FAILED')
                ORDER BY r.completed_at DESC, r.run_id LIMIT %(least)s) last)
        """,
        {**names, "least": row[0], "share": row[1]},
    )
