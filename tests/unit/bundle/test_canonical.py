"""Canonical bytes: the C path and the plain path agree, and the text depends on the value only."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strategies import json_values
from wfsync.bundle.canonical import canonical_bytes, compact_bytes, is_plain_text, parse_exact, plain_canonical_bytes
from wfsync.bundle.numbers import canonical_number, parse_number
from wfsync.bundle.parse import parse, read_document


def exact(tree: object) -> object:
    """The tree as a reader would hold it: numbers through their text."""
    return parse_exact(plain_canonical_bytes(tree))


@given(json_values())
@example({"\ue000": 1, "\U0001f600": 2})
@example([10**21, 10**21 - 1, 1e-7, 1e-6, 123456789012345678901])
def test_fast_and_plain_writers_agree(tree: object) -> None:
    tree = exact(tree)
    assert canonical_bytes(tree) == plain_canonical_bytes(tree)


@given(json_values())
def test_canonicalising_canonical_bytes_changes_nothing(tree: object) -> None:
    data = plain_canonical_bytes(tree)
    assert canonical_bytes(parse_exact(data)) == data
    assert canonical_bytes(read_document(data, "json", "f").tree) == data


@given(json_values())
def test_compact_text_is_the_same_without_white_space(tree: object) -> None:
    tree = exact(tree)
    assert json.loads(compact_bytes(tree)) == json.loads(canonical_bytes(tree))
    assert canonical_bytes(parse_exact(compact_bytes(tree))) == canonical_bytes(tree)


@given(json_values(), st.sampled_from([None, 1, 4, "\t"]), st.booleans())
def test_the_fast_reader_gives_what_the_strict_one_gives(tree: object, indent: int | str | None, ascii_: bool) -> None:
    data = json.dumps(tree, indent=indent, ensure_ascii=ascii_).encode()
    fast, strict = parse(data, "json", "f"), read_document(data, "json", "f")
    assert plain_canonical_bytes(fast.tree) == plain_canonical_bytes(strict.tree)
    assert fast.is_canonical == (plain_canonical_bytes(strict.tree) == data)


@given(json_values(), st.sampled_from([0, orjson.OPT_INDENT_2]), st.sampled_from([b"", b"\n", b"\n\n"]))
def test_texts_of_serialisers_are_recognised(tree: object, options: int, end: bytes) -> None:
    tree = exact(tree)
    try:
        data = orjson.dumps(tree, option=options) + end
    except TypeError:  # a number that orjson does not take
        return
    parsed = parse_exact(data)
    if is_plain_text(data, parsed):
        strict = read_document(data, "json", "f")
        assert plain_canonical_bytes(parsed) == plain_canonical_bytes(strict.tree)
    else:
        assert any(character in data for character in b"eE.")  # a number that canonical text spells otherwise
    assert plain_canonical_bytes(parse(data, "json", "f").tree) == plain_canonical_bytes(tree)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{\n  "a": 1,\n  "a": 1\n}',
        b'{"a":1.0}',
        b'{"a":1E2}',
        b'{"a":123456789012345678901234567890}',
        b'{"a" :1}',
        b'{"a":"\\u0061"}',
        b' {"a":1}',
        b'{"a":1}\r\n',
    ],
)
def test_other_texts_are_not_taken_for_a_serialisers(data: bytes) -> None:
    assert not is_plain_text(data, parse_exact(data))


def test_keys_are_in_utf16_order() -> None:
    # UTF-8 puts U+E000 before U+1F600, UTF-16 after it: the surrogates lie below
    assert canonical_bytes({"\ue000": 1, "\U0001f600": 2, "a": 3}).decode() == (
        '{\n  "a": 3,\n  "\U0001f600": 2,\n  "\ue000": 1\n}\n'
    )


@pytest.mark.parametrize(
    "tree",
    [
        {"\U0001f600": 1, "\ufb33": 2},
        {"a": [{"b": {"\U0001f600": 1, "\ue000": 2}}]},
        {"\uffff": 1, "x\U0010ffff": 2},
        {"\uff21": "\U0001f600", "\ue000": 1, "a": ["\U00020000"]},
        {"a": "\U0001f9fe\ufe0f", "b": 2},
        {"\U0001f600": 1, "z": 2},
    ],
)
def test_characters_beyond_the_basic_plane_keep_the_order_of_keys(tree: object) -> None:
    assert canonical_bytes(tree) == plain_canonical_bytes(tree)
    assert compact_bytes(tree) == orjson.dumps(orjson.loads(plain_canonical_bytes(tree)))  # in the order of the text


def test_layout_of_the_text() -> None:
    tree = {"b": [], "a": {}, "c": [1, {"x": None}], "ä": '\u2028\x7f\x01"\\'}
    assert canonical_bytes(tree).decode() == (
        '{\n  "a": {},\n  "b": [],\n  "c": [\n    1,\n    {\n      "x": null\n    }\n  ],\n'
        '  "ä": "\u2028\x7f\\u0001\\"\\\\"\n}\n'
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "18446744073709551616"),
        ("1e21", "1e+21"),
        ("1000000000000000000000", "1e+21"),
        ("1180591620717411303424", "1180591620717411303424"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("1E-7", "1e-7"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("1e-400", "0"),
    ],
)
def test_numbers(text: str, canonical: str) -> None:
    assert canonical_bytes(parse_exact(text.encode())).decode() == canonical + "\n"
    assert canonical_bytes(read_document(text.encode(), "json", "f").tree).decode() == canonical + "\n"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**25), max_value=10**25))
def test_a_round_trip_through_jsonb_spelling_changes_nothing(value: Decimal) -> None:
    # numeric writes every digit and keeps the scale: 1e21 has 22 digits, 1.50 stays 1.50
    stored = format(value, "f")
    text = canonical_number(parse_number(stored))
    assert canonical_number(parse_number(text)) == text
    assert canonical_number(parse_number(format(Decimal(text), "f"))) == text


@pytest.mark.parametrize("bad", ["\ud800", {"\udfff": 1}])
def test_a_lone_surrogate_is_refused(bad: object) -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical_bytes(bad)


def test_a_number_beyond_binary64_is_refused() -> None:
    with pytest.raises(ValueError, match="bits"):
        canonical_bytes(10**400)


def test_trees_that_orjson_refuses_still_have_a_text() -> None:
    deep: object = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(orjson.JSONEncodeError):
        orjson.dumps(deep)
    assert canonical_bytes(deep) == plain_canonical_bytes(deep)
