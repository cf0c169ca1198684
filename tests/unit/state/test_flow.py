"""Large results of other processes, taken while later ones are made."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wfsync.errors import Conflict, WfsyncError
from wfsync.state.flow import Flow


def large(number: int) -> tuple[int, bytes, int]:
    return number, bytes([number % 256]) * 5000, os.getpid()


def refuse_77(number: int) -> int:
    if number == 77:
        raise Conflict("no 77", code="STALE_PLAN", hint="again", details={"n": 77})
    return number


def die(_: int) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_once_and_in_order(jobs: int) -> None:
    with Flow(range(1003), large, jobs=jobs) as results:
        found = list(results)
    assert [(number, data) for number, data, _ in found] == [(n, bytes([n % 256]) * 5000) for n in range(1003)]
    assert (os.getpid() in {pid for *_, pid in found}) == (jobs == 1)


def test_few_items_are_not_worth_a_process() -> None:
    with Flow(range(50), large) as results:
        assert {pid for *_, pid in results} == {os.getpid()}


@pytest.mark.parametrize("jobs", [2, 40])
def test_more_processes_than_batches_do_no_harm(jobs: int) -> None:
    with Flow(range(20), large, jobs=jobs) as results:
        assert [number for number, *_ in results] == list(range(20))


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_comes_in_its_place_as_it_was(jobs: int) -> None:
    taken: list[int] = []
    with Flow(range(500), refuse_77, jobs=jobs) as results, pytest.raises(Conflict, match="no 77") as caught:
        taken.extend(results)  # keeps what came before the error
    assert taken == list(range(77))
    assert (caught.value.code, caught.value.hint, caught.value.details) == ("STALE_PLAN", "again", {"n": 77})


def test_a_worker_that_dies_is_noticed() -> None:
    with Flow(range(500), die, jobs=2) as results, pytest.raises(WfsyncError, match="ended early"):
        list(results)


def test_leaving_stops_what_still_runs() -> None:
    with Flow(range(100_000), large, jobs=2) as results:
        children = [process for process, _ in results._children]
        assert next(iter(results))[0] == 0
    assert not any(process.is_alive() for process in children)


def test_workers_wait_for_whoever_takes_their_results(tmp_path: Path) -> None:
    log = tmp_path / "made"

    def note(number: int) -> bytes:
        with log.open("ab") as file:
            file.write(b".")
        return bytes(100_000)

    with Flow(range(4000), note, jobs=2) as results:
        pipe = results._children[0][1]
        assert select.select([pipe], [], [], 30)[0]
        for taken, _ in enumerate(results, 1):
            # a batch in each process, one under way in each, and what two pipes hold
            assert log.stat().st_size <= taken + 4 * 16 + 2 * 11
            if taken == 200:
                break


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from wfsync.state.flow import Flow\n"
        "flow = Flow(range(10**6), lambda n: bytes(10_000), jobs=2)\n"
        "print(*(process.pid for process, _ in flow._children), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        descriptors = [os.pidfd_open(pid) for pid in children] if hasattr(os, "pidfd_open") else []
        parent.send_signal(signal.SIGKILL)
        parent.wait(30)
    try:
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 30)[0], "a worker outlived its parent"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    assert len(children) == 2
