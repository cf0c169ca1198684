"""Work done ahead, in other processes."""

from __future__ import annotations

import os

import pytest

from wfsync.errors import RepositoryError, WfsyncError
from wfsync.state.parallel import Ahead


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def refuse_77(number: int) -> int:
    if number == 77:
        raise RepositoryError("no 77", code="ODD", hint="avoid it")
    return number


def die(_: int) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order(jobs: int) -> None:
    results = list(Ahead(range(1000), square, jobs=jobs).results())
    assert [value for value, _ in results] == [n * n for n in range(1000)]
    assert (os.getpid() in {pid for _, pid in results}) == (jobs == 1)


def test_few_items_are_not_worth_a_process() -> None:
    assert {pid for _, pid in Ahead(range(50), square).results()} == {os.getpid()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_the_work_is_raised_here(jobs: int) -> None:
    with pytest.raises(RepositoryError, match="no 77") as caught:
        list(Ahead(range(500), refuse_77, jobs=jobs).results())
    assert (caught.value.code, caught.value.hint) == ("ODD", "avoid it")


def test_a_worker_that_dies_is_noticed() -> None:
    with pytest.raises(WfsyncError, match="ended early"):
        list(Ahead(range(500), die, jobs=2).results())


def test_closing_stops_what_still_runs() -> None:
    ahead = Ahead(range(1000), square, jobs=2)
    children = [process for process, _ in ahead._children]
    ahead.close()
    assert not any(process.is_alive() for process in children)
