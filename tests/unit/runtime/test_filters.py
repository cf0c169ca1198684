"""Filters of event waits (runtime.md "Node types")."""

from __future__ import annotations

import pytest

from wfsync.bundle.model import Json
from wfsync.runtime.filters import OPERATORS, filter_faults, matches

PAYLOAD = {
    "status": "paid",
    "n": 5,
    "flag": True,
    "none": None,
    "tags": ["a", 1],
    "deep": {"items": [{"sku": "x"}]},
    "text": "renewal-2026",
}


@pytest.mark.parametrize(
    ("path", "op", "value", "holds"),
    [
        ("status", "=", "paid", True),
        ("status", "=", "open", False),
        ("gone", "=", None, False),
        ("none", "=", None, True),
        ("n", "=", 5.0, True),
        ("flag", "=", 1, False),
        ("tags", "=", ["a", 1], True),
        ("tags", "=", ["a", True], False),
        ("deep", "=", {"items": [{"sku": "x"}]}, True),
        ("status", "!=", "open", True),
        ("status", "!=", "paid", False),
        ("gone", "!=", "x", True),
        ("status", "in", ["paid", "credited"], True),
        ("status", "in", ["open"], False),
        ("gone", "in", ["open"], False),
        ("flag", "in", [1], False),
        ("status", "not_in", ["open"], True),
        ("status", "not_in", ["paid"], False),
        ("gone", "not_in", ["paid"], True),
        ("none", "exists", None, True),
        ("gone", "exists", None, False),
        ("gone", "not_exists", None, True),
        ("none", "not_exists", None, False),
        ("n", ">", 4, True),
        ("n", ">", 5, False),
        ("n", ">=", 5, True),
        ("n", "<", 5.5, True),
        ("n", "<=", 5, True),
        ("n", "<=", 4, False),
        ("n", ">", "4", False),
        ("flag", ">", 0, False),
        ("none", ">", 0, False),
        ("gone", "<", 1, False),
        ("status", ">", "open", True),
        ("text", "contains", "newal", True),
        ("text", "contains", "x", False),
        ("tags", "contains", "a", True),
        ("tags", "contains", True, False),
        ("n", "contains", 5, False),
        ("text", "starts_with", "renewal", True),
        ("text", "starts_with", "2026", False),
        ("text", "ends_with", "2026", True),
        ("n", "ends_with", "5", False),
        ("deep.items.0.sku", "=", "x", True),
        ("deep.items[0].sku", "=", "x", True),
        ("/deep/items/0/sku", "=", "x", True),
        ("payload.status", "=", "paid", True),
        ("deep.items.9.sku", "exists", None, False),
    ],
)
def test_each_operator(path: str, op: str, value: Json, holds: bool) -> None:
    assert matches(PAYLOAD, [{"path": path, "op": op, "value": value}]) is holds


def test_all_filters_must_hold() -> None:
    yes, no = {"path": "n", "op": "=", "value": 5}, {"path": "n", "op": "=", "value": 6}
    assert matches(PAYLOAD, [])
    assert matches(PAYLOAD, [yes, yes])
    assert not matches(PAYLOAD, [yes, no])


def test_the_operators_are_those_of_runtime_md() -> None:
    listed = "= != in not_in exists not_exists > >= < <= contains starts_with ends_with"
    assert list(OPERATORS) == listed.split()


@pytest.mark.parametrize("payload", [None, 1, "text", [], True])
def test_a_payload_that_is_no_object_has_nothing_at_any_path(payload: Json) -> None:
    assert matches(payload, [{"path": "a", "op": "not_exists"}])


@pytest.mark.parametrize(
    "one",
    [{}, {"path": "n"}, {"path": 1, "op": "="}, {"path": "n", "op": "like", "value": 1}, {"path": "n", "op": ["="]}],
)
def test_a_malformed_filter_matches_nothing_and_is_a_fault(one: dict[str, Json]) -> None:
    assert not matches(PAYLOAD, [one])
    assert len(filter_faults([one])) == 1


def test_faults_name_every_filter_that_is_wrong() -> None:
    faults = filter_faults([{"path": "a", "op": "in", "value": 1}, 7, {"path": "a", "op": "exists"}])
    assert [fault[:3] for fault in faults] == ["[0]", "[1]"]
    assert filter_faults({}) == ["must be a list"]
