"""`runs retry`: a run that failed goes on at its failed step."""

from __future__ import annotations

from wfsync.store.runtime.place import Place
from wfsync.store.runtime.starting import admit
from wfsync.store.session import Connection

__all__ = ["request_retry"]


def request_retry(conn: Connection, place: Place, run_id: str) -> str | None:
    """Queue a run that FAILED again, in one transaction; the status it had before, None when there is no such run.

    It is admitted like a new one (runtime.md: an active run counts against ``concurrencyLimit``), hears of it in its
    next turn and raises its fence then.
    """
    names = {"tenant": place.tenant, "run": run_id}
    with conn.transaction():
        row = conn.execute(
            "SELECT status, workflow_id::text FROM workflow_runs"
            " WHERE tenant = %(tenant)s AND run_id = %(run)s FOR NO KEY UPDATE",
            names,
        ).fetchone()
        if row is None or row[0] != "FAILED":
            return None if row is None else str(row[0])
        conn.execute(
            "UPDATE workflow_runs SET status = 'QUEUED', admitted_at = NULL, completed_at = NULL, output_json = NULL,"
            " error_json = NULL, cancel_requested_at = NULL, cancel_reason = NULL, aborted_turns = 0,"
            " retry_requested_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp()"
            " WHERE tenant = %(tenant)s AND run_id = %(run)s",
            names,
        )
        admit(conn, place, row[1])
    return "FAILED"
