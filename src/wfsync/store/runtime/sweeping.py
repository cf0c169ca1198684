"""Runs that nobody works on although somebody should (design/libraries.md, point 4)."""
# ruff: noqa: S608 - put together from constants of this package; values are parameters

from __future__ import annotations

import time
from typing import Final

from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.runtime.queue import ask_for_turns
from wfsync.store.session import Connection

__all__ = ["revive"]

# Whose turn is missing: a run that began and was left, a run whose inbox or clock has something for it, a run that is
# to be canceled. A turn that is queued or under way is enough; one that is delayed counts for nothing here, because it
# is meant for another time.
_REVIVED: Final = f"""
    SELECT r.run_id::text, r.fence FROM workflow_runs r
    WHERE r.tenant = %(tenant)s AND r.status IN ('QUEUED', 'RUNNING', 'WAITING') AND r.definition_hash IS NOT NULL
        AND (r.admitted_at IS NOT NULL OR r.cancel_requested_at IS NOT NULL)
        AND r.updated_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(grace)s)
        AND (r.status <> 'WAITING' OR r.cancel_requested_at IS NOT NULL OR r.run_id IN (
            SELECT w.run_id FROM workflow_run_waits w WHERE w.tenant = %(tenant)s AND w.status = 'WAITING'
                AND w.due_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(grace)s)
            UNION ALL
            SELECT w.run_id FROM workflow_run_waits w WHERE w.tenant = %(tenant)s
                AND w.status IN ('RESOLVED', 'TIMED_OUT') AND w.consumed_at IS NULL
                AND w.resolved_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(grace)s)))
        AND NOT EXISTS (SELECT FROM {ENGINE_SCHEMA}.workflow_status s WHERE s.queue_name = %(queue)s
            AND s.queue_partition_key = r.run_id::text AND s.status IN ('ENQUEUED', 'PENDING'))
        AND NOT (r.aborted_turns > 0 AND EXISTS (SELECT FROM {ENGINE_SCHEMA}.workflow_status s
            WHERE s.queue_name = %(queue)s AND s.queue_partition_key = r.run_id::text AND s.status = 'DELAYED'))
    LIMIT 1000
"""


def revive(conn: Connection, place: Place, grace_seconds: float) -> int:
    """Ask for a turn of every run that should have one and has none; how many those are."""
    with conn.transaction():
        rows = conn.execute(_REVIVED, {"tenant": place.tenant, "queue": place.queue, "grace": grace_seconds}).fetchall()
        # Two sweepers of one moment ask for one and the same turn; the time lets a turn that came to nothing be asked
        # for again.
        ask_for_turns(conn, place, [(run, f"revived {fence} {int(time.time() // 10)}") for run, fence in rows])
    return len(rows)
