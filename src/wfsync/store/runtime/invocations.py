"""Calls of actions with side effects: a row before each call, its outcome once after it (runtime.md "Idempotency")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import as_jsonb
from wfsync.store.session import Connection

if TYPE_CHECKING:
    from wfsync.store.runtime.turns import Begun

__all__ = ["Before", "Calling", "InvocationEnd", "end_invocations", "start_invocation"]


@dataclass(frozen=True, slots=True)
class Calling:
    """A call that is about to be made."""

    action: str
    version: int
    key: str
    path: str
    iteration: str
    attempt: int
    input: Any
    """Masked."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a call's key.

    ``new`` and ``failed``: make the call. ``succeeded``: use ``output``. ``unknown``: it was begun, and nobody knows
    what came of it. ``busy``: another run makes it right now.
    """

    state: Literal["new", "failed", "succeeded", "unknown", "busy"]
    output: Any = None


@dataclass(frozen=True, slots=True)
class InvocationEnd:
    """The outcome of a call."""

    action: str
    version: int
    key: str
    output: Any = None
    error: Any = None
    """None: it succeeded."""


def start_invocation(conn: Connection, place: Place, begun: Begun, calling: Calling) -> Before:
    """Insert the row of a call, or take over the one that its key has; inside the transaction that holds the run's row.

    A row that began and has no outcome is `Before` ``busy`` while another run is at work on it, else ``unknown``.
    """
    names: dict[str, Any] = {
        "tenant": place.tenant,
        "run": begun.run_id,
        "action": calling.action,
        "version": calling.version,
        "key": calling.key,
        "path": calling.path,
        "iteration": calling.iteration,
        "attempt": calling.attempt,
        "input": as_jsonb(calling.input),
        "fence": begun.fence,
    }
    inserted = conn.execute(
        """
        INSERT INTO workflow_action_invocations (tenant, run_id, step_path, iteration, attempt, action_id,
            action_version, idempotency_key, status, input_json, fence, started_at)
        VALUES (%(tenant)s, %(run)s, %(path)s, %(iteration)s, %(attempt)s, %(action)s, %(version)s, %(key)s, 'STARTED',
            %(input)s, %(fence)s, pg_catalog.clock_timestamp())
        ON CONFLICT (tenant, action_id, action_version, idempotency_key) DO NOTHING
        """,
        names,
    )
    if inserted.rowcount:
        return Before("new")
    row = conn.execute(
        """
        SELECT i.status, i.output_json, r.status = 'RUNNING' AND i.fence = r.fence,
            i.run_id = %(run)s::uuid AND i.fence = %(fence)s
        FROM workflow_action_invocations i JOIN workflow_runs r ON r.tenant = i.tenant AND r.run_id = i.run_id
        WHERE i.tenant = %(tenant)s AND r.tenant = %(tenant)s AND i.action_id = %(action)s
            AND i.action_version = %(version)s AND i.idempotency_key = %(key)s
        FOR NO KEY UPDATE OF i
        """,
        names,
    ).fetchone()
    if row is None:  # its run was deleted between the two statements
        return start_invocation(conn, place, begun, calling)
    status, output, is_under_way, is_of_this_turn = row
    if status == "SUCCEEDED":
        return Before("succeeded", output)
    if status == "STARTED" and is_of_this_turn:  # a COMMIT that was not answered: the call was not made yet
        return Before("new")
    if status == "STARTED" and is_under_way:
        return Before("busy")
    conn.execute(
        "UPDATE workflow_action_invocations SET status = 'STARTED', run_id = %(run)s, step_path = %(path)s,"
        " iteration = %(iteration)s, attempt = %(attempt)s, fence = %(fence)s, input_json = %(input)s,"
        " error_json = NULL, completed_at = NULL"
        " WHERE tenant = %(tenant)s AND action_id = %(action)s AND action_version = %(version)s"
        " AND idempotency_key = %(key)s",
        names,
    )
    return Before("failed" if status == "FAILED" else "unknown")


def end_invocations(conn: Connection, place: Place, begun: Begun, ends: Sequence[InvocationEnd]) -> None:
    """Record outcomes, inside the transaction that records the steps; never those of another run's call."""
    conn.execute(
        """
        UPDATE workflow_action_invocations i SET status = CASE WHEN e.error IS NULL THEN 'SUCCEEDED' ELSE 'FAILED' END,
            output_json = e.output, error_json = e.error, completed_at = pg_catalog.clock_timestamp()
        FROM pg_catalog.jsonb_to_recordset(%(ends)s)
            AS e (action text, version integer, key text, output jsonb, error jsonb)
        WHERE i.tenant = %(tenant)s AND i.action_id = e.action AND i.action_version = e.version
            AND i.idempotency_key = e.key AND i.run_id = %(run)s
        """,
        {"tenant": place.tenant, "run": begun.run_id, "ends": as_jsonb(list(ends))},
    )
