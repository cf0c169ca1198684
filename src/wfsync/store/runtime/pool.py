"""Sessions of the runtime: opened when they are needed, handed back, closed when they broke."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, is_dataclass
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb, set_json_loads

from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store.faults import translate
from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection, connect

__all__ = ["Pool", "as_jsonb", "is_lost", "open_engine_session", "open_runtime_session", "repeated", "undoable"]

IDLE_SECONDS: Final = 10
"""After so long the server ends a session that idles in a transaction: a paused process holds no lock for longer."""

LOCK_SECONDS: Final = 10.0
_TIMES: Final = 6

_Result = TypeVar("_Result")


def open_runtime_session(place: Place) -> Connection:
    """A session on the tables of ``place``. Raises `DatabaseError` as `wfsync.store.session.connect`."""
    conn = connect(place.target, lock_timeout=LOCK_SECONDS)
    try:
        with translate(place.target, "preparing the session"):
            conn.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [place.search_path])
            conn.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        conn.prepare_threshold = 3  # the same few statements for ever; the engine needs a session of its own anyway
        set_json_loads(orjson.loads, conn)
    except BaseException:
        conn.close()
        raise
    return conn


def open_engine_session(place: Place) -> Connection:
    """A session for the engine's own library: it begins transactions by itself, and names its schema."""
    conn = connect(place.target, lock_timeout=LOCK_SECONDS)
    try:
        with translate(place.target, "preparing the session"):
            conn.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
            conn.autocommit = False
    except BaseException:
        conn.close()
        raise
    return conn


def as_jsonb(value: Any) -> Jsonb:
    """``value`` as a parameter of type jsonb. U+0000, which no jsonb takes, becomes U+FFFD."""
    return Jsonb(value, dumps=_dumps)


_NULS: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def _dumps(value: Any) -> bytes:
    try:
        data = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or half a surrogate pair
        data = json.dumps(value, default=_plain, ensure_ascii=False).encode("utf-8", "replace")
    return _NULS.sub(rb"\1\\ufffd", data) if b"\\u0000" in data else data


def _plain(value: Any) -> Any:
    """What orjson writes by itself: rows and moments."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value.isoformat()


class Pool:
    """Sessions on one place for many threads; at most ``size`` are kept.

    ``most`` bounds how many are in use: who wants one more waits, so nobody may want a second one while holding one.
    """

    def __init__(self, place: Place, size: int = 4, most: int | None = None) -> None:
        self.place = place
        self._size = size
        self._free = nullcontext() if most is None else threading.BoundedSemaphore(most)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A session for this block; errors of the driver become `DatabaseError`, and a broken session is closed."""
        with self._free:
            with self._lock:
                conn = self._idle.pop() if self._idle else None
            if conn is None:
                conn = open_runtime_session(self.place)
            try:
                with translate(self.place.target, "executing workflows"):
                    yield conn
            finally:
                self._give_back(conn)

    def close(self) -> None:
        """Close what is idle; sessions in use are closed when they come back."""
        with self._lock:
            idle, self._idle, self._size = self._idle, [], 0
        for conn in idle:
            conn.close()

    def _give_back(self, conn: Connection) -> None:
        from psycopg.pq import TransactionStatus

        if not conn.closed and conn.info.transaction_status is TransactionStatus.IDLE:
            with self._lock:
                if len(self._idle) < self._size:
                    self._idle.append(conn)
                    return
        conn.close()


@contextmanager
def undoable(conn: Connection) -> Iterator[tuple[psycopg.Cursor[TupleRow], Callable[[], None]]]:
    """A cursor inside the open transaction; what it wrote is undone when the block fails or calls what it is given."""
    undone = False

    def undo() -> None:
        nonlocal undone
        undone = True

    with conn.transaction() as point, conn.cursor() as cursor:
        yield cursor, undo
        if undone:
            raise psycopg.Rollback(point)


def repeated(attempt: Callable[[], _Result], times: int = _TIMES) -> _Result:
    """What ``attempt`` gives, made again when it was the victim of a deadlock or of another's lock (`LockTimeout`).

    Only for what is one transaction: it was rolled back.
    """
    for number in range(1, times):
        try:
            return attempt()
        except LockTimeout:
            time.sleep(0.02 * number)
    return attempt()


def is_lost(error: DatabaseError) -> bool:
    """Whether the session is gone, so that nobody knows what became of its last statement."""
    return error.code in {"CONNECTION_LOST", "SERVER_SHUTDOWN"}
