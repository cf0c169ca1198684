"""Work of other processes on items that only this one can read."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wfsync.errors import Conflict, WfsyncError
from wfsync.state.spread import spread


def size(item: tuple[int, bytes]) -> tuple[int, int, int]:
    return item[0], len(item[1]), os.getpid()


def refuse_77(number: int) -> int:
    if number == 77:
        raise Conflict("no 77", code="STALE_PLAN", hint="again")
    return number


def die(_: int) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 16, 1003])
def test_results_come_once_and_in_order(jobs: int, count: int) -> None:
    items = ((number, bytes(number * 10)) for number in range(count))
    found = list(spread(items, size, count, jobs=jobs))
    assert [item[:2] for item in found] == [(number, number * 10) for number in range(count)]
    assert (os.getpid() in {pid for *_, pid in found}) == (jobs == 1 and count > 0)


def test_few_items_are_not_worth_a_process() -> None:
    assert {pid for *_, pid in spread(((n, b"") for n in range(50)), size, 50)} == {os.getpid()}


def test_the_expected_number_is_only_a_hint() -> None:
    assert len(list(spread(((n, b"") for n in range(5)), size, 100_000))) == 5
    assert len(list(spread(((n, b"") for n in range(500)), size, 0))) == 500


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_the_work_is_raised_here(jobs: int) -> None:
    with pytest.raises(Conflict, match="no 77") as caught:
        list(spread(iter(range(5000)), refuse_77, 5000, jobs=jobs))
    assert (caught.value.code, caught.value.hint) == ("STALE_PLAN", "again")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_items_is_raised_here(jobs: int) -> None:
    def broken() -> Iterator[int]:
        yield from range(50)
        raise Conflict("the connection is gone")

    with pytest.raises(Conflict, match="gone"):
        list(spread(broken(), refuse_77, 500, jobs=jobs))


def test_a_worker_that_dies_is_noticed() -> None:
    with pytest.raises(WfsyncError, match="ended early"):
        list(spread((bytes(10_000) for _ in range(5000)), die, 5000, jobs=2))  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system cannot say when somebody else's child ends")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from wfsync.state.spread import spread\n"
        "def items():\n"
        "    yield from range(100)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(60)\n"
        "    yield 0\n"
        "list(spread(items(), lambda n: n, 1000, jobs=2))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        descriptors = [os.pidfd_open(pid) for pid in children]
        parent.send_signal(signal.SIGKILL)
        parent.wait(30)
    try:
        assert len(children) == 2
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 30)[0], "a worker outlived its parent"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
