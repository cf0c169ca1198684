"""When triggers of time fire (runtime.md "Events and triggers"), above all where clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfsync.runtime.schedule_times import InvalidSchedule, due, next_fire, schedule_of


def cron(text: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"type": "recurring", "cron": text, "timezone": zone}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(trigger: dict[str, Any], after: str, count: int) -> list[str]:
    moment, found = at(after), []
    for _ in range(count):
        following = next_fire(trigger, moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(moment.strftime("%d %H:%M"))
    return found


def test_by_the_wall_clock_of_the_zone() -> None:
    assert fires(cron("30 8 * * 1-5"), "2026-01-02T00:00", 3) == ["02 07:30", "05 07:30", "06 07:30"]
    assert fires(cron("0 0 1 * *", "Asia/Kathmandu"), "2026-01-15T00:00", 1) == ["31 18:15"]


def test_a_skipped_time_fires_at_the_next_valid_one() -> None:
    # Berlin, 29 March 2026: after 01:59:59 comes 03:00:00
    assert fires(cron("30 2 * * *"), "2026-03-27T12:00", 3) == ["28 01:30", "29 01:00", "30 00:30"]
    # Lord Howe moves its clock by half an hour: 02:00 to 02:30, at 15:30 UTC of the day before
    assert fires(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-02T20:00", 1) == ["03 15:30"]
    # a whole day that Samoa never had: 30 December 2011
    assert fires(cron("0 12 30 12 *", "Pacific/Apia"), "2011-12-01T00:00", 1) == ["30 10:00"]


def test_many_skipped_times_fire_once() -> None:
    assert fires(cron("*/15 2 * * *"), "2026-03-28T12:00", 2) == ["29 01:00", "30 00:00"]


def test_a_doubled_time_fires_once_the_first_time() -> None:
    # Berlin, 25 October 2026: 02:00 to 02:59 come twice, first at 00:00 UTC
    assert fires(cron("30 2 * * *"), "2026-10-24T12:00", 2) == ["25 00:30", "26 01:30"]
    assert fires(cron("*/30 2 * * *"), "2026-10-24T12:00", 3) == ["25 00:00", "25 00:30", "26 01:00"]


def test_a_rhythm_goes_on_while_clocks_are_changed() -> None:
    assert fires(cron("0,30 * * * *"), "2026-10-24T23:50", 5) == [
        "25 00:00",
        "25 00:30",
        "25 01:00",
        "25 01:30",
        "25 02:00",
    ]
    assert fires(cron("30 * * * *"), "2026-03-29T00:00", 3) == ["29 00:30", "29 01:30", "29 02:30"]


def test_once() -> None:
    trigger = {"type": "schedule", "runAt": "2026-06-21T03:00:00+02:00"}
    assert next_fire(trigger, at("2026-06-21T00:00")) == at("2026-06-21T01:00")
    assert next_fire(trigger, at("2026-06-21T01:00")) is None
    assert due(trigger, at("2026-06-20T00:00"), at("2026-06-21T01:00")) == at("2026-06-21T01:00")
    assert due(trigger, at("2026-06-21T01:00"), at("2026-07-01T00:00")) is None
    assert due(trigger, at("2026-06-20T00:00"), at("2026-06-21T00:59")) is None


def test_of_what_was_missed_only_the_latest_is_due() -> None:
    trigger = cron("0 3 * * *", "UTC")
    assert due(trigger, at("2026-01-01T03:00"), at("2026-01-09T12:00")) == at("2026-01-09T03:00")
    assert due(trigger, at("2026-01-09T03:00"), at("2026-01-10T02:59")) is None
    assert due(trigger, at("2026-01-09T03:00"), at("2026-01-10T03:00")) == at("2026-01-10T03:00")


def test_a_skipped_time_is_due_when_it_fires() -> None:
    assert due(cron("30 2 * * *"), at("2026-03-28T12:00"), at("2026-03-29T01:00")) == at("2026-03-29T01:00")
    assert due(cron("30 2 * * *"), at("2026-03-28T12:00"), at("2026-03-29T00:59")) is None


def test_an_event_is_no_schedule() -> None:
    assert schedule_of({"type": "event", "eventName": "E"}) is None
    assert next_fire({"type": "event", "eventName": "E"}, at("2026-01-01T00:00")) is None


@pytest.mark.parametrize(
    ("trigger", "code", "member"),
    [
        (cron("* * * * * *"), "INVALID_CRON", "cron"),
        (cron("0 0 31 2 *"), "INVALID_CRON", "cron"),
        (cron("0 0 * * MON#1/2"), "INVALID_CRON", "cron"),
        (cron("0 0 * * *", "Europe"), "INVALID_TIMEZONE", "timezone"),
        (cron("0 0 * * *", "right/UTC"), "INVALID_TIMEZONE", "timezone"),
        (cron("0 0 * * *", "../../etc/passwd"), "INVALID_TIMEZONE", "timezone"),
        (cron("0 0 * * *", "/etc/localtime"), "INVALID_TIMEZONE", "timezone"),
        (cron("0 0 * * *", "a\0b"), "INVALID_TIMEZONE", "timezone"),
        (cron("0 0 * * *", ""), "INVALID_TIMEZONE", "timezone"),
        ({"type": "schedule", "runAt": "soon"}, "INVALID_WORKFLOW_DEFINITION", "runAt"),
    ],
)
def test_what_can_never_fire(trigger: dict[str, Any], code: str, member: str) -> None:
    with pytest.raises(InvalidSchedule) as raised:
        schedule_of(trigger)
    assert (raised.value.code, raised.value.member) == (code, member)


# ----------------------------------------------------------------------------------------------------------- properties

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Tehran",
    "Pacific/Apia",
    "Europe/Dublin",
    "UTC",
)
CRONS = ("30 2 * * *", "*/20 * * * *", "15 */2 * * *", "*/30 0-4 * * *", "0 0 * * *", "59 23 * * SUN", "7 * * * *")


def slow_fires(text: str, zone: str, start: datetime, end: datetime) -> set[datetime]:
    """What should fire, minute by minute, straight from the rules and without any cron library's calendar."""
    minute, hour, _, _, weekday = text.split()

    def values(field: str, size: int) -> set[int]:
        spread, _, step = field.partition("/")
        low, _, high = spread.partition("-")
        span = range(size) if spread == "*" else range(int(low), int(high or low) + 1)
        return set(span[:: int(step or 1)])

    minutes, hours = values(minute, 60), values(hour, 24)
    tz, expected = ZoneInfo(zone), set()
    wall = start.astimezone(tz).replace(tzinfo=None) - timedelta(days=2)
    while wall < end.astimezone(tz).replace(tzinfo=None) + timedelta(days=2):
        if wall.minute in minutes and wall.hour in hours and (weekday == "*" or wall.weekday() == 6):
            instants = {wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1)}
            real = {i for i in instants if i.astimezone(tz).replace(tzinfo=None) == wall}
            if hour == "*":
                expected |= real
            elif real:
                expected.add(min(real))
            else:
                following = wall
                while (i := following.replace(tzinfo=tz).astimezone(UTC)).astimezone(tz).replace(
                    tzinfo=None
                ) != following:
                    following += timedelta(minutes=1)
                expected.add(i)
        wall += timedelta(minutes=1)
    return {moment for moment in expected if start < moment <= end}


def _changes(zone: str) -> list[datetime]:
    """Days around which the clock of ``zone`` is changed."""
    tz, day, found = ZoneInfo(zone), at("2010-01-01T12:00"), []
    while day.year < 2027:
        if day.astimezone(tz).utcoffset() != (day + timedelta(days=1)).astimezone(tz).utcoffset():
            found.append(day)
        day += timedelta(days=1)
    return found or [day]


CHANGES = {zone: _changes(zone) for zone in ZONES}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_around_every_change_of_a_clock_it_is_as_the_rules_say(data: st.DataObject) -> None:
    zone, text = data.draw(st.sampled_from(ZONES)), data.draw(st.sampled_from(CRONS))
    start = data.draw(st.sampled_from(CHANGES[zone])) - timedelta(minutes=data.draw(st.integers(0, 600)))
    end = start + timedelta(days=2)
    trigger = cron(text, zone)
    moment = start
    found: list[datetime] = []
    while (moment := next_fire(trigger, moment) or end) <= end and len(found) < 1000:
        found.append(moment)
        if moment == end:
            break
    expected = sorted(slow_fires(text, zone, start, end))
    assert found[: len(expected)] == expected
    # backwards it is the same: from every moment between two, the first of them is the last that was due
    for before, after in pairwise(expected):
        for between in (before, before + timedelta(seconds=1), after - timedelta(microseconds=1)):
            assert due(trigger, start, between) == before
