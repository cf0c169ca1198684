"""Schedules: workflows that start by the clock, once for each time, however many workers run.

Triggers are read anew each time, so that an apply takes effect in workers that run. Of the times that passed while no
worker ran, the latest fires. A time that comes while its workflow is paused is skipped: it is not made up for. What was
due before the workflow was last written is nobody's to make up for, either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import orjson

from wfsync.runtime.payloads import payload_faults
from wfsync.runtime.registry import Registry
from wfsync.runtime.schedule_times import InvalidSchedule, due, next_fire
from wfsync.store.runtime import catalogue
from wfsync.store.runtime import schedules as rows
from wfsync.store.runtime.catalogue import Schedule
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.schedules import State
from wfsync.store.runtime.starting import NewRun, create

if TYPE_CHECKING:
    from wfsync.store.runtime.place import Place
    from wfsync.store.session import Connection

__all__ = ["Clock", "Planned", "planned"]

_PAYLOAD: Final[dict[str, object]] = {}
"""What a run that the clock starts is given: triggers of time have no mapping."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One schedule, for people."""

    schedule: Schedule
    next_at: datetime | None
    """None: never again, or it cannot be told (``problem``)."""
    problem: str | None


def planned(conn: Connection, place: Place) -> list[Planned]:
    """Every schedule and when it fires next."""
    now = rows.database_time(conn)
    return [_planned(schedule, now) for schedule in catalogue.schedules(conn, place)]


def _planned(schedule: Schedule, now: datetime) -> Planned:
    try:
        if schedule.trigger_hash == _hash(schedule) and schedule.next_at is not None:
            return Planned(schedule, schedule.next_at, schedule.last_problem)
        if schedule.trigger_hash == _hash(schedule) and schedule.last_due_at is not None:
            return Planned(schedule, next_fire(schedule.trigger, now), schedule.last_problem)
        return Planned(schedule, next_fire(schedule.trigger, now), None)
    except InvalidSchedule as error:
        return Planned(schedule, None, str(error))


class Clock:
    """Looks at the schedules of one place again and again, and reads workflows only when one was written or is due."""

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry
        self._seen: object = None
        self._next: datetime | None = None

    def fire_due(self) -> list[str]:
        """Start what is due, once for all workers; the runs. Raises `DatabaseError`."""
        with self._pool.session() as conn:
            seen, now = rows.fingerprint(conn, self._pool.place), rows.database_time(conn)
            if seen == self._seen and (self._next is None or now < self._next):
                return []
            started = self._look(conn, now)
            # What another worker has at hand right now is looked at again in a moment.
            upcoming = [at for one in catalogue.schedules(conn, self._pool.place) if (at := one.next_at) is not None]
            self._next = min(upcoming, default=None)
            self._seen = seen
        return started

    def _look(self, conn: Connection, now: datetime) -> list[str]:
        started = []
        for schedule in _to_look_at(catalogue.schedules(conn, self._pool.place), now):
            with conn.transaction():
                run = _fire(conn, self._pool.place, schedule, self._registry)
            if run is not None:
                started.append(run)
        rows.forget_gone(conn, self._pool.place)
        return started


def _to_look_at(found: Sequence[Schedule], now: datetime) -> list[Schedule]:
    """Those whose time has come, and those whose trigger is another one than we know."""
    return [one for one in found if one.trigger_hash != _hash(one) or (one.next_at is not None and one.next_at <= now)]


def _fire(conn: Connection, place: Place, schedule: Schedule, registry: Registry) -> str | None:
    state = rows.lock(conn, place, schedule.workflow_id)
    if state is None:
        return None
    now, digest = rows.database_time(conn), _hash(schedule)
    try:
        if state.trigger_hash == digest:
            if state.next_at is None or state.next_at > now:
                return None  # another worker was faster
            first = state.next_at - timedelta(microseconds=1)
            latest: datetime | None = due(schedule.trigger, first, now) or state.next_at
        else:
            latest = due(schedule.trigger, schedule.known_since, now)
        after = State(digest, next_fire(schedule.trigger, now))
    except InvalidSchedule as error:
        rows.save(conn, place, schedule.workflow_id, State(digest, None), problem=str(error))
        return None
    if latest is None:
        rows.save(conn, place, schedule.workflow_id, after)
        return None
    program = catalogue.find(conn, place, schedule.workflow_id)
    if program is None:
        return None
    problem, run_id = None, None
    if program.is_paused:
        problem = f"{latest.isoformat()} was skipped: the workflow was paused"
    elif faults := payload_faults(program, _PAYLOAD, registry):
        problem = f"{latest.isoformat()} was skipped: an empty payload does not fit: {'; '.join(faults[:3])}"
    else:
        run_id, _ = create(conn, place, program, NewRun(_PAYLOAD, "schedule", scheduled_at=latest))
    rows.save(conn, place, schedule.workflow_id, after, due_at=latest, run_id=run_id, problem=problem)
    return run_id


def _hash(schedule: Schedule) -> str:
    return hashlib.sha256(orjson.dumps(schedule.trigger, option=orjson.OPT_SORT_KEYS)).hexdigest()
