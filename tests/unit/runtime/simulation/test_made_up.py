"""Values made up from schemas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.bundle.json_schema import compile_schema
from wfsync.runtime.simulation.made_up import from_name, from_schema


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"default": "d", "type": "string"}, "d"),
        ({"examples": ["e", "f"]}, "e"),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"anyOf": [{"type": "null"}, {"const": 3}]}, 3),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"$ref": "#/definitions/n", "definitions": {"n": {"const": 9}}}, 9),
        ({"type": "array", "items": {"const": 1}, "minItems": 3}, [1, 1, 1]),
        ({"type": "string", "format": "uuid"}, "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_the_simplest_value(schema: Any, value: Any) -> None:
    assert from_schema(schema) == value


LEAVES = st.one_of(
    st.builds(
        lambda n, w: {"type": "integer", "minimum": n, "maximum": n + w}, st.integers(-50, 50), st.integers(0, 9)
    ),
    st.builds(lambda n: {"type": "integer", "exclusiveMinimum": n}, st.integers(-50, 50)),
    st.builds(lambda n: {"type": "number", "exclusiveMaximum": n}, st.integers(-50, 50)),
    st.builds(lambda n: {"type": "integer", "multipleOf": n}, st.integers(1, 9)),
    st.builds(
        lambda n, w: {"type": "string", "minLength": n, "maxLength": n + w}, st.integers(0, 40), st.integers(0, 9)
    ),
    st.sampled_from(["date-time", "date", "email", "uri", "uuid", "ipv4", "hostname"]).map(
        lambda f: {"type": "string", "format": f}
    ),
    st.just({"type": "boolean"}),
    st.just(True),
    st.lists(st.integers(), min_size=1, max_size=3).map(lambda values: {"enum": values}),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda one, n: {"type": "array", "items": one, "minItems": n}, inner, st.integers(0, 3)),
        st.dictionaries(st.sampled_from(["a", "b", "total", "email"]), inner, max_size=3).map(
            lambda members: {"type": "object", "properties": members, "required": sorted(members)}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda many: {"anyOf": many}),
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_a_value_fits_its_schema(schema: Any) -> None:
    assert compile_schema(schema).faults(from_schema(schema)) == ()


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    node: Any = {"$ref": "#/definitions/node"}
    endless = {"definitions": {"node": {"type": "object", "required": ["next"], "properties": {"next": node}}}, **node}
    assert "next" in from_schema(endless)
    from_schema({"$ref": "#"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("billingEmail", "someone@example.com"),
        ("amountDue", 1),
        ("ids", ["made-up ids"]),
        ("endsOn", "2026-01-25"),
        ("isOpen", True),
        ("name", "made-up name"),
        ("on", "made-up on"),
    ],
)
def test_a_name_without_a_schema_gives_a_hint(name: str, value: Any) -> None:
    assert from_name(name) == value
