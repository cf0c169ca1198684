"""One function over items, each in a process of its own, so many at once; and what a signal does to them."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Final, Generic, Self, TypeVar

__all__ = ["Ended", "Signals", "Stopped", "at_once"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """The signal that ends the work on one item. A SystemExit: the driver cancels the statement that it waits for."""


@dataclass(slots=True)
class Signals:
    """While entered, SIGINT and SIGTERM interrupt nothing here: `at_once` hears the bell."""

    received: int | None = None
    """The first one."""
    _bell: tuple[int, int] = field(default_factory=os.pipe)
    _previous: dict[signal.Signals, Any] = field(default_factory=dict)
    _woken: int = -1
    """Who was told of signals before."""

    @property
    def bell(self) -> int:
        """Has a byte to read for each signal that came: its number."""
        return self._bell[0]

    def __enter__(self) -> Self:
        with suppress(ValueError):  # outside of the main thread they are somebody else's
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
            # Rung as the signal comes: a handler in Python runs later, which may be after a wait that nothing else ends
            os.set_blocking(self._bell[1], False)
            self._woken = signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous:
            signal.set_wakeup_fd(self._woken)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        for end in self._bell:
            os.close(end)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # Nothing is raised: it could be lost in a hook of fork, which tells nobody
        self.received = self.received or number


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item]):
    """A process that ended without a result: it was killed, or the machine ran out of memory."""

    item: Item
    exit_code: int | None


class Shield:
    """The signals of one process at work: the first SIGTERM raises `Stopped`, unless something was committed."""

    def __init__(self, signals: Signals) -> None:
        self.committed = False
        self.is_told = False
        self._signals = signals

    def commit(self) -> None:
        """Something was written for good: a signal waits for the end."""
        self.committed = True

    def raise_up(self) -> None:
        """Begin; the terminal's SIGINT is the parent's business, which passes it on. May raise `Stopped` at once."""
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if self._signals.received is not None:  # it came before this process could look
            self._handle(signal.SIGTERM, None)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if not self.is_told and not self.committed:
            self.is_told = True  # and not again while that unwinds
            raise Stopped(1)


def at_once(
    items: Sequence[Item], work: Callable[[Item, Shield], Result], jobs: int, signals: Signals
) -> Iterator[Result | Ended[Item]]:
    """What ``work`` returns for each item, in the order in which they end; at most ``jobs`` are at work.

    Items are forked off with all that this process knows, and only results are pickled. ``work`` is given a shield that
    it raises first, and tells of commits; it must not raise. After a signal nothing is begun any more, and what is at
    work is told; after a second one it is killed, and `Stopped` is raised. The caller must have no other thread.
    """
    waiting = deque(items)
    running: dict[int, tuple[Item, BaseProcess, Connection]] = {}
    heard = 0
    try:
        while waiting or running:
            while waiting and len(running) < jobs and signals.received is None:
                item = waiting.popleft()
                process, results = _start(item, work, signals, [end for _, _, end in running.values()])
                running[process.sentinel] = (item, process, results)
            if not running:
                return
            ends = {results: sentinel for sentinel, (_, _, results) in running.items()}
            ready = wait([*running, *ends, signals.bell])
            if signals.bell in ready:
                rung = [number for number in os.read(signals.bell, 64) if number in _SIGNALS]
                heard += len(rung)
                if heard > 1:
                    raise Stopped(128 + (signals.received or rung[0]))
                if not rung:
                    continue
                for _, process, _ in running.values():
                    process.terminate()
            for sentinel in {ends.get(end, end) for end in ready} & running.keys():  # type: ignore[call-overload]
                yield _collect(*running.pop(sentinel))
    finally:
        for _, process, results in running.values():
            process.kill()
            process.join()
            results.close()


def _start(
    item: Any, work: Callable[[Any, Shield], Any], signals: Signals, others: Sequence[Connection]
) -> tuple[BaseProcess, Connection]:
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    # No daemon: those may not have children, and reading many rows takes helpers
    process = context.Process(target=_child, args=(item, work, sending, Shield(signals), (receiving, *others)))
    # Python forgets a signal that comes while a child begins; one that is blocked waits until the shield is up
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        process.start()
    except BaseException:
        receiving.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        sending.close()
    return process, receiving


def _child(
    item: Any,
    work: Callable[[Any, Shield], Any],
    sending: Connection,
    shield: Shield,
    parents: Sequence[Connection],
) -> None:
    signal.set_wakeup_fd(-1)  # the bell is the parent's; signals are still blocked
    for end in parents:
        end.close()  # else nobody would notice that the parent is gone
    result = work(item, shield)
    shield.commit()  # what is to be told is told
    with suppress(BrokenPipeError):
        sending.send(result)
    sending.close()


def _collect(item: Item, process: BaseProcess, results: Connection) -> Any:
    try:
        result = results.recv()
    except EOFError:
        process.join()
        return Ended(item, process.exitcode)
    finally:
        results.close()
    process.join()
    process.close()
    return result
