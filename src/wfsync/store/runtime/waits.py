"""Waits: what a run waits for, and its inbox, which are the waits that were answered and not yet heard.

Who answers (an event, a person, a child that ends, the clock) marks the wait's row and asks for a turn in one
transaction; the next turn hears it and says so in the same transaction that writes the event into the history.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from wfsync.store.runtime.catalogue import Program
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.starting import NewRun, create
from wfsync.store.session import Connection

__all__ = ["InboxEntry", "NewWait", "WaitType", "consume", "fire_due", "inbox", "next_due", "open_waits", "wait_id"]

WaitType = Literal["event", "time", "human", "child", "retry"]

_IDS: Final = uuid.UUID("3c1e5d52-6a2c-5b0f-9b8e-0f6a0d0f7d11")


def wait_id(run_id: str, path: str, iteration: str, attempt: int, wait_type: WaitType) -> str:
    """The id of a wait of a run: the same, however often the turn that opens it is taken.

    The back-off before an attempt and what the attempt itself waits for have one position.
    """
    kind = "retry" if wait_type == "retry" else ""
    return str(uuid.uuid5(_IDS, f"{run_id}|{path}|{iteration}|{attempt}|{kind}"))


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A wait that was answered."""

    wait_id: str
    wait_type: str
    path: str
    iteration: str
    attempt: int
    status: str
    """``RESOLVED``, or ``TIMED_OUT``."""
    event_name: str | None
    payload: Any
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class NewWait:
    """A wait to open, with the task or the child that belongs to it."""

    wait_type: WaitType
    path: str
    iteration: str
    attempt: int
    due: datetime | None = None
    event_name: str | None = None
    correlation_key: str | None = None
    filters: Any = None
    matches: Callable[[Any], bool] | None = None
    """Whether an event's payload passes the filters."""
    task: dict[str, Any] | None = None
    child: tuple[Program, NewRun] | None = None
    """What to start, and with what."""

    def insert(self, conn: Connection, place: Place, run_id: str) -> None:
        """Open it, inside the transaction that holds the run's row. Opening it twice is opening it once."""
        identity = wait_id(run_id, self.path, self.iteration, self.attempt, self.wait_type)
        names: dict[str, Any] = {"tenant": place.tenant, "run": run_id, "wait": identity}
        done = conn.execute(
            """
            INSERT INTO workflow_run_waits (tenant, wait_id, run_id, step_path, iteration, attempt, wait_type, due_at,
                event_name, correlation_key, filters, created_at)
            VALUES (%(tenant)s, %(wait)s, %(run)s, %(path)s, %(iteration)s, %(attempt)s, %(type)s, %(due)s, %(event)s,
                %(key)s, %(filters)s, pg_catalog.clock_timestamp())
            ON CONFLICT (tenant, wait_id) DO NOTHING
            """,
            {
                **names,
                "path": self.path,
                "iteration": self.iteration,
                "attempt": self.attempt,
                "type": self.wait_type,
                "due": self.due,
                "event": self.event_name,
                "key": self.correlation_key,
                "filters": None if self.filters is None else as_jsonb(self.filters),
            },
        )
        if done.rowcount == 0:
            return
        if self.wait_type == "event":
            self._take_kept(conn, names)
        if self.task is not None:
            conn.execute(
                "INSERT INTO workflow_tasks (tenant, task_id, run_id, step_path, task_type, title, description,"
                " context_json, created_at) VALUES (%(tenant)s, %(wait)s, %(run)s, %(path)s, %(task_type)s, %(title)s,"
                " %(description)s, %(context)s, pg_catalog.clock_timestamp())",
                {**names, "path": self.path, **self.task, "context": as_jsonb(self.task["context"])},
            )
        if self.child is not None:
            program, new = self.child
            child_id, _ = create(conn, place, program, replace(new, parent_wait_id=identity))
            conn.execute(
                "UPDATE workflow_run_waits SET child_run_id = %(child)s"
                " WHERE tenant = %(tenant)s AND wait_id = %(wait)s",
                {**names, "child": child_id},
            )

    def _take_kept(self, conn: Connection, names: dict[str, Any]) -> None:
        """The first event that was sent to the run before this wait and matches it answers it at once."""
        if self.correlation_key is None:
            return
        kept = conn.execute(
            "SELECT event_id, payload_json FROM workflow_run_kept_events WHERE tenant = %(tenant)s"
            " AND run_id = %(run)s AND event_name = %(event)s AND correlation_key = %(key)s ORDER BY sent_at, event_id",
            {**names, "event": self.event_name, "key": self.correlation_key},
        ).fetchall()
        for event_id, payload in kept:
            if self.matches is None or self.matches(payload):
                conn.execute(
                    "DELETE FROM workflow_run_kept_events WHERE tenant = %(tenant)s AND event_id = %(event)s",
                    {**names, "event": event_id},
                )
                conn.execute(
                    "UPDATE workflow_run_waits SET status = 'RESOLVED', payload_json = %(payload)s,"
                    " resolved_at = pg_catalog.clock_timestamp()"
                    " WHERE tenant = %(tenant)s AND wait_id = %(wait)s",
                    {**names, "payload": as_jsonb(payload)},
                )
                return


def fire_due(conn: Connection, place: Place, run_id: str) -> None:
    """Answer the waits whose time has come, by the database's clock."""
    conn.execute(
        "UPDATE workflow_run_waits SET status = CASE WHEN wait_type IN ('time', 'retry') THEN 'RESOLVED'"
        " ELSE 'TIMED_OUT' END, resolved_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s AND status = 'WAITING'"
        " AND due_at <= pg_catalog.clock_timestamp()",
        {"tenant": place.tenant, "run": run_id},
    )


def inbox(conn: Connection, place: Place, run_id: str) -> list[InboxEntry]:
    """What was answered and not heard yet, oldest first."""
    rows = conn.execute(
        "SELECT wait_id::text, wait_type, step_path, iteration, attempt, status, event_name, payload_json, resolved_at"
        " FROM workflow_run_waits WHERE tenant = %(tenant)s AND run_id = %(run)s"
        " AND status IN ('RESOLVED', 'TIMED_OUT') AND consumed_at IS NULL ORDER BY resolved_at, wait_id",
        {"tenant": place.tenant, "run": run_id},
    )
    return [InboxEntry(*row) for row in rows]


def open_waits(conn: Connection, place: Place, run_id: str) -> frozenset[str]:
    """The ids of the waits that have no answer yet."""
    rows = conn.execute(
        "SELECT wait_id::text FROM workflow_run_waits"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s AND status = 'WAITING'",
        {"tenant": place.tenant, "run": run_id},
    )
    return frozenset(identity for (identity,) in rows)


def next_due(conn: Connection, place: Place, run_id: str) -> tuple[datetime | None, datetime]:
    """When the run must be looked at again, and the time now: the earliest wait's time, or that of an answer which
    nobody has heard yet.
    """
    row = conn.execute(
        "SELECT min(CASE WHEN status = 'WAITING' THEN due_at ELSE resolved_at END), pg_catalog.clock_timestamp()"
        " FROM workflow_run_waits"
        " WHERE tenant = %(tenant)s AND run_id = %(run)s AND consumed_at IS NULL"
        " AND status IN ('WAITING', 'RESOLVED', 'TIMED_OUT')",
        {"tenant": place.tenant, "run": run_id},
    ).fetchone()
    assert row is not None  # an aggregate  # noqa: S101
    return row[0], row[1]


def consume(conn: Connection, place: Place, ids: Sequence[str]) -> None:
    """The run has heard these."""
    conn.execute(
        "UPDATE workflow_run_waits SET consumed_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND wait_id = ANY (%(ids)s::uuid[])",
        {"tenant": place.tenant, "ids": list(ids)},
    )
