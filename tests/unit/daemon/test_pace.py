"""When the next sync is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon_reports import report
from wfsync.daemon.pace import Pace
from wfsync.daemon.report import status_of
from wfsync.errors import CommitUnknown, ConfigError, Conflict, DatabaseError, InputError, Refused, RepositoryError

LOST = DatabaseError("gone", code="CONNECTION_LOST")


def test_success_waits_for_the_interval() -> None:
    assert Pace(60).pause(report("in_sync"), 0, 0.0) == 60
    assert Pace(60).pause(report("applied"), 0, 1.0) == 54


def test_failures_in_a_row_wait_longer_and_longer_up_to_the_cap() -> None:
    pauses = [Pace(60, 300).pause(report("failed", LOST), n, 0.0) for n in range(1, 12)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_an_interval_above_the_cap_is_the_cap() -> None:
    assert Pace(1000, 300).pause(report("failed", LOST), 40, 0.0) == 1000


def test_a_short_interval_is_the_first_pause() -> None:
    assert Pace(0.2, 5).pause(report("failed", LOST), 1, 0.0) == 0.2


def test_what_only_a_new_revision_changes_waits_for_the_interval() -> None:
    for error in (InputError("bad"), ConfigError("bad"), Refused("no"), Conflict("no")):
        one = report(status_of(error), error)
        assert not one.is_transient
        assert Pace(60).pause(one, 0, 0.0) == 60


def test_what_may_pass_by_itself() -> None:
    for error in (LOST, RepositoryError("no network"), CommitUnknown("?"), Conflict("moved", code="STALE_PLAN")):
        assert report("failed", error).is_transient


def test_a_standby_looks_often_enough_to_take_over_within_one_interval() -> None:
    assert Pace(60).pause(report("standby"), 0, 0.0) == 30


@given(
    interval=st.floats(0.01, 86_400),
    longest=st.floats(0.01, 86_400),
    failures=st.integers(0, 10_000),
    chance=st.floats(0, 1),
)
def test_a_pause_is_never_above_both_and_never_nothing(
    interval: float, longest: float, failures: int, chance: float
) -> None:
    for one in (report("in_sync"), report("failed", LOST), report("standby")):
        assert 0 < Pace(interval, longest).pause(one, failures, chance) <= max(interval, longest)
