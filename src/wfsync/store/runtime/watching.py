"""Is anything going to happen by itself in a run and those that belong to it?"""

from __future__ import annotations

from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection

__all__ = ["goes_on_by_itself"]


def goes_on_by_itself(conn: Connection, place: Place, root_run_id: str, within_seconds: float) -> bool:
    """True while a run of the family is at work, or the clock wakes one soon; False when all wait for somebody."""
    row = conn.execute(
        """
        SELECT EXISTS (
            SELECT FROM workflow_runs r WHERE r.tenant = %(tenant)s AND r.root_run_id = %(root)s
                AND (r.status = 'RUNNING' OR (r.status = 'QUEUED' AND r.admitted_at IS NOT NULL)
                    OR (r.status = 'QUEUED' AND r.run_id <> r.root_run_id))
        ) OR EXISTS (
            SELECT FROM workflow_runs r JOIN workflow_run_waits w ON w.tenant = r.tenant AND w.run_id = r.run_id
            WHERE r.tenant = %(tenant)s AND w.tenant = %(tenant)s AND r.root_run_id = %(root)s
                AND r.status = 'WAITING' AND ((w.status = 'WAITING'
                    AND w.due_at < pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => %(within)s))
                    OR (w.status IN ('RESOLVED', 'TIMED_OUT') AND w.consumed_at IS NULL))
        )
        """,
        {"tenant": place.tenant, "root": root_run_id, "within": within_seconds},
    ).fetchone()
    return bool(row and row[0])
