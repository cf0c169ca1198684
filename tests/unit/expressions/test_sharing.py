"""One compiled expression on many threads, and what is told to be sound without being parsed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wfsync.expressions import Expression, check_expression, compile_expression
from wfsync.expressions.recognise import is_plainly_sound
from wfsync.expressions.syntax import parse

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SHARED = (
    "payload.rows[price > $$.payload.least].(sku & '-' & $string(price))",
    "($x := payload.rows; $y := $x^(>price); $y[0].sku & $count($x))",
    "$map(payload.rows.sku, $pad(?, 5, '.')) ~> $join('|')",
    "payload.rows@$r.{'sku': $r.sku, 'n': $count($$.payload.rows)}",
    "payload.rows{sku: $sum(price)}",
    "$replace(payload.rows[0].sku & 'xx', /x/, '$0-')",
    "$fromMillis($toMillis(nowIso()) + payload.least)",
)


def _scope(number: int) -> dict[str, Any]:
    rows = [{"sku": f"s{number}-{n}", "price": (n * 7 + number) % 11} for n in range(number % 7 + 2)]
    return {"payload": {"least": number % 5, "rows": rows}}


def test_a_shared_expression_gives_each_thread_its_own_value() -> None:
    expected = {
        (text, number): Expression(text).evaluate(_scope(number), NOW) for text in SHARED for number in range(40)
    }

    def evaluated(case: tuple[str, int]) -> bool:
        text, number = case
        return bool(compile_expression(text).evaluate(_scope(number), NOW) == expected[case])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(evaluated, list(expected) * 5, chunksize=7))


_names = st.sampled_from(
    ["payload", "vars.a", "a.b.c", "and", "or", "in", "true", "null", "function", "order", "inner"]
)
_atoms = _names | st.sampled_from(["'x'", '"a b"', "1", "-2.5", "0", "007", "1e5", "5x", "''", "'\\n'", "a.true", ".5"])
_operators = st.sampled_from(
    [" ", "=", "==", " != ", "<=", " and ", " in ", "and", " & ", "+", "-", " - -", "*", ",", "."]
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=3).map(", ".join)
    named = st.sampled_from(["coalesce", "$len", "toString", "$string", "string", "$eval", "nowIso", "$", "x.len"])
    return (
        st.tuples(inner, _operators, inner).map("".join)
        | st.tuples(named, several).map(lambda parts: f"{parts[0]}({parts[1]})")
        | several.map(lambda items: f"[{items}]")
        | inner.map(lambda item: f"( {item} )")
    )


@settings(max_examples=1500, deadline=None)
@given(text=st.recursive(_atoms, _nested, max_leaves=8))
def test_what_looks_sound_is(text: str) -> None:
    if is_plainly_sound(text):
        Expression(text)


def test_most_of_what_people_write_looks_sound() -> None:
    for text in (
        "payload.ticket.id",
        "'offer-' & payload.contractId",
        "coalesce(vars.event.next, 'offer')",
        "vars.kind in ['order.created', 'order.cancelled']",
        "vars.a == 1 and payload.b != null",
        "len(vars.low) = 0",
    ):
        assert is_plainly_sound(text)
    assert not is_plainly_sound("payload.items[price > 1]")
    assert check_expression("payload.items[price > 1]") is None


def test_a_long_chain_that_looks_sound_is_not_too_deep() -> None:
    text = "&".join("a" * 150)
    assert is_plainly_sound(text)
    assert parse(text) is not None
