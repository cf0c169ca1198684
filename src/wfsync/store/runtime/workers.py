"""Who executes, and who is dead: rows with a heart-beat, by the database's clock (design/libraries.md, point 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection

__all__ = ["BEAT_SECONDS", "DEAD_SECONDS", "Worker", "beat", "bury", "enter", "leave", "living", "workers"]

BEAT_SECONDS: Final = 5.0
DEAD_SECONDS: Final = 15.0
"""A beat that is older is a dead worker's."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One living worker."""

    id: str
    host: str
    pid: int
    concurrency: int
    started_at: datetime
    beat_at: datetime


def enter(conn: Connection, place: Place, worker_id: str, host: str, pid: int, concurrency: int) -> None:
    """A new worker is there."""
    conn.execute(
        "INSERT INTO workflow_workers (tenant, worker_id, host, pid, concurrency)"
        " VALUES (%(tenant)s, %(id)s, %(host)s, %(pid)s, %(concurrency)s)",
        {"tenant": place.tenant, "id": worker_id, "host": host, "pid": pid, "concurrency": concurrency},
    )


def beat(conn: Connection, place: Place, worker_id: str) -> bool:
    """The worker lives; False when it was declared dead, and must end."""
    done = conn.execute(
        "UPDATE workflow_workers SET beat_at = pg_catalog.clock_timestamp()"
        " WHERE tenant = %(tenant)s AND worker_id = %(id)s AND ended_at IS NULL",
        {"tenant": place.tenant, "id": worker_id},
    )
    return done.rowcount == 1


def leave(conn: Connection, place: Place, worker_id: str) -> None:
    """The worker stops of its own will."""
    conn.execute(
        "UPDATE workflow_workers SET ended_at = pg_catalog.clock_timestamp(), end_reason = 'stopped'"
        " WHERE tenant = %(tenant)s AND worker_id = %(id)s AND ended_at IS NULL",
        {"tenant": place.tenant, "id": worker_id},
    )


def bury(conn: Connection, place: Place, dead_seconds: float = DEAD_SECONDS) -> int:
    """Declare dead whose last beat is too old; how many those were. Forgets who ended a week ago."""
    done = conn.execute(
        "UPDATE workflow_workers SET ended_at = pg_catalog.clock_timestamp(), end_reason = 'declared dead'"
        " WHERE tenant = %(tenant)s AND ended_at IS NULL"
        " AND beat_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(dead)s)",
        {"tenant": place.tenant, "dead": dead_seconds},
    )
    conn.execute(
        "DELETE FROM workflow_workers WHERE tenant = %(tenant)s AND ended_at < pg_catalog.now() - interval '7 days'",
        {"tenant": place.tenant},
    )
    return done.rowcount


def living(conn: Connection, place: Place, dead_seconds: float = DEAD_SECONDS) -> int:
    """How many workers live."""
    row = conn.execute(
        "SELECT count(*) FROM workflow_workers WHERE tenant = %(tenant)s AND ended_at IS NULL"
        " AND beat_at >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(dead)s)",
        {"tenant": place.tenant, "dead": dead_seconds},
    ).fetchone()
    return int(row[0]) if row else 0


def workers(conn: Connection, place: Place) -> Sequence[Worker]:
    """Those who were not declared dead, oldest first."""
    rows = conn.execute(
        "SELECT worker_id::text, host, pid, concurrency, started_at, beat_at FROM workflow_workers"
        " WHERE tenant = %(tenant)s AND ended_at IS NULL ORDER BY started_at",
        {"tenant": place.tenant},
    )
    return [Worker(*row) for row in rows]
