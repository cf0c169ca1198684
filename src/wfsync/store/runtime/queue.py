"""Asking the engine for a turn, inside the transaction that is the reason for it.

The engine's own SQL function is called (design/libraries.md): a turn is asked for exactly if the transaction commits.
An id that was used already asks for nothing, so ids say the reason: one wait, one start, one fence.
"""
# ruff: noqa: S608 - put together from constants of this package; values are parameters

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.session import Connection

__all__ = ["APPLICATION", "APP_VERSION", "TURN", "ask_for_turn", "ask_for_turns", "forget_finished", "strangers"]

APPLICATION: Final = "wfsync"
APP_VERSION: Final = "wfsync-1"
"""A constant: the engine's default is a hash of our source, and would strand the turns of an older wfsync."""
TURN: Final = "wfsync.turn"
"""The name of the engine's workflow that is one turn."""

_ENQUEUE: Final = f"""
    SELECT {ENGINE_SCHEMA}.enqueue_workflow(
        workflow_name => %(name)s, queue_name => %(queue)s,
        positional_args => ARRAY[pg_catalog.to_json(a.run_id)]::pg_catalog.json[],
        workflow_id => a.id, app_version => %(version)s, queue_partition_key => a.run_id,
        delay_until_epoch_ms => %(delay)s, application_name => %(application)s)
    FROM ROWS FROM (pg_catalog.unnest(%(runs)s::pg_catalog.text[]), pg_catalog.unnest(%(ids)s::pg_catalog.text[]))
        AS a (run_id, id)
"""


def ask_for_turn(conn: Connection, place: Place, run_id: str, reason: str, due: datetime | None = None) -> None:
    """Let some worker take a turn of the run, at ``due`` or as soon as possible; once for each ``reason``."""
    _ask(conn, place, [(run_id, reason)], due)


def ask_for_turns(conn: Connection, place: Place, wanted: Iterable[tuple[str, str]]) -> None:
    """The same for many: pairs of run and reason."""
    _ask(conn, place, list(wanted), None)


def _ask(conn: Connection, place: Place, wanted: list[tuple[str, str]], due: datetime | None) -> None:
    if not wanted:
        return
    conn.execute(
        _ENQUEUE,
        {
            "name": TURN,
            "queue": place.queue,
            "version": APP_VERSION,
            "application": APPLICATION,
            "delay": None if due is None else -int(-due.timestamp() * 1000 // 1),
            "runs": [run for run, _ in wanted],
            "ids": [f"{run}:{reason}" for run, reason in wanted],
        },
    )


def strangers(conn: Connection, place: Place) -> tuple[str, ...]:
    """The executors that hold turns and are not alive."""
    rows = conn.execute(
        f"SELECT DISTINCT s.executor_id FROM {ENGINE_SCHEMA}.workflow_status s"
        " WHERE s.status = 'PENDING' AND s.queue_name = %(queue)s AND s.executor_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM workflow_workers w WHERE w.tenant = %(tenant)s"
        " AND w.worker_id::text = s.executor_id AND w.ended_at IS NULL)",
        {"queue": place.queue, "tenant": place.tenant},
    )
    return tuple(executor for (executor,) in rows)


def forget_finished(conn: Connection, place: Place, keep_seconds: float, at_most: int = 5_000) -> int:
    """Delete the engine's rows of turns that ended longer ago: what they did stands in our own tables."""
    row = conn.execute(
        f"""
        WITH gone AS (
            DELETE FROM {ENGINE_SCHEMA}.workflow_status WHERE workflow_uuid IN (
                SELECT workflow_uuid FROM {ENGINE_SCHEMA}.workflow_status
                WHERE queue_name = %(queue)s AND status IN ('SUCCESS', 'ERROR', 'CANCELLED')
                AND updated_at < pg_catalog.date_part('epoch', pg_catalog.now()) * 1000 - %(keep)s
                LIMIT %(most)s FOR UPDATE SKIP LOCKED)
            RETURNING workflow_uuid
        ), inputs AS (
            DELETE FROM {ENGINE_SCHEMA}.workflow_input i USING gone WHERE i.workflow_uuid = gone.workflow_uuid
        ) SELECT count(*) FROM gone
        """,
        {"queue": place.queue, "keep": int(keep_seconds * 1000), "most": at_most},
    ).fetchone()
    return int(row[0]) if row else 0
