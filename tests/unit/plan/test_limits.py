"""The brake's numbers."""

from __future__ import annotations

import pytest

from wfsync.plan.limits import Limit, default_deletes, parse_limit


@pytest.mark.parametrize(
    ("text", "limit", "of_ten"),
    [
        ("0", Limit(0), 0),
        (7, Limit(7), 7),
        ("12", Limit(12), 12),
        ("0%", Limit(0, percent=True), 0),
        ("30%", Limit(30, percent=True), 3),
        ("39%", Limit(39, percent=True), 3),
        ("100%", Limit(100, percent=True), 10),
    ],
)
def test_numbers_and_parts(text: str | int, limit: Limit, of_ten: int) -> None:
    assert parse_limit(text) == limit
    assert limit.of(10) == of_ten
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "1000%", "%", "3 %", "all", "3\n", "٣", "1234567890", "+3"])
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number of workflows nor a percentage"):
        parse_limit(text)


@pytest.mark.parametrize(("managed", "deletes"), [(0, 3), (1, 3), (10, 3), (13, 3), (14, 4), (100, 30), (101, 30)])
def test_the_larger_of_three_and_thirty_percent(managed: int, deletes: int) -> None:
    assert default_deletes(managed) == deletes
