"""Threads that call actions, and that no end of the process waits for.

The library's own pool joins its threads when the interpreter ends, however long a call takes that nobody wants.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

__all__ = ["Threads"]

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class Threads(Executor):
    """At most ``most`` daemon threads, made when they are needed, first come first served."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._made = 0

    def submit(self, fn: Callable[_Given, _Result], /, *args: _Given.args, **kwargs: _Given.kwargs) -> Future[_Result]:
        """Have ``fn`` called as soon as a thread is free."""
        future: Future[_Result] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is whoever waits for the result that hears of it
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._changed:
            self._work.append(work)
            if self._idle < len(self._work) and self._made < self._most:
                self._made += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._made}", daemon=True).start()
            self._changed.notify()
        return future

    def drop(self) -> None:
        """Forget what no thread has begun."""
        with self._changed:
            self._work.clear()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._work)
                self._idle -= 1
                work = self._work.popleft()
            work()
