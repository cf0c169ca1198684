"""Threads that no end of a process waits for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from wfsync.runtime.engine.threads import Threads


def test_no_more_than_so_many_work_at_once_and_all_is_done() -> None:
    threads, lock = Threads(3, "t"), threading.Lock()
    now, most = 0, 0

    def work(number: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1
        return number * 2

    futures = [threads.submit(work, number) for number in range(30)]
    assert [future.result(10) for future in futures] == [number * 2 for number in range(30)]
    assert most == 3


def test_what_is_raised_reaches_whoever_waits() -> None:
    threads = Threads(1, "t")
    with pytest.raises(ValueError, match="no number"):
        threads.submit(int, "no number").result(10)
    assert threads.submit(lambda: 7).result(10) == 7


def test_what_nobody_began_can_be_dropped() -> None:
    threads, begun, go = Threads(1, "t"), threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return go.wait(10)

    running = threads.submit(wait)
    assert begun.wait(10)
    dropped = threads.submit(lambda: 1)
    threads.drop()
    go.set()
    assert running.result(10)
    assert threads.submit(lambda: 2).result(10) == 2
    assert not dropped.done()


def test_the_process_ends_although_a_call_goes_on() -> None:
    code = (
        "import time; from wfsync.runtime.engine.threads import Threads;"
        " Threads(1, 't').submit(time.sleep, 60); print('end')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20, check=True)
    assert done.stdout == b"end\n"
