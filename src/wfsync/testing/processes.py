"""The same function over many items, in processes that were forked with all of them.

Nothing is sent to a worker: it has the items, and takes every so many-th batch. Results come back through a pipe each,
in order, as they are made. A worker whose parent is gone ends at its next result; one that dies is named, with the
items that are lost, and the others go on.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import IO, Any, Final, NamedTuple, TypeVar

from wfsync.state.workers import become_worker, pipe, start_worker

__all__ = ["in_processes"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH: Final = 8
_COLLECTED: Final = 500
"""Items after which a worker looks for garbage: the collector is off, and runs are full of cycles."""


class _Worker(NamedTuple):
    process: BaseProcess
    results: IO[bytes]


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int, lost: Callable[[Item, str], Result]
) -> Iterator[Result]:
    """``work`` of each of ``items``, in order, done in ``jobs`` processes. ``lost`` makes the result of an item whose
    worker has died. Closing the iterator ends all workers.
    """
    batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
    count = max(1, min(jobs, len(batches)))
    workers: list[_Worker] = []
    try:
        for number in range(count):
            workers.append(_start(work, batches[number::count], workers))
        for index, batch in enumerate(batches):
            yield from _received(workers[index % count], batch, lost)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.results.close()


def _received(worker: _Worker, batch: Sequence[Item], lost: Callable[[Item, str], Result]) -> Iterator[Result]:
    for item in batch:
        try:
            result: Result | Exception = pickle.load(worker.results)  # noqa: S301 - our own child wrote it
        except (EOFError, pickle.UnpicklingError):
            worker.process.join(1)
            yield lost(item, f"exit code {worker.process.exitcode}")
            continue
        if isinstance(result, Exception):
            raise result
        yield result


def _start(work: Callable[[Any], Any], batches: Sequence[Sequence[Any]], others: list[_Worker]) -> _Worker:
    receiving, sending = pipe()
    results = open(receiving, "rb")  # noqa: SIM115, PTH123 - closed by in_processes()
    ends = [receiving, *(other.results.fileno() for other in others)]
    try:
        process = start_worker(_child, (work, batches, sending, ends))
    except BaseException:
        results.close()
        raise
    finally:
        os.close(sending)
    return _Worker(process, results)


def _child(work: Callable[[Any], Any], batches: Sequence[Sequence[Any]], sending: int, ends: list[int]) -> None:
    become_worker(ends)
    gc.freeze()  # what all processes share has no garbage
    number = 0
    with open(sending, "wb") as results:
        for batch in batches:
            for item in batch:
                try:
                    done: Any = work(item)
                except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it again
                    done = error
                pickle.dump(done, results, pickle.HIGHEST_PROTOCOL)
                number += 1
                if number % _COLLECTED == 0:
                    gc.collect()
                results.flush()  # should the next item end this process, this one is not lost
