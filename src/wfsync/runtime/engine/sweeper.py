"""Bringing back what the dead held, and runs that nobody works on (design/libraries.md, points 2 to 4)."""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import Final

from wfsync.errors import WfsyncError
from wfsync.runtime.engine.launch import Engine
from wfsync.runtime.engine.services import Services
from wfsync.runtime.schedules import Clock
from wfsync.store.runtime.queue import forget_finished, strangers
from wfsync.store.runtime.starting import admit_all
from wfsync.store.runtime.sweeping import revive
from wfsync.store.runtime.workers import DEAD_SECONDS, bury

__all__ = ["Sweeper"]

PAUSE: Final = 2.0
GRACE: Final = 5.0
"""A run that changed more recently than that is left alone."""
KEEP: Final = 3600.0
"""How long the engine's rows of turns that ended are kept."""


class Sweeper:
    """Looks after everything that happens by itself, every two seconds: any number of workers may."""

    def __init__(self, services: Services, engine: Engine) -> None:
        self._services = services
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="wfsync-sweeper", daemon=True)
        self._clock = Clock(services.pool, services.registry)
        self._forgotten_at = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the sweep that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def sweep(self) -> None:
        """Once: bury the dead, put their turns back, revive runs, admit those that queue. Raises `DatabaseError`."""
        place = self._services.place
        with self._services.pool.session() as conn:
            bury(conn, place, DEAD_SECONDS)
            dead = strangers(conn, place)
        if dead:
            self._engine.recover(list(dead))
        with self._services.pool.session() as conn:
            revive(conn, place, GRACE)
            admit_all(conn, place)
        if time.monotonic() - self._forgotten_at > 60:
            self._forgotten_at = time.monotonic()
            with self._services.pool.session() as conn:
                forget_finished(conn, place, KEEP)

    def _work(self) -> None:
        last = 0.0
        while not self._stop.wait(min(1.0, PAUSE * random.uniform(0.4, 0.6))):  # noqa: S311 - spreads workers
            try:
                self._clock.fire_due()
                if time.monotonic() - last >= PAUSE:
                    last = time.monotonic()
                    self.sweep()
            except WfsyncError as error:
                if not self._stop.is_set():
                    sys.stderr.write(f"wfsync: warning: sweeping: {error.message}\n")
