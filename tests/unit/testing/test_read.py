"""Files of tests: what they may say, and every fault at its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wfsync.errors import InputError
from wfsync.testing.model import NOW, Reply
from wfsync.testing.read import read_tests
from wfsync.testing.times import duration, duration_text, moment, moment_text


def faults(text: str) -> list[tuple[int | None, int | None, str]]:
    with pytest.raises(InputError) as caught:
        read_tests(text.encode(), "yaml", "tests/a.yaml")
    assert caught.value.code == "INVALID_TEST"
    assert all(problem.code == "INVALID_TEST" for problem in caught.value.problems)
    places = [(problem.place, problem.message) for problem in caught.value.problems]
    return [(place.line, place.column, message) for place, message in places if place is not None]


def test_the_least_that_a_test_says() -> None:
    [case] = read_tests(b"version: 1\ntests: [{name: a, workflow: w}]\n", "yaml", "tests/a.yaml").cases
    assert (case.id, case.workflow, case.version, case.payload, case.now) == ("tests/a.yaml::a", "w", None, {}, NOW)
    assert case.expect.status == "SUCCEEDED"
    assert case.line == 2


def test_what_the_file_says_for_all() -> None:
    text = """\
version: 1
workflow: w
now: 2026-05-05T05:05:05+02:00
secrets: {A: one, B: two}
stubs: {x: {output: 1}, y: {output: 1}}
tests:
  - name: a
    secrets: {B: three}
    stubs: {x: {output: 2}}
  - {name: b, workflow: v, now: 2026-01-02T00:00:00Z}
"""
    first, second = read_tests(text.encode(), "yaml", "f").cases
    assert first.now == datetime(2026, 5, 5, 3, 5, 5, tzinfo=UTC)
    assert first.secrets == {"A": "one", "B": "three"}
    assert (first.stubs["x"], first.stubs["y"]) == ((Reply(output=2),), (Reply(output=1),))
    assert set(first.shared_stubs) == {"y"}
    assert (second.workflow, second.now, second.shared_stubs) == (
        "v",
        datetime(2026, 1, 2, tzinfo=UTC),
        frozenset(("x", "y")),
    )


def test_json_is_read_as_well() -> None:
    [case] = read_tests(b'{"version": 1, "tests": [{"name": "a", "workflow": "w"}]}', "json", "f.json").cases
    assert case.name == "a"


@pytest.mark.parametrize(
    ("expect", "status"),
    [
        ("{}", "SUCCEEDED"),
        ("{error: {}}", "FAILED"),
        ("{waitsFor: {event: E}}", "WAITING"),
        ("{status: CANCELED}", "CANCELED"),
    ],
)
def test_the_status_that_is_meant(expect: str, status: str) -> None:
    text = f"version: 1\ntests: [{{name: a, workflow: w, expect: {expect}}}]"
    assert read_tests(text.encode(), "yaml", "f").cases[0].expect.status == status


def test_every_fault_in_one_run_in_the_order_of_the_file() -> None:
    assert faults("""\
version: 1
workflow: w
tests:
  - name: a
    payload: {}
    event: {name: E}
    stubs: {s: {output: 1, echo: true}, t: {fail: {category: X, message: m}, output: 1}, u: {calls: [1]}, v: []}
    events: [{name: E, at: 2026-01-01T00:00:00Z, after: 1s}, {after: 3x}]
  - name: b
    expekt: {}
    expect: {status: GOOD, elapsed: 1y, calls: [{}]}
""") == [
        (
            5,
            5,
            "`payload` must not stand beside `event`: the run gets that event's payload, through the trigger's mapping",
        ),
        (7, 28, "`echo` must not stand beside `output`"),
        (7, 78, "`output` must not stand beside `fail`, unless `calls` says which calls fail"),
        (7, 93, "`calls` says which calls fail, so `fail` must say how"),
        (7, 110, "must not be empty"),
        (8, 50, "`after` must not stand beside `at`"),
        (8, 62, '"name" is missing'),
        (8, 70, '"3x" does not match ^([0-9]+(ms|s|m|h|d))+$'),
        (10, 5, 'unknown property "expekt"; did you mean "expect"?'),
        (11, 22, 'must be one of "SUCCEEDED", "FAILED", "CANCELED", "WAITING", not "GOOD"'),
        (11, 37, '"1y" does not match ^([0-9]+(ms|s|m|h|d))+$'),
        (11, 49, "must not be empty"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\ntests: [{name: a, workflow: w}]", "must be 1, not 2"),
        ("version: 1\ntests: []", "must not be empty"),
        ("version: 1\ntests: [{name: a}]", "no workflow is named"),
        ("version: 1\nworkflow: w\ntests: [{name: a}, {name: a}]", "two tests of this file have this name"),
        ("version: 1\nversion: 1\ntests: []", "more than once"),
        ("version: 1\ntests: [{name: a, workflow: w, expect: {vars: {x: {$matches: '('}}}}]", "no regular expression"),
        ("version: 1\ntests: [{name: a, workflow: w, now: '2026-02-30T00:00:00Z'}]", "RFC 3339"),
        (
            "version: 1\ntests: [{name: a, workflow: w, cancelAfter: 99999999999999999d}]",
            "outside of what a calendar has",
        ),
        ("[1]", "must be an object, not a list"),
        ("{", ""),
    ],
)
def test_what_is_no_file_of_tests(text: str, message: str) -> None:
    assert message in faults(text)[0][2]


@pytest.mark.parametrize(
    ("value", "span", "text"),
    [
        (1500, timedelta(seconds=1.5), "1s500ms"),
        ("1h30m", timedelta(hours=1.5), "1h30m"),
        ("90s", timedelta(seconds=90), "1m30s"),
        ("14d", timedelta(days=14), "14d"),
        (0, timedelta(), "0s"),
    ],
)
def test_durations(value: Any, span: timedelta, text: str) -> None:
    assert duration(value) == span
    assert duration_text(span) == text
    assert duration(text) == span


def test_moments() -> None:
    assert moment_text(moment("2026-01-25t10:00:00+01:00")) == "2026-01-25T09:00:00Z"
    assert moment_text(moment("2026-01-25T09:00:00.250Z")) == "2026-01-25T09:00:00.250Z"


def test_a_bundle_is_no_test_and_that_is_all_that_is_said() -> None:
    assert faults("exportedAt: x\nformat: alga-psa.workflow-bundle\nworkflows: []\n") == [
        (2, 1, "is a bundle of workflows and no file of tests")
    ]
