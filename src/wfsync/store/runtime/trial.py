"""A database for tests of workflows, whose clock stands still until somebody moves it (`wfsync test --engine dbos`).

Only for a server that is thrown away: the server's own function is put aside, and everything in the tables goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from wfsync.store.faults import translate
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.queue import ask_for_turns
from wfsync.store.session import Connection, target_of

__all__ = [
    "OpenWait",
    "ask_for_turns",
    "clock",
    "empty",
    "freeze_clock",
    "is_busy",
    "let_workers_live",
    "move_clock",
    "open_waits",
    "who",
]


@dataclass(frozen=True, slots=True)
class OpenWait:
    """Something that an active run waits for."""

    id: str
    run_id: str
    path: str
    iteration: str
    attempt: int
    type: str
    event_name: str | None
    correlation_key: str | None
    due_at: datetime | None


def freeze_clock(conn: Connection, at: datetime) -> None:
    """Let ``clock_timestamp()`` of this database say ``at`` for everybody, before anything else is made in it."""
    with translate(target_of(conn), "stopping the clock"), conn.transaction():
        conn.execute("SET LOCAL allow_system_table_mods = on")
        conn.execute("CREATE SCHEMA wfsync_clock")
        conn.execute("CREATE TABLE wfsync_clock.stands (at timestamptz NOT NULL)")
        conn.execute("INSERT INTO wfsync_clock.stands VALUES (%s)", [at])
        conn.execute("ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO wfsync_real_clock")
        conn.execute(
            "CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
            " AS 'SELECT at FROM wfsync_clock.stands'"
        )


def let_workers_live(conn: Connection) -> None:
    """No worker is declared dead because the clock moved by weeks: every beat is far ahead of it."""
    with translate(target_of(conn), "preparing the database of tests"), conn.transaction():
        conn.execute(
            "CREATE FUNCTION wfsync_clock.beat() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.beat_at := '9999-01-01T00:00:00Z'; RETURN NEW; END $$"
        )
        conn.execute(
            "CREATE TRIGGER wfsync_test_beat BEFORE INSERT OR UPDATE ON workflow_workers"
            " FOR EACH ROW EXECUTE FUNCTION wfsync_clock.beat()"
        )


def clock(conn: Connection) -> datetime:
    """What the clock says."""
    row = conn.execute("SELECT at FROM wfsync_clock.stands").fetchone()
    assert row is not None  # one row, made with the table  # noqa: S101
    moment: datetime = row[0]
    return moment


def move_clock(conn: Connection, at: datetime) -> None:
    """Let it say ``at``."""
    conn.execute("UPDATE wfsync_clock.stands SET at = %s", [at])


def empty(conn: Connection, place: Place) -> None:
    """Take all workflows and runs of the tenant away; turns that are still under way end silently."""
    names = {"tenant": place.tenant}
    with conn.transaction():
        conn.execute("DELETE FROM workflow_runs WHERE tenant = %(tenant)s", names)
        conn.execute("DELETE FROM workflow_action_invocations WHERE tenant = %(tenant)s", names)
        conn.execute("DELETE FROM workflow_definition_versions WHERE tenant = %(tenant)s", names)
        conn.execute("DELETE FROM workflow_definitions WHERE tenant = %(tenant)s", names)


def is_busy(conn: Connection, place: Place) -> bool:
    """Whether anything will happen before the clock moves or somebody answers."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM workflow_runs WHERE tenant = %(tenant)s AND (status IN ('QUEUED', 'RUNNING')
                OR (status = 'WAITING' AND cancel_requested_at IS NOT NULL)))
            OR EXISTS (SELECT FROM workflow_run_waits w
                JOIN workflow_runs r ON r.tenant = w.tenant AND r.run_id = w.run_id
                WHERE w.tenant = %(tenant)s AND r.tenant = %(tenant)s AND r.status = 'WAITING'
                AND ((w.status IN ('RESOLVED', 'TIMED_OUT') AND w.consumed_at IS NULL)
                    OR (w.status = 'WAITING' AND w.due_at <= pg_catalog.clock_timestamp())))
        """,
        {"tenant": place.tenant},
    ).fetchone()
    return bool(row and row[0])


def open_waits(conn: Connection, place: Place) -> Sequence[OpenWait]:
    """What active runs wait for, oldest first."""
    rows = conn.execute(
        """
        SELECT w.wait_id::text, w.run_id::text, w.step_path, w.iteration, w.attempt, w.wait_type, w.event_name,
            w.correlation_key, w.due_at
        FROM workflow_run_waits w JOIN workflow_runs r ON r.tenant = w.tenant AND r.run_id = w.run_id
        WHERE w.tenant = %(tenant)s AND r.tenant = %(tenant)s AND w.status = 'WAITING'
            AND r.status IN ('QUEUED', 'RUNNING', 'WAITING')
        ORDER BY w.created_at, w.wait_id
        """,
        {"tenant": place.tenant},
    )
    return [OpenWait(*row) for row in rows]


def who(conn: Connection, place: Place) -> Iterable[tuple[str, str, int, int, str]]:
    """Id, workflow, version, depth and status of every run, in the order in which they began."""
    return conn.execute(
        "SELECT r.run_id::text, d.key, r.workflow_version, r.depth, r.status FROM workflow_runs r"
        " JOIN workflow_definitions d ON d.tenant = r.tenant AND d.workflow_id = r.workflow_id"
        " WHERE r.tenant = %(tenant)s AND d.tenant = %(tenant)s ORDER BY r.depth, r.created_at, r.run_id",
        {"tenant": place.tenant},
    ).fetchall()
