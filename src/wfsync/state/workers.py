"""What every kind of worker process has in common: how many there are, and how one begins."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any, Final

from wfsync.errors import WfsyncError

__all__ = ["become_worker", "pipe", "start_worker", "worker_lost", "worthwhile_jobs"]

_WORTH_A_PROCESS: Final = 200
"""Items; below this a fork costs more than it gives."""
_MOST: Final = 8
_PIPE_BYTES: Final = 1 << 20
"""Asked of the system, which gives 64 KB unasked: room for one side to go on while the other is busy."""
_F_SETPIPE_SZ: Final = 1031
_OURS: Final = (signal.SIGINT, signal.SIGTERM)


def worthwhile_jobs(items: int) -> int:
    """In how many processes to work on so many items; 1: in this one."""
    if items < _WORTH_A_PROCESS or "fork" not in multiprocessing.get_all_start_methods():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(cores, _MOST, items // (_WORTH_A_PROCESS // 2))


def start_worker(target: Callable[..., None], arguments: Iterable[Any]) -> BaseProcess:
    """Fork a process that runs ``target``; it gets its arguments as they are, nothing is pickled."""
    process = multiprocessing.get_context("fork").Process(target=target, args=tuple(arguments), daemon=True)
    # Until `become_worker` the child has our handlers, which would speak for us
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def become_worker(others_ends: Iterable[int] = ()) -> None:
    """To be called first in a worker. ``others_ends`` are the pipes' ends that belong to the parent, or to others."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent reports an interruption; a worker just ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody is left who wants the results
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
    for end in others_ends:
        os.close(end)


def worker_lost(process: BaseProcess) -> WfsyncError:
    """The error for a worker that ended before its work was done: somebody killed it."""
    return WfsyncError(
        f"a worker process ended early (exit code {process.exitcode})",
        code="WORKER_LOST",
        hint="was it killed, is there enough memory? Run the command again.",
    )


def pipe() -> tuple[int, int]:
    """The receiving and the sending end of a pipe with much room, where the system gives it."""
    receiving, sending = os.pipe()
    with suppress(ImportError, OSError):  # a system that has no such call, or a limit of the user's
        import fcntl

        fcntl.fcntl(sending, _F_SETPIPE_SZ, _PIPE_BYTES)
    return receiving, sending
