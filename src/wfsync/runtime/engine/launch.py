"""The engine: DBOS, told to hand out turns (design/libraries.md, "What bites"). The only module that imports dbos.

One executor id for each start of a process; a constant application version; a portable serializer; logs at ERROR, on
stderr. Its tables live in the schema ``wfsync_engine`` of the same database, its sessions are opened by our own store.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wfsync.errors import DatabaseError, RuntimeNotInstalled
from wfsync.runtime.engine.threads import Threads
from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.runtime.queue import APP_VERSION, APPLICATION, TURN

if TYPE_CHECKING:
    from dbos import DBOSConfig

__all__ = ["Engine", "install", "require_installed"]

POLL_SECONDS: Final = 0.05
"""How often a worker looks for turns; half of it is what an event waits on average."""


def require_installed() -> None:
    """Raise `RuntimeNotInstalled` unless the libraries of ``wfsync[runtime]`` are there."""
    from importlib.util import find_spec

    missing = [name for name in ("dbos", "jsonata", "re2") if find_spec(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise RuntimeNotInstalled(f"workflows cannot be executed here: {', '.join(missing)} {are} not installed")


class Engine:
    """One process's part of the engine: takes turns from the queue of one tenant until it is stopped.

    There can be one in a process only: DBOS is a singleton.
    """

    def __init__(self, place: Place, worker_id: str, concurrency: int, take: Callable[[str], object]) -> None:
        """``take`` is called with a run's id, on one of ``concurrency`` threads; what it raises ends that turn only."""
        self._place = place
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._take = take
        self._threads = Threads(concurrency, "wfsync-turn")
        self._under_way = 0
        self._idle = threading.Condition()

    def start(self) -> None:
        """Make or bring up to date the engine's tables, and begin to take turns.

        Raises `DatabaseError` (``RUNTIME_UNAVAILABLE``) when the role may not make the tables.
        """
        from dbos import DBOS

        _quiet()
        DBOS(config=_config(self._place, self._worker_id, self._concurrency))

        async def turn(run_id: str) -> None:
            await self._turn(run_id)

        DBOS.workflow(name=TURN, max_recovery_attempts=None)(turn)
        DBOS.listen_queues([self._place.queue])
        try:
            DBOS.launch()
            DBOS.register_queue(
                self._place.queue,
                worker_concurrency=self._concurrency,
                partition_concurrency=1,
                polling_interval_sec=POLL_SECONDS,
                on_conflict="always_update",
            )
        except Exception as error:  # noqa: BLE001 - whatever a library of two says, people are told one thing
            raise _unavailable(self._place, error) from None

    async def _turn(self, run_id: str) -> None:
        """One turn. What escapes here ends the turn for good; the sweeper gives the run another one."""
        with self._idle:
            self._under_way += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._take, run_id)
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def recover(self, executors: list[str]) -> int:
        """Put the turns that dead executors hold back into the queue; how many those were.

        Private in DBOS, and the only safe way: it is guarded by the executor's id, row by row, so that a turn which
        somebody else has taken meanwhile is left alone.
        """
        from dbos import DBOS

        return len(DBOS._recover_pending_workflows(executors))  # noqa: SLF001 - pinned and tested

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no turn is under way; False when it takes longer."""
        with self._idle:
            return self._idle.wait_for(lambda: self._under_way == 0, seconds)

    def stop(self, drain_seconds: float) -> bool:
        """Take no more turns, and wait for those under way; False when some were left behind."""
        from dbos import DBOS
        from dbos._dbos import _get_dbos_instance

        # The threads that poll first: no turn may be taken between the wait and the end.
        for event in _get_dbos_instance().background_thread_stop_events:
            event.set()
        drained = self.wait_idle(drain_seconds)
        DBOS.destroy(workflow_completion_timeout_sec=0)
        self._threads.drop()
        return drained


def install(place: Place) -> None:
    """Make the engine's tables, or bring them up to date. Raises `DatabaseError` (``RUNTIME_UNAVAILABLE``)."""
    from dbos import DBOSPortableJSONSerializer
    from dbos._sys_db import SystemDatabase

    _quiet()
    engine = _sessions(place, 2)
    try:
        database = SystemDatabase.create(
            system_database_url=_URL,
            engine_kwargs={},
            engine=engine,
            schema=ENGINE_SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            use_listen_notify=False,
            executor_id=None,
        )
        database.run_migrations()
    except Exception as error:  # noqa: BLE001 - as above
        raise _unavailable(place, error) from None
    finally:
        engine.dispose()


_URL: Final = "postgresql+psycopg://localhost/wfsync"
"""Says which kind of database; where it is, our own sessions know."""


def _config(place: Place, worker_id: str, concurrency: int) -> DBOSConfig:
    from dbos import DBOSPortableJSONSerializer

    return {
        "name": APPLICATION,
        "system_database_url": _URL,
        "system_database_engine": _sessions(place, 3 + concurrency // 10),
        "dbos_system_schema": ENGINE_SCHEMA,
        "executor_id": worker_id,
        "application_version": APP_VERSION,
        "log_level": "ERROR",
        "serializer": DBOSPortableJSONSerializer(),
        "use_listen_notify": False,
        "scheduler_polling_interval_sec": 3600.0,
    }


def _sessions(place: Place, size: int) -> Any:
    """SQLAlchemy's engine on sessions that the store opens, so that targets are understood in one place."""
    import sqlalchemy

    from wfsync.store.runtime.pool import open_engine_session

    return sqlalchemy.create_engine(
        _URL,
        creator=lambda: open_engine_session(place),
        pool_size=size,
        max_overflow=size,
        pool_timeout=30,
    )


class _OneLine(logging.Handler):
    """What the engine has to say, in our words: a line on stderr, never a traceback and never an advertisement."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        text = record.getMessage().partition("\n")[0]
        cause = record.exc_info[1] if record.exc_info else None
        if cause is not None:
            text = f"{text} {type(cause).__name__}: {str(cause).partition(chr(10))[0]}"
        sys.stderr.write(f"wfsync: warning: engine: {text[:500]}\n")


def _quiet() -> None:
    """DBOS advertises at INFO, and would bring a handler of its own if there were none."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    if not any(isinstance(handler, _OneLine) for handler in logger.handlers):
        logger.handlers[:] = [_OneLine()]


def _unavailable(place: Place, error: Exception) -> DatabaseError:
    if isinstance(error, DatabaseError):
        return error
    from wfsync.store.faults import one_line

    cause = getattr(error, "orig", None) or error  # SQLAlchemy's wrapper names the driver's class first
    text = one_line(str(cause).splitlines()[0] if str(cause) else type(cause).__name__, place.target.secrets())
    return DatabaseError(
        f"the engine cannot use its tables in {place.target.display()}: {text}",
        code="RUNTIME_UNAVAILABLE",
        hint=f"let a role that may create the schema {ENGINE_SCHEMA} run `wfsync db upgrade` once",
    )
