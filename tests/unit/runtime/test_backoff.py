"""Back-off (runtime.md "Semantics")."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.runtime.backoff import Retry, delay_ms, jitter
from wfsync.runtime.moments import LATEST, delayed, moment_from, moment_text
from wfsync.runtime.protocol import Pos

POS = Pos("root.steps[0]")


@pytest.mark.parametrize(("tries", "delay"), [(1, 1000), (2, 2000), (3, 4000), (4, 8000)])
def test_the_delay_before_attempt_n_plus_1_is_backoff_times_multiplier_to_the_n_minus_1(
    tries: int, delay: float
) -> None:
    assert delay_ms(Retry(9, 1000, jitter=False), tries, "r", POS) == delay
    assert delay_ms(Retry(9, 1000, multiplier=1, jitter=False), tries, "r", POS) == 1000


def test_the_multiplier_is_2_and_jitter_is_on_unless_said_otherwise() -> None:
    assert (Retry(1, 1).multiplier, Retry(1, 1).jitter) == (2, True)


@pytest.mark.parametrize("tries", [3, 50, 5000])
def test_max_delay_is_the_most(tries: int) -> None:
    assert delay_ms(Retry(9999, 1000, max_delay_ms=2500), tries, "r", POS) == 2500


@given(st.text(), st.integers(1, 99), st.integers(0, 9))
def test_jitter_is_0_8_to_1_2_and_a_function_of_run_and_position(run: str, attempt: int, index: int) -> None:
    pos = Pos("root.steps[0]", str(index), attempt)
    assert 0.8 <= jitter(run, pos) <= 1.2
    assert jitter(run, pos) == jitter(run, Pos("root.steps[0]", str(index), attempt))


def test_jitter_is_spread() -> None:
    spread = {round(jitter(f"run-{n}", POS), 2) for n in range(500)}
    assert min(spread) <= 0.81
    assert max(spread) >= 1.19
    assert len(spread) > 35
    assert len({jitter("r", pos) for pos in (POS, Pos(POS.path, "1"), Pos(POS.path, "", 2), Pos("root.steps[1]"))}) == 4


def test_no_back_off_is_no_delay() -> None:
    assert delay_ms(Retry(9, 0), 5000, "r", POS) == 0


def test_a_delay_beyond_all_numbers_is_the_longest_wait() -> None:
    delay = delay_ms(Retry(9999, 1000), 5000, "r", POS)
    assert math.isinf(delay)
    assert delayed(moment_from("2026-01-25T00:00:00Z"), delay) == LATEST


@given(st.datetimes().map(lambda at: at.replace(tzinfo=moment_from("2026-01-01").tzinfo)), st.floats(0, 1e12))
def test_a_delayed_moment_is_never_too_early_and_in_whole_milliseconds(at: object, delay: float) -> None:
    from datetime import datetime, timedelta

    assert isinstance(at, datetime)
    due = delayed(at, delay)
    assert due.microsecond % 1000 == 0
    if due != LATEST:
        assert timedelta(0) <= due - at - timedelta(milliseconds=delay) < timedelta(milliseconds=1)


def test_a_moment_is_read_as_it_is_written() -> None:
    for text in ("2026-01-25T12:00:00.123Z", "0099-01-01T00:00:00.000Z"):
        assert moment_text(moment_from(text)) == text
    for text in ("2026-01-25T12:00:00.123456789+02:00", "2026-01-25 10:00:00.123456Z"):
        assert moment_text(moment_from(text)) == "2026-01-25T10:00:00.123Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-1-1",
        "2026-01-25T12",
        "2026-01-25T12:00.5Z",
        "2026-13-01",
        "2026-02-29",
        "2026-01-25T24:01Z",
        "0001-01-01T00:00+14:00",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no date-time"):
        moment_from(text)
