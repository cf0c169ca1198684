"""A turn's two ends in the database: what it finds when it begins, and the transactions that record what it did.

`begin` raises the run's fence, and every transaction of `record` starts by updating the run's row under that fence: of
two workers that believe they hold a run only the one with the higher fence can write, whatever the other is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from wfsync.store.runtime.ending import End, end_run
from wfsync.store.runtime.invocations import InvocationEnd, end_invocations
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.runtime.queue import ask_for_turn
from wfsync.store.runtime.waits import InboxEntry, NewWait, consume, fire_due, inbox, next_due, open_waits
from wfsync.store.session import Connection

__all__ = [
    "Batch",
    "Begun",
    "End",
    "Found",
    "LogRow",
    "Recorded",
    "StepRow",
    "begin",
    "definition_of",
    "record",
    "stands_at",
]


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn under way: the run, and the fence that it must hold to write."""

    run_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a turn finds."""

    begun: Begun
    history: list[Any]
    """The events, in order, as JSON."""
    inbox: list[InboxEntry]
    """What was answered since the last turn, in order."""
    open_waits: frozenset[str]
    """Ids of the waits that have no answer yet."""
    workflow_id: str
    workflow_label: str
    version: int
    definition_hash: str
    payload: Any
    parent_run_id: str | None
    root_run_id: str
    parent_wait_id: str | None
    started_at: datetime
    now: datetime
    """By the database's clock."""
    last_seq: int
    cancel_requested: bool
    cancel_reason: str
    aborted_turns: int
    retry_requested: bool
    depth: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """One attempt of one step."""

    path: str
    iteration: str
    attempt: int
    step_id: str
    step_type: str
    status: str
    input: Any
    output: Any
    error: Any
    started_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line that an action wrote."""

    path: str
    level: str
    message: str
    context: Any
    at: datetime


@dataclass(slots=True)
class Batch:
    """What one transaction records."""

    after_seq: int
    """The last sequence number that was recorded before."""
    events: list[tuple[int, Any, datetime]] = field(default_factory=list)
    """Sequence number, event, time."""
    steps: list[StepRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    consumed: list[str] = field(default_factory=list)
    """Ids of the waits whose answers are among the events."""
    waits: list[NewWait] = field(default_factory=list)
    invocations: list[InvocationEnd] = field(default_factory=list)
    end: End | None = None
    status: str = "RUNNING"
    node_path: str | None = None
    again_in: float | None = None
    """Seconds after which another turn is wanted, whatever the run waits for."""
    retried: bool = False
    """The request to go on at the failed step was heard."""
    more_events: int = 0
    """How many events ``inside`` of `record` will add."""
    aborted: bool = False
    """This turn came to nothing: it is counted, until one comes to something."""

    @property
    def is_empty(self) -> bool:
        """Nothing happened."""
        return not (self.events or self.steps or self.logs or self.consumed or self.waits or self.invocations)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database said while it recorded."""

    cancel_requested: bool
    cancel_reason: str


_SKEW: Final = timedelta(seconds=30)
"""How far the clocks of workers may be apart: a turn for a later wait than this has surely not been taken yet."""

_BEGIN: Final = """
    UPDATE workflow_runs r SET fence = r.fence + 1, status = 'RUNNING',
        started_at = coalesce(r.started_at, pg_catalog.clock_timestamp()), updated_at = pg_catalog.clock_timestamp()
    FROM workflow_definitions d
    WHERE r.tenant = %(tenant)s AND r.run_id = %(run)s AND r.status IN ('QUEUED', 'RUNNING', 'WAITING')
        AND r.definition_hash IS NOT NULL
        AND (r.admitted_at IS NOT NULL OR r.cancel_requested_at IS NOT NULL)
        AND (%(worker)s::uuid IS NULL OR EXISTS (SELECT FROM workflow_workers w
            WHERE w.tenant = %(tenant)s AND w.worker_id = %(worker)s::uuid AND w.ended_at IS NULL))
        AND d.tenant = %(tenant)s AND d.workflow_id = r.workflow_id
    RETURNING r.fence, r.workflow_id::text, coalesce(d.key, d.workflow_id::text), r.workflow_version, r.definition_hash,
        r.input_json, r.parent_run_id::text, coalesce(r.root_run_id, r.run_id)::text, r.parent_wait_id::text,
        r.started_at, pg_catalog.clock_timestamp(), r.last_seq, r.cancel_requested_at IS NOT NULL,
        coalesce(r.cancel_reason, ''), r.aborted_turns, r.retry_requested_at IS NOT NULL, r.depth
"""


def begin(conn: Connection, place: Place, run_id: str, worker_id: str | None) -> Found | None:
    """Take the run: raise its fence and read what there is; None when the run is gone, has ended or may not begin.

    Waits that are due are answered here, by the database's clock. A worker that was declared dead takes nothing;
    ``worker_id`` None is a command that takes a turn itself.
    """
    names = {"tenant": place.tenant, "run": run_id, "worker": worker_id}
    with conn.transaction():
        row = conn.execute(_BEGIN, names).fetchone()
        if row is None:
            return None
        fire_due(conn, place, run_id)
        history = conn.execute(
            "SELECT event FROM workflow_run_history WHERE tenant = %(tenant)s AND run_id = %(run)s ORDER BY seq", names
        ).fetchall()
        found_inbox = inbox(conn, place, run_id)
        found_open = open_waits(conn, place, run_id)
    return Found(Begun(run_id, row[0]), [event for (event,) in history], found_inbox, found_open, *row[1:])


def definition_of(conn: Connection, place: Place, digest: str) -> Any:
    """The definition that runs are pinned to by its hash; None when it is gone."""
    row = conn.execute(
        "SELECT definition FROM workflow_definition_contents WHERE tenant = %(tenant)s AND hash = %(hash)s",
        {"tenant": place.tenant, "hash": digest},
    ).fetchone()
    return row[0] if row else None


def stands_at(conn: Connection, place: Place, begun: Begun) -> int | None:
    """The last sequence number that was recorded; None when another turn holds the run, or it is gone.

    Tells what became of a transaction whose COMMIT was not answered.
    """
    row = conn.execute(
        "SELECT last_seq FROM workflow_runs WHERE tenant = %(tenant)s AND run_id = %(run)s AND fence = %(fence)s",
        {"tenant": place.tenant, "run": begun.run_id, "fence": begun.fence},
    ).fetchone()
    return int(row[0]) if row else None


_HOLD: Final = """
    UPDATE workflow_runs SET last_seq = greatest(last_seq, %(seq)s), status = %(status)s,
        node_path = coalesce(%(node)s, node_path),
        retry_requested_at = CASE WHEN %(retried)s THEN NULL ELSE retry_requested_at END,
        updated_at = pg_catalog.clock_timestamp(),
        aborted_turns = CASE WHEN %(aborted)s THEN aborted_turns + 1 WHEN %(seq)s > last_seq THEN 0
            ELSE aborted_turns END
    WHERE tenant = %(tenant)s AND run_id = %(run)s AND fence = %(fence)s
        AND status IN ('QUEUED', 'RUNNING', 'WAITING')
    RETURNING cancel_requested_at IS NOT NULL, coalesce(cancel_reason, ''), timer_at
"""


def record(
    conn: Connection,
    place: Place,
    begun: Begun,
    batch: Batch,
    inside: Callable[[Connection], None] | None = None,
) -> Recorded | None:
    """Write ``batch`` in one transaction; None, and nothing is written, when another turn holds the run by now.

    ``inside`` is called in the transaction, with the fence checked and the run's row locked. Raises `DatabaseError` as
    the driver's errors are; after ``CONNECTION_LOST`` ask `stands_at`.
    """
    names: dict[str, Any] = {"tenant": place.tenant, "run": begun.run_id, "fence": begun.fence}
    with conn.transaction():
        held = conn.execute(
            _HOLD,
            {
                **names,
                "seq": (batch.events[-1][0] if batch.events else batch.after_seq) + batch.more_events,
                "status": batch.status,
                "node": batch.node_path,
                "aborted": batch.aborted,
                "retried": batch.retried,
            },
        ).fetchone()
        if held is None:
            return None
        # Outcomes first: what is claimed inside may have the key of a call that has just succeeded.
        known = len(batch.invocations)
        if known:
            end_invocations(conn, place, begun, batch.invocations)
        if inside is not None:
            inside(conn)
        _write(conn, place, begun, batch, known)
        if batch.end is not None:
            end_run(conn, place, begun.run_id, batch.end)
        elif batch.status == "WAITING":
            _set_timer(conn, place, begun, held[2])
        if batch.again_in is not None:
            _again(conn, place, begun, batch.again_in)
        return Recorded(held[0], held[1])


def _write(conn: Connection, place: Place, begun: Begun, batch: Batch, known: int) -> None:
    """Everything of ``batch`` but its first ``known`` outcomes, which are written."""
    names = {"tenant": place.tenant, "run": begun.run_id}
    if batch.events:
        conn.execute(
            "INSERT INTO workflow_run_history (tenant, run_id, seq, event, at)"
            " SELECT %(tenant)s, %(run)s, e.seq, e.event, e.at FROM pg_catalog.jsonb_to_recordset(%(events)s)"
            " AS e (seq bigint, event jsonb, at timestamptz)",
            {**names, "events": as_jsonb([{"seq": s, "event": e, "at": at} for s, e, at in batch.events])},
        )
    if batch.steps:
        _write_steps(conn, names, batch.steps)
    if batch.logs:
        conn.execute(
            "INSERT INTO workflow_run_logs (tenant, run_id, step_path, level, message, context_json, created_at)"
            " SELECT %(tenant)s, %(run)s, l.path, l.level, l.message, l.context, l.at"
            " FROM pg_catalog.jsonb_to_recordset(%(logs)s)"
            " AS l (path text, level text, message text, context jsonb, at timestamptz)",
            {**names, "logs": as_jsonb(batch.logs)},
        )
    if batch.consumed:
        consume(conn, place, batch.consumed)
    if batch.invocations[known:]:
        end_invocations(conn, place, begun, batch.invocations[known:])
    for wait in batch.waits:
        wait.insert(conn, place, begun.run_id)


def _write_steps(conn: Connection, names: dict[str, Any], steps: list[StepRow]) -> None:
    conn.execute(
        """
        INSERT INTO workflow_run_steps (tenant, run_id, step_path, iteration, attempt, step_id, step_type, status,
            input_json, output_json, error_json, started_at, completed_at)
        SELECT %(tenant)s, %(run)s, s.path, s.iteration, s.attempt, s.step_id, s.step_type, s.status,
            s.input, s.output, s.error, s.started_at, s.completed_at
        FROM pg_catalog.jsonb_to_recordset(%(steps)s) AS s (path text, iteration text, attempt integer, step_id text,
            step_type text, status text, input jsonb, output jsonb, error jsonb, started_at timestamptz,
            completed_at timestamptz)
        ON CONFLICT (tenant, run_id, step_path, iteration, attempt) DO UPDATE SET
            status = excluded.status, completed_at = excluded.completed_at,
            input_json = coalesce(excluded.input_json, workflow_run_steps.input_json),
            output_json = excluded.output_json, error_json = excluded.error_json
        WHERE workflow_run_steps.tenant = %(tenant)s
        """,
        {**names, "steps": as_jsonb(steps)},
    )


def _set_timer(conn: Connection, place: Place, begun: Begun, timer_at: datetime | None) -> None:
    """Let a turn come when the earliest wait is due; one that was asked for and is yet to come is enough."""
    due, now = next_due(conn, place, begun.run_id)
    if due is None or (due == timer_at and due - now > _SKEW):
        return
    ask_for_turn(conn, place, begun.run_id, f"timer {begun.fence}", due if due > now else None)
    conn.execute(
        "UPDATE workflow_runs SET timer_at = %(due)s WHERE tenant = %(tenant)s AND run_id = %(run)s",
        {"tenant": place.tenant, "run": begun.run_id, "due": due},
    )


def _again(conn: Connection, place: Place, begun: Begun, seconds: float) -> None:
    due = None
    if seconds > 0:
        row = conn.execute(
            "SELECT pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => %s)", [seconds]
        ).fetchone()
        due = row[0] if row else None
    ask_for_turn(conn, place, begun.run_id, f"again {begun.fence}", due)
