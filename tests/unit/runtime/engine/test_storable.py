"""What goes through jsonb and comes back is what the live machine saw."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from wfsync.runtime.engine.storable import storable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(VALUES)
def test_it_is_the_same_value_as_far_as_json_can_say_and_changes_no_more(value: object) -> None:
    once = storable(value)
    assert storable(once) == once
    assert _like(once, value)


def _like(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or isinstance(left, str):
        return left is right or left == right
    if isinstance(left, list) and isinstance(right, list):
        return all(map(_like, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_like(left[name], right[name]) for name in left)
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    return math.isclose(left, right, rel_tol=1e-12) or left == float(right)


def test_what_jsonb_writes_otherwise() -> None:
    assert math.copysign(1, storable(-0.0)) == 1
    assert isinstance(storable(1e17), int)
    assert isinstance(storable(2**70), float)
    assert isinstance(storable(1e300), float)
    same = {"a": [1, 2.5, "x", None, True]}
    assert storable(same) is same
