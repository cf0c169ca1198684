"""Patterns of expectations: subset, equality, operators; by property too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.testing.matching import MISSING, equal, invalid_patterns, mismatches

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text("ab$", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def matches(pattern: Any, value: Any) -> bool:
    return next(mismatches(pattern, value), None) is None


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": {}}, {"a": {"b": 1}}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        (1, 1.0),
        ({}, {"a": 1}),
        ([], []),
        ({"$any": True}, None),
        ({"a": {"$absent": True}}, {}),
        ({"$matches": "b.d"}, "abcde"),
        ({"$exactly": {"a": [1]}}, {"a": [1]}),
        ({"$exactly": {"$any": True}}, {"$any": True}),
        ({"$secret": "NAME"}, {"$secret": "NAME"}),
    ],
)
def test_what_matches(pattern: Any, value: Any) -> None:
    assert matches(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value", "path"),
    [
        ({"a": 1}, {"a": True}, ("a",)),
        ({"a": 0}, {"a": False}, ("a",)),
        ({"a": 1}, {}, ("a",)),
        ({"a": None}, {}, ("a",)),
        ({"a": 1}, [1], ()),
        ([1], {"0": 1}, ()),
        ([1, 2], [1], (1,)),
        ([1], [1, 2], (1,)),
        ([1, 2], [2, 1], (0,)),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, ("a", 0, "b")),
        ({"a": {"$any": True}}, {}, ("a",)),
        ({"a": {"$absent": True}}, {"a": None}, ("a",)),
        ({"$matches": "^b"}, "ab", ()),
        ({"$matches": "1"}, 1, ()),
        ({"$exactly": {"a": 1}}, {"a": 1, "b": 2}, ()),
    ],
)
def test_what_does_not_and_where(pattern: Any, value: Any, path: tuple[str | int, ...]) -> None:
    assert next(mismatches(pattern, value)).path == path


def test_every_difference_is_named() -> None:
    found = list(mismatches({"a": 1, "b": {"c": 2}, "d": [1, 2, 3]}, {"a": 2, "b": {}, "d": [1]}))
    assert [(one.path, one.expected, one.actual) for one in found] == [
        (("a",), 1, 2),
        (("b", "c"), 2, MISSING),
        (("d", 1), 2, MISSING),
    ]
    assert found[-1].note == "3 expected, 1 there"


@given(JSON)
def test_everything_matches_itself_exactly(value: Any) -> None:
    assert matches({"$exactly": value}, value)
    assert equal(value, value)


@given(JSON, JSON)
def test_exactly_is_equality_and_a_plain_pattern_never_wants_more(one: Any, other: Any) -> None:
    assert matches({"$exactly": one}, other) == equal(one, other)
    if matches({"$exactly": one}, other):
        assert matches(one, other)


@given(st.dictionaries(st.text("abc", max_size=2), JSON, max_size=4), st.data())
def test_a_part_of_an_object_matches_it(value: dict[str, Any], data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(value)))) if value else set()
    assert matches({name: value[name] for name in kept}, value)


def test_patterns_that_are_none() -> None:
    faults = dict(
        invalid_patterns(
            {"a": {"$matches": "(?=x)"}, "b": [{"$any": False}], "c": {"$regex": "x"}, "d": {"$any": True, "e": 1}}
        )
    )
    assert set(faults) == {("a", "$matches"), ("b", 0, "$any"), ("c", "$regex"), ("d", "$any")}
    assert (
        list(
            invalid_patterns(
                {
                    "$exactly": {"$regex": "x"},
                }
            )
        )
        == []
    )


def test_an_expression_that_would_backtrack_for_ever_does_not() -> None:
    assert not matches({"$matches": "^(a+)+$"}, "a" * 5000 + "b")
