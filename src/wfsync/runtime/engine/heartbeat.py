"""Saying that this worker lives, and ending it at once when it should not (design/libraries.md, point 3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from wfsync.errors import DatabaseError
from wfsync.store.faults import translate
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import open_runtime_session
from wfsync.store.runtime.workers import BEAT_SECONDS, DEAD_SECONDS, beat
from wfsync.store.session import Connection

__all__ = ["HeartBeat"]

_STALL: Final = DEAD_SECONDS - BEAT_SECONDS
"""Without a beat for so long, others may soon take this worker for dead."""


class HeartBeat:
    """A thread with a session of its own that beats, and one that watches whether it does.

    ``die`` is called with the reason, once, from one of the two: the worker was declared dead, has lost its session, or
    a beat is stuck. It must not return to work.
    """

    def __init__(self, place: Place, worker_id: str, conn: Connection, die: Callable[[str], None]) -> None:
        self._place = place
        self._worker_id = worker_id
        self._conn = conn
        self._die = die
        self._stop = threading.Event()
        self._beaten = time.monotonic()

    @classmethod
    def open(cls, place: Place, worker_id: str, die: Callable[[str], None]) -> HeartBeat:
        """With its own session. Raises `DatabaseError`."""
        conn = open_runtime_session(place)
        with translate(place.target, "preparing the session"):
            conn.execute("SET statement_timeout = '8s'")
        return cls(place, worker_id, conn, die)

    def start(self) -> None:
        """Begin."""
        self._beaten = time.monotonic()
        for work in (self._beat, self._watch):
            threading.Thread(target=work, name=f"wfsync{work.__name__}", daemon=True).start()

    def stop(self) -> None:
        """No more beats, and nobody dies of it."""
        self._stop.set()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                with translate(self._place.target, "saying that this worker lives"):
                    lives = beat(self._conn, self._place, self._worker_id)
            except DatabaseError as error:
                self._end(error.message)
                return
            if not lives:
                self._end("this worker was declared dead: it had not said for too long that it lives")
                return
            self._beaten = time.monotonic()
        self._conn.close()

    def _watch(self) -> None:
        """A stuck network answers nothing, not even with an error; and a process that was paused wakes up here."""
        while not self._stop.wait(0.5):
            if time.monotonic() - self._beaten > BEAT_SECONDS + _STALL:
                self._end("the database has not answered for too long")
                return

    def _end(self, reason: str) -> None:
        if not self._stop.is_set():
            self._die(reason)
