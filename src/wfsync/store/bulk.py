"""COPY while the client works: one thread feeds the server, the caller makes the next rows.

The server needs some 190 µs for a definition with two versions, more than the client needs to read, check and encode
them; done in turns the two add up, done together only the longer one counts. Definitions go before their versions, in
pairs of COPY statements of about a megabyte, so that nothing is spooled and memory stays bounded.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["BATCH_BYTES", "Batch", "copy_in"]

BATCH_BYTES: Final = 1 << 20

Batch: TypeAlias = tuple[tuple[str, bytes], ...]
"""COPY statements with their data, in the order in which they are to run."""

_AHEAD: Final = 2
_PATIENCE: Final = 0.5
"""Seconds to let a running COPY end by itself after a failure, before it is cancelled."""
_SWITCH: Final = 0.0005
"""Seconds after which a busy caller lets the feeding thread go on. A socket holds some 5 ms of the server's work, and
5 ms is Python's default: the server would often run dry."""
_CANCEL_TIMEOUT: Final = 5.0


def copy_in(conn: Connection, batches: Iterable[Batch]) -> int:
    """Run every COPY of ``batches`` in order, inside the transaction that is open on ``conn``; how many rows it took.

    ``batches`` is iterated in the calling thread and must not use ``conn``. Whatever it raises, or the driver, comes
    out of here after the feeding thread has ended; the transaction is then for the caller to roll back.
    """
    feeder = _Feeder(conn)
    patience = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        for batch in batches:
            feeder.put(batch)
        feeder.finish()
    except BaseException:
        feeder.abandon()
        raise
    finally:
        sys.setswitchinterval(patience)
    return feeder.taken


class _Feeder:
    """The thread that owns the connection while rows are made."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.taken = 0
        """Rows, as the server counts them."""
        # Not a bounded Queue: the caller's thread is the one in which signals raise, and an exception between the
        # lines of its locks would leave one locked for ever. These queues cannot be interrupted half-way.
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        """One element for each batch that may be put."""
        for _ in range(_AHEAD):
            self._room.put(None)
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, batch: Batch) -> None:
        """Hand over one batch, waiting while the server is behind; raises what the thread met."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="wfsync-copy", daemon=True)
            thread.start()
            self._thread = thread  # not before: an interrupted start leaves nothing that could be joined
        self._room.get()
        if self._failure is not None:
            self.finish()
        self._batches.put(batch)

    def finish(self) -> None:
        """Wait until everything is written; raises what the thread met."""
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """End the thread without writing what is queued, never raising."""
        if self._thread is None:
            return
        while True:
            try:
                self._batches.get_nowait()
            except Empty:
                break
        self._batches.put(None)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():  # waiting for a lock, or for a server that does not answer
            with contextlib.suppress(psycopg.Error):
                self._conn.cancel_safe(timeout=_CANCEL_TIMEOUT)
            self._thread.join(_CANCEL_TIMEOUT)

    def _run(self) -> None:
        try:
            with self._conn.cursor() as cursor:
                while (batch := self._batches.get()) is not None:
                    self._room.put(None)
                    for statement, data in batch:
                        with cursor.copy(statement.encode()) as copy:
                            copy.write(data)
                        self.taken += cursor.rowcount
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread, whatever it is
            self._failure = error
            self._room.put(None)  # the caller may be waiting; it looks for a failure first
