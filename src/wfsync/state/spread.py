"""One pure function over a stream of items that only this process can read, the work done in others.

The items go out through a pipe each, as they come; the results, which must be small, come back at the end through a
temporary file each, so that neither side ever waits for the other to read.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import IO, Any, Final, NamedTuple, TypeVar

from wfsync.state.workers import become_worker, pipe, start_worker, worker_lost, worthwhile_jobs

__all__ = ["spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH: Final = 16


class _Worker(NamedTuple):
    process: BaseProcess
    items: IO[bytes]
    results: IO[bytes]


def spread(
    items: Iterable[Item], work: Callable[[Item], Result], expected: int, *, jobs: int | None = None
) -> Iterator[Result]:
    """``work`` applied to ``items``, about ``expected`` in number; results in order, once all items were handed out.

    Items and results are pickled. Few items, one core or a platform without fork: the work is done here, item by item.
    Raises what ``items`` raises, or what ``work`` raised for the first item that it failed for.
    """
    count = worthwhile_jobs(expected) if jobs is None else jobs
    if count <= 1:
        yield from map(work, items)
        return
    workers: list[_Worker] = []
    try:
        for _ in range(count):
            workers.append(_start(work, workers))
        batches = _hand_out(iter(items), workers)
        for worker in workers:
            worker.process.join()
            worker.results.seek(0)
        for number in range(batches):
            worker = workers[number % count]
            yield from _read(worker)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            with suppress(OSError):  # what is still in its buffer nobody wants
                worker.items.close()
            worker.results.close()


def _hand_out(items: Iterator[Any], workers: list[_Worker]) -> int:
    """Give each worker a batch in turn; how many those were. A worker that failed takes no more, and says why later."""
    number = 0
    while batch := list(islice(items, _BATCH)):
        with suppress(BrokenPipeError):
            pickle.dump(batch, workers[number % len(workers)].items, pickle.HIGHEST_PROTOCOL)
        number += 1
    for worker in workers:
        with suppress(BrokenPipeError):
            worker.items.close()
    return number


def _read(worker: _Worker) -> list[Any]:
    try:
        results: list[Any] | Exception = pickle.load(worker.results)  # noqa: S301 - our own child wrote it
    except EOFError:
        raise worker_lost(worker.process) from None
    if isinstance(results, Exception):
        raise results
    return results


def _start(work: Callable[[Any], Any], others: list[_Worker]) -> _Worker:
    receiving, sending = pipe()
    items = open(sending, "wb")  # noqa: SIM115, PTH123 - closed by spread()
    results = tempfile.TemporaryFile(prefix="wfsync-")  # noqa: SIM115 - the same
    ends = [sending, *(other.items.fileno() for other in others)]
    try:
        process = start_worker(_child, (work, receiving, results, ends))
    except BaseException:
        items.close()
        results.close()
        raise
    finally:
        os.close(receiving)
    return _Worker(process, items, results)


def _child(work: Callable[[Any], Any], receiving: int, results: IO[bytes], ends: list[int]) -> None:
    """Ends when the parent does: then nobody holds the other end of the pipe."""
    become_worker(ends)
    with open(receiving, "rb") as batches:
        while True:
            try:
                batch = pickle.load(batches)  # noqa: S301 - our own parent wrote it, into a pipe that nobody else has
            except EOFError:
                break
            try:
                done: list[Any] | Exception = [work(item) for item in batch]
            except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it again
                done = error
            pickle.dump(done, results, pickle.HIGHEST_PROTOCOL)
            if isinstance(done, Exception):
                break
    results.flush()
