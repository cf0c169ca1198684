"""One pure function over many items, in as many processes as there are cores.

Children are forked, so that items need no pickling; results come back through a temporary file each, so that nobody
waits for a pipe to be read, and a child whose parent was killed ends by itself.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import IO, Any, Final, Generic, TypeVar

from wfsync.state.workers import become_worker, start_worker, worker_lost, worthwhile_jobs

__all__ = ["Ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH: Final = 64


class Ahead(Generic[Item, Result]):
    """``work`` applied to ``items``: begun when this is made, finished when `results` is read.

    Between the two the caller may do something else, such as wait for a database. Results come in the order of the
    items. Few items, one core or a platform without fork: the work is done in `results`.
    """

    def __init__(self, items: Sequence[Item], work: Callable[[Item], Result], *, jobs: int | None = None) -> None:
        self._items = items
        self._work = work
        self._children: list[tuple[BaseProcess, IO[bytes]]] = []
        count = worthwhile_jobs(len(items)) if jobs is None else jobs
        if count > 1:
            self._fork(count)

    def results(self) -> Iterator[Result]:
        """Every result, in order. Re-raises what ``work`` raised; an item's failure ends the iteration."""
        if not self._children:
            yield from map(self._work, self._items)
            return
        try:
            for process, file in self._children:
                process.join()
                file.seek(0)
                yield from _read(file, process)
        finally:
            self.close()

    def close(self) -> None:
        """Stop what still runs; safe to call more than once."""
        for process, file in self._children:
            if process.is_alive():
                process.kill()
            process.join()
            file.close()
        self._children = []

    def _fork(self, count: int) -> None:
        share = -(-len(self._items) // count)
        for start in range(0, len(self._items), share):
            file = tempfile.TemporaryFile(prefix="wfsync-")  # noqa: SIM115 - closed by close()
            arguments = (self._items[start : start + share], self._work, file, os.getpid())
            self._children.append((start_worker(_child, arguments), file))


def _child(items: Sequence[Any], work: Callable[[Any], Any], file: IO[bytes], parent: int) -> None:
    become_worker()
    try:
        for start in range(0, len(items), _BATCH):
            if os.getppid() != parent:
                os._exit(1)
            pickle.dump([work(item) for item in items[start : start + _BATCH]], file, pickle.HIGHEST_PROTOCOL)
        pickle.dump(None, file)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it again
        pickle.dump(error, file)
    file.flush()


def _read(file: IO[bytes], process: BaseProcess) -> Iterator[Any]:
    while True:
        try:
            batch = pickle.load(file)  # noqa: S301 - our own child wrote it into a file without a name
        except EOFError:
            raise worker_lost(process) from None
        if batch is None:
            return
        if isinstance(batch, Exception):
            raise batch
        yield from batch
