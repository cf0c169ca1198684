"""What a turn has done and not yet recorded, and the recording: one transaction, whose outcome is always known."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from wfsync.errors import DatabaseError, LockTimeout
from wfsync.runtime.history import to_json
from wfsync.runtime.protocol import Event, Pos, StepRecord, StepStatus
from wfsync.store.runtime.pool import Pool, is_lost
from wfsync.store.runtime.turns import Batch, Found, Recorded, StepRow, record, stands_at

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["Journal", "Superseded"]

_TIMES: Final = 8
_MANY: Final = 200
_LONG: Final = 0.5
"""Seconds after which what happened is recorded even if nothing asks for it: people watch."""


class Superseded(Exception):
    """Another turn holds the run by now, or the run is gone: this one ends, and says nothing."""


class Journal:
    """The events and rows of one turn, until they are recorded."""

    def __init__(self, pool: Pool, found: Found) -> None:
        self._pool = pool
        self._begun = found.begun
        self._now = found.now
        self._began = time.monotonic()
        self._recorded_at = self._began
        self._last_at: datetime | None = None
        self._steps: dict[Pos, StepRow] = {}
        self.seq = found.last_seq
        self.batch = Batch(found.last_seq)

    # -- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time of an event that happens now: by the database's clock, and never before the event before it."""
        return self.not_before(self._now + timedelta(seconds=time.monotonic() - self._began))

    def not_before(self, at: datetime) -> datetime:
        """``at``, or the time of the last event when that is later."""
        return at if self._last_at is None or at > self._last_at else self._last_at

    def heard(self, at: datetime) -> None:
        """An event of the stored history was at that time."""
        self._last_at = at

    # -- what happened -------------------------------------------------------------------------------------------

    def add(self, event: Event, records: tuple[StepRecord, ...]) -> None:
        """An event, and the steps that changed because of it."""
        self.seq += 1
        self._last_at = event.at
        self.batch.events.append((self.seq, to_json(event), event.at))
        for one in records:
            self._steps[one.pos] = _row(one, self._steps.get(one.pos))
            self.batch.node_path = one.pos.path

    @property
    def is_due(self) -> bool:
        """Whether so much was done, or so long ago, that it should be recorded."""
        return len(self.batch.events) >= _MANY or time.monotonic() - self._recorded_at >= _LONG

    def discard(self) -> None:
        """Forget what was not recorded: the database does not take it."""
        self.seq = self.batch.after_seq
        self.batch = Batch(self.seq)
        self._steps.clear()

    # -- recording -----------------------------------------------------------------------------------------------

    def record(self, inside: Callable[[Connection], None] | None = None, *, more_events: int = 0) -> Recorded:
        """Write everything down and begin a new batch.

        When the connection is lost while it commits, the run's row says whether it did: nobody else writes under this
        fence. ``inside`` works in the transaction, adds exactly ``more_events`` events, and is called once: if it is
        then unknown what to do again, the turn is over. Raises `Superseded`; `DatabaseError` when the database stays
        away or a statement fails.
        """
        self.batch.more_events = more_events
        wanted = self.seq + more_events
        for number in range(1, _TIMES + 1):
            self.batch.steps = list(self._steps.values())
            try:
                recorded = self._try(inside)
            except LockTimeout:  # rolled back: the victim of a deadlock, or of somebody who holds a row too long
                if number == _TIMES or inside is not None:
                    raise
                time.sleep(0.05 * number)
            except DatabaseError as error:
                if number == _TIMES or not is_lost(error):
                    raise
                stands = self._stands(number)
                if stands == wanted and wanted > self.batch.after_seq:
                    recorded = Recorded(cancel_requested=False, cancel_reason="")  # the next one will tell
                    break
                if inside is not None:
                    raise
            else:
                break
        else:
            raise Superseded
        if recorded is None:
            raise Superseded
        self._steps.clear()
        self.batch = Batch(self.seq)
        self._recorded_at = time.monotonic()
        return recorded

    def _try(self, inside: Callable[[Connection], None] | None) -> Recorded | None:
        def work(conn: Connection) -> None:
            if inside is not None:
                inside(conn)
                self.batch.steps = list(self._steps.values())

        with self._pool.session() as conn:
            return record(conn, self._pool.place, self._begun, self.batch, work)

    def _stands(self, number: int) -> int:
        """The last sequence number in the database, asked on a new connection."""
        time.sleep(0.1 * number)
        try:
            with self._pool.session() as conn:
                stands = stands_at(conn, self._pool.place, self._begun)
        except DatabaseError:
            return self.batch.after_seq if number < _TIMES else -1
        if stands is None:
            raise Superseded
        return stands


def _row(one: StepRecord, before: StepRow | None) -> StepRow:
    """A record as a row; of two for one attempt the newer wins, and the older knows when it began and with what."""
    done = one.status is not StepStatus.STARTED
    given = one.input if one.input is not None or before is None else before.input
    return StepRow(
        path=one.pos.path,
        iteration=one.pos.iteration,
        attempt=one.pos.attempt,
        step_id=one.step_id,
        step_type=one.step_type,
        status=str(one.status),
        input=given,
        output=one.output,
        error=one.error,
        started_at=one.at if before is None else before.started_at,
        completed_at=one.at if done else None,
    )
