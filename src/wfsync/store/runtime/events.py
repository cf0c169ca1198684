"""Events: which waits one answers, and what is kept for a run that does not wait yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.queue import ask_for_turns
from wfsync.store.session import Connection

__all__ = ["keep", "lock_run", "resume"]


def resume(
    conn: Connection,
    place: Place,
    name: str,
    key: str | None,
    payload: Any,
    matches: Callable[[Any, Any], bool],
    run_id: str | None = None,
) -> list[tuple[str, str]]:
    """Answer every wait for the event, inside the sender's transaction: runs with their steps' paths.

    A wait is matched by name, by correlation key (a null one matches nothing) and by its filters, which ``matches``
    decides. ``run_id`` looks at one run only. Waits of one moment are locked in one order, so that two senders wait for
    each other and one of them finds the wait answered.
    """
    if key is None:
        return []
    names: dict[str, Any] = {"tenant": place.tenant, "name": name, "key": key, "run": run_id}
    rows = conn.execute(
        """
        SELECT w.wait_id::text, w.run_id::text, w.step_path, w.filters FROM workflow_run_waits w
        WHERE w.tenant = %(tenant)s AND w.status = 'WAITING' AND w.wait_type = 'event' AND w.event_name = %(name)s
            AND w.correlation_key = %(key)s AND (%(run)s::uuid IS NULL OR w.run_id = %(run)s::uuid)
            AND (w.due_at IS NULL OR w.due_at > pg_catalog.clock_timestamp())
        ORDER BY w.wait_id FOR NO KEY UPDATE OF w
        """,
        names,
    ).fetchall()
    met = [(wait, run, path) for wait, run, path, filters in rows if matches(filters or [], payload)]
    if met:
        conn.execute(
            "UPDATE workflow_run_waits SET status = 'RESOLVED', payload_json = %(payload)s,"
            " resolved_at = pg_catalog.clock_timestamp()"
            " WHERE tenant = %(tenant)s AND wait_id = ANY (%(waits)s::uuid[])",
            {**names, "payload": as_jsonb(payload), "waits": [wait for wait, _, _ in met]},
        )
        ask_for_turns(conn, place, [(run, f"event {wait}") for wait, run, _ in met])
    return [(run, path) for _, run, path in met]


def lock_run(conn: Connection, place: Place, run_id: str) -> str | None:
    """Hold a run's row until the transaction ends, so that it opens no wait meanwhile; its status, None: it is gone."""
    row = conn.execute(
        "SELECT status FROM workflow_runs WHERE tenant = %(tenant)s AND run_id = %(run)s FOR NO KEY UPDATE",
        {"tenant": place.tenant, "run": run_id},
    ).fetchone()
    return str(row[0]) if row else None


def keep(conn: Connection, place: Place, run_id: str, name: str, key: str | None, payload: Any) -> None:
    """Keep an event for a run that does not wait for it yet."""
    conn.execute(
        "INSERT INTO workflow_run_kept_events (tenant, run_id, event_name, correlation_key, payload_json)"
        " VALUES (%(tenant)s, %(run)s, %(name)s, %(key)s, %(payload)s)",
        {"tenant": place.tenant, "run": run_id, "name": name, "key": key, "payload": as_jsonb(payload)},
    )
