"""One pure function over many items, its results handed on in order while later ones are made, in bounded memory.

`parallel.Ahead` keeps results until they are asked for, which suits small ones. These may be large, and whoever takes
them works at the same time: each child writes into a pipe and waits while it is full.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import IO, Any, Final, Generic, Self, TypeVar

from wfsync.state.workers import become_worker, pipe, start_worker, worker_lost, worthwhile_jobs

__all__ = ["Flow"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH: Final = 16


class Flow(Generic[Item, Result]):
    """``work`` applied to ``items``; use as ``with Flow(items, work) as results: for result in results: …``.

    Work begins when this is made, in as many processes as there are cores, and goes on while results are taken, each of
    which comes once. Few items, one core or a platform without fork: each item's work is done when its result is taken.
    """

    def __init__(self, items: Sequence[Item], work: Callable[[Item], Result], *, jobs: int | None = None) -> None:
        self._items = items
        self._work = work
        self._children: list[tuple[BaseProcess, IO[bytes]]] = []
        count = worthwhile_jobs(len(items)) if jobs is None else jobs
        if count > 1:
            try:
                self._fork(count)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Result]:
        """Every result, in order of the items. Raises what ``work`` raised for the first item that it failed for."""
        if not self._children:
            yield from map(self._work, self._items)
            return
        for number in range(-(-len(self._items) // _BATCH)):
            process, results = self._children[number % len(self._children)]
            try:
                batch = pickle.load(results)  # noqa: S301 - our own child wrote it, into a pipe that nobody else has
            except EOFError:
                process.join()
                raise worker_lost(process) from None
            yield from batch.results
            if batch.error is not None:
                raise batch.error

    def close(self) -> None:
        """Stop what still runs; safe to call more than once."""
        for process, results in self._children:
            if process.is_alive():
                process.kill()
            process.join()
            results.close()
        self._children = []

    def _fork(self, count: int) -> None:
        for number in range(count):
            receiving, sending = pipe()
            results = open(receiving, "rb")  # noqa: SIM115, PTH123 - closed by close()
            others = [earlier.fileno() for _, earlier in self._children]
            try:
                process = start_worker(_child, (self._items, self._work, number, count, sending, [receiving, *others]))
            except BaseException:
                results.close()
                raise
            finally:
                os.close(sending)
            self._children.append((process, results))


class _Batch:
    """Results of consecutive items; ``error`` is what the item after the last of them raised."""

    __slots__ = ("error", "results")

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.error: Exception | None = None


def _child(
    items: Sequence[Any], work: Callable[[Any], Any], number: int, count: int, sending: int, ends: list[int]
) -> None:
    """Every ``count``-th batch. Ends when the parent does: then nobody holds the other end of the pipe."""
    become_worker(ends)
    with open(sending, "wb") as results:
        for start in range(number * _BATCH, len(items), count * _BATCH):
            batch = _Batch()
            try:
                for item in items[start : start + _BATCH]:
                    batch.results.append(work(item))
            except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it again
                batch.error = error
            pickle.dump(batch, results, pickle.HIGHEST_PROTOCOL)
            results.flush()
            if batch.error is not None:
                return
