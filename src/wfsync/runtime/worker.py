"""A worker: a process that takes turns of runs until it is stopped, or until it should not live (runtime.md)."""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wfsync.errors import DatabaseError, WfsyncError
from wfsync.runtime.engine.heartbeat import HeartBeat
from wfsync.runtime.engine.launch import Engine, install, require_installed
from wfsync.runtime.engine.services import Services
from wfsync.runtime.engine.sweeper import Sweeper
from wfsync.runtime.engine.turn import take_turn
from wfsync.runtime.registry import Registry
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.rights import require_rights
from wfsync.store.runtime.workers import enter, leave

__all__ = ["DEFAULT_CONCURRENCY", "Worker", "install", "require_installed"]

DEFAULT_CONCURRENCY: Final = 20
DRAIN_SECONDS: Final = 30.0
_TIMES: Final = 4


def _end_process(reason: str) -> None:
    """No clean-up: whatever this process would still do, another one does by now."""
    error = DatabaseError(f"this worker ends at once: {reason}", code="WORKER_ENDED")
    sys.stderr.write(f"wfsync: error {error.code}: {error.message}\n")
    sys.stderr.flush()
    os._exit(1)


def _taken(services: Services, run_id: str) -> None:
    """Take a turn; again when the connection broke in the middle of it. What is given up the sweeper finds."""
    for number in range(1, _TIMES + 1):
        try:
            take_turn(services, run_id)
        except DatabaseError as error:
            if number == _TIMES or services.stopping.is_set():
                sys.stderr.write(f"wfsync: warning: a turn of run {run_id} is put off: {error.message}\n")
                return
            time.sleep(0.1 * number)
        else:
            return


@dataclass(slots=True)
class Worker:
    """One worker; there can be one in a process."""

    place: Place
    registry: Registry
    concurrency: int = DEFAULT_CONCURRENCY
    die: Callable[[str], None] = _end_process
    """What to do when this worker must not go on. Must not return to work."""
    id: str = ""
    _services: Services | None = None
    _engine: Engine | None = None
    _heart: HeartBeat | None = None
    _sweeper: Sweeper | None = None
    _entered: bool = False

    def start(self) -> None:
        """Enter the list of workers, and begin.

        Raises `RuntimeNotInstalled` and `DatabaseError` (``RUNTIME_UNAVAILABLE``, ``PERMISSION_DENIED`` with what to
        grant, and what opening sessions raises).
        """
        require_installed()
        gc.enable()  # a command of a short life does without; a worker lives long
        self.id = str(uuid.uuid4())  # of this start: a second process with it would take the same turns
        # Turns need a session for moments only; servers have a hundred for all.
        most = self.concurrency // 2 + 3
        pool = Pool(self.place, most, most)
        self._services = services = Services(pool, self.registry, self.id)
        with pool.session() as conn:
            require_rights(conn, self.place)
        install(self.place)
        with pool.session() as conn:
            self._entered = True
            enter(conn, self.place, self.id, socket.gethostname(), os.getpid(), self.concurrency)
        self._heart = HeartBeat.open(self.place, self.id, self.die)
        self._heart.start()
        self._engine = Engine(self.place, self.id, self.concurrency, lambda run_id: _taken(services, run_id))
        self._engine.start()
        self._sweeper = Sweeper(services, self._engine)
        self._sweeper.start()

    def stop(self, drain_seconds: float = DRAIN_SECONDS) -> bool:
        """Take no more turns and let those under way come to their next step; False when some were left behind.

        What was left behind is taken over by others, as after a crash.
        """
        if self._services is None:
            return True
        self._services.stopping.set()
        if self._sweeper is not None:
            self._sweeper.stop()
        drained = self._engine.stop(drain_seconds) if self._engine is not None else True
        if self._heart is not None:
            self._heart.stop()
        try:
            if self._entered:
                with self._services.pool.session() as conn:
                    leave(conn, self.place, self.id)
        except WfsyncError as error:
            sys.stderr.write(f"wfsync: warning: {error.message}\n")
        self._services.pool.close()
        return drained
