"""The log of a service: what is said of a sync, and what is not said again."""

from __future__ import annotations

import pytest

from daemon_reports import report
from wfsync.daemon.lines import left_out, new_hint, new_problems, sync_object
from wfsync.errors import DatabaseError, InputError, Problem, Refused


def faults(number: int) -> tuple[Problem, ...]:
    return tuple(Problem(code="SYNTAX", message=f"fault {one}") for one in range(number))


@pytest.mark.parametrize("number", [0, 1, 50])
def test_a_list_that_is_whole_says_nothing_of_more(number: int) -> None:
    failed = report("failed", InputError("wrong", problems=faults(number)))
    assert len(new_problems(failed, None)) == number
    assert left_out(failed, new_problems(failed, None), quiet=False) is None


def test_a_list_that_is_cut_says_how_many_more_there_are_and_who_lists_them() -> None:
    failed = report("failed", InputError("wrong", problems=faults(62)))
    listed = new_problems(failed, None)
    assert len(listed) == 50
    assert left_out(failed, listed, quiet=True) == "… and 12 more; `wfsync validate` of the same revision lists all"
    said = sync_object(failed, 1.0, listed)
    assert (len(said["problems"]), said["problems_total"]) == (50, 62)
    assert new_problems(failed, failed) == ()
    assert left_out(failed, (), quiet=False) is None
    assert sync_object(failed, 1.0, ())["problems_total"] == 62
    refused = report("refused", Refused("no", problems=faults(51)))
    assert "and 1 more; `wfsync plan` of" in (left_out(refused, new_problems(refused, None), quiet=False) or "")


def test_warnings_that_are_not_shown_are_not_counted() -> None:
    warnings = tuple(Problem(code="SECRET_LITERAL", message=str(one), severity="warning") for one in range(70))
    synced = report("in_sync", notes=warnings)
    assert "20 more" in (left_out(synced, new_problems(synced, None), quiet=False) or "")
    assert left_out(synced, new_problems(synced, None), quiet=True) is None


def test_a_hint_is_given_once_for_an_error_and_hides_secrets() -> None:
    down = report("failed", DatabaseError("down", code="CONNECTION_REFUSED", hint="start postgresql://u:CANARYpw@h/d"))
    assert "CANARYpw" not in (new_hint(down, None) or "CANARYpw")
    assert new_hint(down, down) is None
    assert new_hint(report("in_sync"), down) is None
    other = report("failed", DatabaseError("down elsewhere", code="CONNECTION_REFUSED", hint="start it"))
    assert new_hint(other, down) == "start it"


def test_a_hint_that_a_problem_gives_is_not_given_twice() -> None:
    problem = Problem(code="REWIND", message="older", hint="go on")
    assert new_hint(report("refused", Refused("older", hint="go on", problems=(problem,))), None) is None
