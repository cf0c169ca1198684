"""New runs, and who may begin: admission under the lock of the workflow's row (runtime.md, ``concurrencyLimit``)."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from wfsync.store.runtime.catalogue import Program
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.queue import ask_for_turn, ask_for_turns
from wfsync.store.session import Connection

__all__ = ["NewRun", "admit", "admit_all", "content_hash", "create", "replay_of"]


@dataclass(frozen=True, slots=True)
class NewRun:
    """Why a run begins and with what."""

    payload: Any
    trigger_type: str
    """``manual``, ``event``, ``schedule``, ``workflow`` or ``replay``."""
    event_name: str | None = None
    correlation_key: str | None = None
    scheduled_at: datetime | None = None
    parent_run_id: str | None = None
    parent_wait_id: str | None = None
    root_run_id: str | None = None
    depth: int = 0
    """How many runs are above it."""
    replay_of_run_id: str | None = None


def content_hash(definition: Any) -> str:
    """What names a definition's content for ever."""
    return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()


def create(conn: Connection, place: Place, program: Program, new: NewRun) -> tuple[str, bool]:
    """Insert a run and ask for its first turn, inside the caller's transaction; its id, and whether it may begin.

    A run of a workflow at its ``concurrencyLimit`` stays QUEUED until another one ends. The caller has looked at
    ``is_paused``; a workflow that is gone by now raises a foreign key's error.
    """
    digest = content_hash(program.definition)
    conn.execute(
        "INSERT INTO workflow_definition_contents (tenant, hash, definition)"
        " VALUES (%(tenant)s, %(hash)s, %(definition)s) ON CONFLICT DO NOTHING",
        {"tenant": place.tenant, "hash": digest, "definition": as_jsonb(program.definition)},
    )
    return _insert(conn, place, program.workflow_id, program.version, digest, new)


def replay_of(conn: Connection, place: Place, run_id: str) -> tuple[str, bool] | None:
    """A new run of the same version with the same payload; None when there is no such run."""
    row = conn.execute(
        "SELECT workflow_id::text, workflow_version, definition_hash, input_json, event_name, correlation_key"
        " FROM workflow_runs WHERE tenant = %(tenant)s AND run_id = %(run)s AND definition_hash IS NOT NULL",
        {"tenant": place.tenant, "run": run_id},
    ).fetchone()
    if row is None:
        return None
    workflow_id, version, digest, payload, event_name, key = row
    new = NewRun(payload, "replay", event_name, key, replay_of_run_id=run_id)
    return _insert(conn, place, workflow_id, version, digest, new)


def _insert(
    conn: Connection, place: Place, workflow_id: str, version: int, digest: str, new: NewRun
) -> tuple[str, bool]:
    run_id = str(uuid.uuid4())
    free = _free_places(conn, place, workflow_id)
    admitted = free is None or free > 0
    conn.execute(
        """
        INSERT INTO workflow_runs (tenant, run_id, workflow_id, workflow_version, definition_hash, status, trigger_type,
            event_name, correlation_key, input_json, scheduled_at, parent_run_id, parent_wait_id, root_run_id,
            replay_of_run_id, depth, admitted_at, created_at)
        VALUES (%(tenant)s, %(run)s, %(workflow)s, %(version)s, %(hash)s, 'QUEUED', %(trigger)s, %(event)s, %(key)s,
            %(payload)s, %(scheduled)s, %(parent)s, %(wait)s, %(root)s, %(replay)s, %(depth)s,
            CASE WHEN %(admitted)s THEN pg_catalog.clock_timestamp() END, pg_catalog.clock_timestamp())
        """,
        {
            "tenant": place.tenant,
            "run": run_id,
            "workflow": workflow_id,
            "version": version,
            "hash": digest,
            "trigger": new.trigger_type,
            "event": new.event_name,
            "key": new.correlation_key,
            "payload": as_jsonb(new.payload),
            "scheduled": new.scheduled_at,
            "parent": new.parent_run_id,
            "wait": new.parent_wait_id,
            "root": new.root_run_id or run_id,
            "replay": new.replay_of_run_id,
            "depth": new.depth,
            "admitted": admitted,
        },
    )
    if admitted:
        ask_for_turn(conn, place, run_id, "start 0")
    return run_id, admitted


def _free_places(conn: Connection, place: Place, workflow_id: str) -> int | None:
    """How many runs may begin, with the workflow's row locked; None when there is no limit, and no lock is held."""
    names = {"tenant": place.tenant, "workflow": workflow_id}
    limited = conn.execute(
        "SELECT concurrency_limit IS NOT NULL FROM workflow_definitions"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s",
        names,
    ).fetchone()
    if limited is None or not limited[0]:
        return None
    locked = conn.execute(
        "SELECT concurrency_limit FROM workflow_definitions"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s FOR NO KEY UPDATE",
        names,
    ).fetchone()
    if locked is None or locked[0] is None:
        return None
    # A statement of its own: it must see what others committed while we waited for the lock.
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE admitted_at IS NOT NULL),"
        " count(*) FILTER (WHERE admitted_at IS NULL AND cancel_requested_at IS NULL) FROM workflow_runs"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s AND status IN ('QUEUED', 'RUNNING', 'WAITING')",
        names,
    ).fetchone()
    under_way, waiting = row or (0, 0)
    return max(int(locked[0]) - int(under_way) - int(waiting), 0)


def admit(conn: Connection, place: Place, workflow_id: str) -> int:
    """Let the oldest queued runs of a workflow begin, as many as may; how many those are.

    Inside the caller's transaction. A paused workflow begins nothing.
    """
    names: dict[str, Any] = {"tenant": place.tenant, "workflow": workflow_id}
    row = conn.execute(
        "SELECT concurrency_limit, is_paused FROM workflow_definitions"
        " WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s FOR NO KEY UPDATE",
        names,
    ).fetchone()
    if row is None or row[1]:
        return 0
    under_way = conn.execute(
        "SELECT count(*) FROM workflow_runs WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s"
        " AND status IN ('QUEUED', 'RUNNING', 'WAITING') AND admitted_at IS NOT NULL",
        names,
    ).fetchone()
    free = None if row[0] is None else max(int(row[0]) - int(under_way[0] if under_way else 0), 0)
    # An array is made once. `IN (SELECT … LIMIT … SKIP LOCKED)` may become a join that selects anew for each row,
    # skips those that it has just updated, and so lets in more than are free.
    begun = conn.execute(
        """
        UPDATE workflow_runs SET admitted_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp()
        WHERE tenant = %(tenant)s AND run_id = ANY (ARRAY(
            SELECT run_id FROM workflow_runs
            WHERE tenant = %(tenant)s AND workflow_id = %(workflow)s AND status = 'QUEUED' AND admitted_at IS NULL
                AND cancel_requested_at IS NULL
            ORDER BY created_at, run_id LIMIT %(free)s FOR NO KEY UPDATE SKIP LOCKED))
        RETURNING run_id::text, fence
        """,
        {**names, "free": free},
    ).fetchall()
    ask_for_turns(conn, place, [(run, f"start {fence}") for run, fence in begun])
    return len(begun)


def admit_all(conn: Connection, place: Place) -> int:
    """`admit` for every workflow with queued runs: a limit was raised, or a workflow is no longer paused."""
    rows = conn.execute(
        "SELECT DISTINCT workflow_id::text FROM workflow_runs WHERE tenant = %(tenant)s AND status = 'QUEUED'"
        " AND admitted_at IS NULL AND cancel_requested_at IS NULL ORDER BY 1",
        {"tenant": place.tenant},
    ).fetchall()
    begun = 0
    for (workflow_id,) in rows:
        with conn.transaction():
            begun += admit(conn, place, workflow_id)
    return begun
