"""The laws of numbers: exact, one text per value, never unbounded work."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.bundle.numbers import OutOfRange, canonical_number, ecmascript, parse_number

digits = st.text("0123456789", min_size=1, max_size=40)


@st.composite
def json_numbers(draw: st.DrawFn) -> str:
    whole = draw(digits).lstrip("0") or "0"
    fraction = draw(st.one_of(st.just(""), digits.map(lambda d: "." + d)))
    exponent = draw(st.one_of(st.just(""), st.integers(-330, 250).map(lambda e: f"{draw(st.sampled_from('eE'))}{e}")))
    return draw(st.sampled_from(["", "-"])) + whole + fraction + exponent


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0e5", 0),
        ("0e99999999999999999999", 0),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("1500e-2", 15),
        ("10e-1", 1),
        ("1E+2", 100),
        ("9007199254740993", 9007199254740993),
        ("1e-400", 0),
        ("-1e-400", 0),
        ("9007199254740993.0", 9007199254740993),
        ("1e21", 10**21),
        ("1" * 300, int("1" * 300)),
        ("0.5", 0.5),
        ("1e-999999999999", 0),
        ("-12.50", -12.5),
        ("1e-7", 1e-7),
        ("5e-324", 5e-324),
        ("2e-324", 0),
        ("0." + "0" * 400 + "1e401", 1),
        ("1e-" + "9" * 5000, 0),
        ("1e+0000000000000000000000000000002", 100),
        ("1.7976931348623157e308", 17976931348623157 * 10**292),
    ],
)
def test_value_of_a_text(text: str, value: float) -> None:
    result = parse_number(text)
    assert result == value
    assert isinstance(result, type(value))
    assert math.copysign(1, result) == (1 if value == 0 else math.copysign(1, value))


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "-1e400",
        "1e309",
        "9" * 400,
        "1e999999999",
        "1.8e308",
        "1e" + "9" * 5000,
        "17976931348623159" + "0" * 292,
    ],
)
def test_what_binary64_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(OutOfRange) as caught:
        parse_number(text)
    assert len(str(caught.value)) <= 40


@pytest.mark.parametrize("text", ["", "+1", "01", ".5", "1.", "1e", "NaN", "1_0", " 1", "1\n", "0x1", "١"])
def test_what_is_no_json_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        parse_number(text)


def test_long_texts_cost_their_length_only() -> None:
    started = time.process_time()
    assert parse_number("0." + "3" * 4_000_000) == pytest.approx(1 / 3)
    with pytest.raises(OutOfRange):
        parse_number("7" * 4_000_000)
    assert parse_number("1" + "0" * 4_000_000 + "e-4000000") == 1
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (0.0, "0"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (-1.25e-9, "-1.25e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (100.0, "100"),
        (0.1, "0.1"),
        (333333333.33333329, "333333333.3333333"),
        (4.5, "4.5"),
        (2e-3, "0.002"),
        (1e23, "1e+23"),
        (1e16, "10000000000000000"),
        (9.5e-7, "9.5e-7"),
        (1e20, "100000000000000000000"),
        (1.1e21, "1.1e+21"),
    ],
)
def test_ecmascript_form(value: float, text: str) -> None:
    assert ecmascript(value) == text


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_text_for_what_is_no_number(value: float) -> None:
    with pytest.raises(OutOfRange):
        ecmascript(value)
    with pytest.raises(OutOfRange):
        canonical_number(value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.0", "1"),
        ("1e21", "1e+21"),
        ("1000000000000000000000", "1e+21"),
        ("1.50", "1.5"),
        ("1e-7", "1e-7"),
        ("9007199254740993", "9007199254740993"),
        ("999999999999999999999", "999999999999999999999"),
        ("1000000000000000000001", "1000000000000000000001"),
        ("123e20", "1.23e+22"),
        ("0.10", "0.1"),
        ("-0", "0"),
        ("9007199254740993.5", "9007199254740994"),
        ("1152921504606846976.5", "1152921504606847000"),
        ("1208925819614629174706176.5", "1.2089258196146292e+24"),
        ("1208925819614629174706176", "1208925819614629174706176"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("-1e-400", "0"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert canonical_number(parse_number(text)) == canonical
    assert canonical_number(parse_number(canonical)) == canonical


def test_integers_beyond_binary64_have_no_text() -> None:
    with pytest.raises(OutOfRange, match="bits"):
        canonical_number(10**400)


@given(json_numbers())
def test_text_depends_on_the_value_only(text: str) -> None:
    value = parse_number(text)
    exact = Fraction(Decimal(text))
    if exact.denominator == 1:
        assert type(value) is int
        assert value == exact
    else:
        assert canonical_number(value) == ecmascript(float(text))
    canonical = canonical_number(value)
    again = parse_number(canonical)
    assert again == value
    assert type(again) is type(value)
    assert canonical_number(again) == canonical
    assert float(canonical) == float(text)


@given(json_numbers(), st.integers(0, 30))
def test_another_notation_of_the_same_value_has_the_same_text(text: str, shift: int) -> None:
    exact = Decimal(text)
    other = f"{exact.scaleb(shift)}".lower()
    if "e" in other:
        mantissa, _, exponent = other.partition("e")
    else:
        mantissa, exponent = other, "0"
    moved = f"{mantissa}e{int(exponent) - shift}"
    if Decimal(moved) == exact:  # Decimal rounds to its precision; only exact shifts are comparable
        assert canonical_number(parse_number(moved)) == canonical_number(parse_number(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_ecmascript_text_reads_back_as_the_same_double(value: float) -> None:
    assert float(ecmascript(value)) == value
