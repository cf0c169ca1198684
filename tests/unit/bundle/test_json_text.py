"""The strict JSON reader: everything that is JSON, nothing else, and always the place."""

from __future__ import annotations

import json
import re
import sys
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wfsync.bundle.json_text import read_json
from wfsync.bundle.source_map import Document, SourceMap, pointer
from wfsync.errors import InputError, Place, Problem

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer()),
    texts,
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=25,
)
layouts = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def read(text: str, **options: Any) -> Document:
    return read_json(text.encode(), file="w.json", **options)


def faults(data: bytes | str, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read_json(data.encode() if isinstance(data, str) else data, file="w.json", **options)
    assert caught.value.code == "INVALID_BUNDLE"
    assert {problem.code for problem in caught.value.problems} == {"INVALID_BUNDLE"}
    assert all(problem.place is not None and problem.place.file == "w.json" for problem in caught.value.problems)
    return caught.value.problems


def fault(data: bytes | str, **options: Any) -> Problem:
    (problem,) = faults(data, **options)
    return problem


def typed(tree: Any) -> Any:
    """A form in which True and 1 differ."""
    if isinstance(tree, dict):
        return {key: typed(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [typed(value) for value in tree]
    return "float" if isinstance(tree, float) else type(tree).__name__, tree


def offset(text: str, place: Place) -> int:
    assert place.line is not None
    assert place.column is not None
    return sum(len(line) for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)[: place.line - 1]) + place.column - 1


def paths(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found = [(path, tree)]
    members: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in members:
        found += paths(value, (*path, step))
    return found


@given(trees, layouts)
def test_reads_what_the_standard_library_reads(tree: Any, layout: dict[str, Any]) -> None:
    text = json.dumps(tree, **layout)
    document = read(text)
    assert typed(document.tree) == typed(tree)
    assert document.problems == ()


@given(trees, layouts, st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_place_is_where_the_value_begins(tree: Any, layout: dict[str, Any], line_end: str) -> None:
    text = json.dumps(tree, **layout).replace("\n", line_end)
    document = read(text)
    for path, value in paths(tree):
        place = document.source.value(path)
        assert place.pointer == pointer(path)
        if isinstance(value, dict | list):
            assert text[offset(text, place)] == ("{" if isinstance(value, dict) else "[")
        else:
            assert typed(json.JSONDecoder().raw_decode(text, offset(text, place))[0]) == typed(value)
        if path and isinstance(path[-1], str):
            at = offset(text, document.source.key(path))
            assert json.JSONDecoder().raw_decode(text, at)[0] == path[-1]


def test_the_place_of_what_is_missing_is_its_nearest_ancestor() -> None:
    source = read('{"a": [1, {"b": 2}],\n "a/~": 3}').source
    assert source.value(("a", 1, "c", 5)) == Place("w.json", 1, 11, "/a/1/c/5")
    assert source.key(("a", 1, "b")) == Place("w.json", 1, 12, "/a/1/b")
    assert source.key(("a", 1)) == Place("w.json", 1, 11, "/a/1")
    assert source.key(("x",)) == Place("w.json", 1, 1, "/x")
    assert source.value(("a/~",)) == Place("w.json", 2, 9, "/a~1~0")
    assert SourceMap("only.json").value(("a",)) == Place("only.json", pointer="/a")
    assert SourceMap("only.json").key(("a",)) == Place("only.json", pointer="/a")


def test_a_byte_order_mark_is_ignored() -> None:
    document = read_json(b'\xef\xbb\xbf{"a": 1}', file="w.json")
    assert document.tree == {"a": 1}
    assert document.source.value(("a",)) == Place("w.json", 1, 7, "/a")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_another_encoding_is_a_clear_fault(encoding: str) -> None:
    problem = fault('{"a": "ä"}'.encode(encoding))
    if encoding != "utf-16-le":
        assert encoding.upper() in problem.message
        assert problem.hint == "Save the file as UTF-8."


def test_the_first_bad_byte_is_located_in_characters() -> None:
    problem = fault('{"ä": 1,\r\n "öü'.encode() + b"\xff\xfe")
    assert (problem.place, problem.message) == (Place("w.json", 2, 5), "the byte 0xff is not valid UTF-8")
    assert fault(b'\xef\xbb\xbf["\xed\xa0\x80"]').place == Place("w.json", 1, 3)


def test_all_duplicates_are_reported_with_both_places() -> None:
    problems = faults('{"a": 1,\n "b": {"c": 1, "c": {"c": 1, "c": 2}, "c": 3},\n "\\u0061": 2}')
    assert [(str(p.place), p.place and p.place.pointer, str(p.related[0])) for p in problems] == [
        ("w.json:2:16", "/b/c", "w.json:2:8"),
        ("w.json:2:30", "/b/c/c", "w.json:2:22"),
        ("w.json:2:39", "/b/c", "w.json:2:8"),
        ("w.json:3:2", "/a", "w.json:1:2"),
    ]
    assert '"a"' in problems[-1].message


def test_duplicates_before_a_syntax_fault_are_reported_with_it() -> None:
    problems = faults('[{"a": 1, "a": 2}, {"b": 1, "b": [}')
    assert [(str(p.place), [str(place) for place in p.related]) for p in problems] == [
        ("w.json:1:11", ["w.json:1:3"]),
        ("w.json:1:29", ["w.json:1:21"]),
        ("w.json:1:35", []),
    ]


def test_a_flood_of_duplicates_is_counted_not_listed() -> None:
    problems = faults('{"a":1' + ',"a":1' * 5000 + "}")
    assert len(problems) == 1001
    assert problems[-1].message == "4000 more of these"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "empty"),
        (" \n ", "1:1", "empty"),
        ('{"a": 1,}', "1:8", "comma"),
        ('{"a": 1\n,\n}', "2:1", "comma"),
        ("[1, 2, ]", "1:6", "comma"),
        ("[,]", "1:2", "comma"),
        ("[1,,2]", "1:4", "comma"),
        ("{'a': 1}", "1:2", "single quotes"),
        ("{a: 1}", "1:2", "double quotes"),
        ("{1: 1}", "1:2", "double quotes"),
        ("{[1]: 1}", "1:2", "name"),
        ('{"a" 1}', "1:6", "colon"),
        ('{"a"= 1}', "1:5", "colon"),
        ('{"a"', "1:5", "not closed"),
        ('{"a": 1 "b": 2}', "1:9", "comma is missing"),
        ("[1 2]", "1:4", "comma is missing"),
        ("[01]", "1:2", '"01" is not a JSON number'),
        ("[1.]", "1:2", '"1." is not a JSON number'),
        ("[.5]", "1:2", '".5" is not a JSON number'),
        ("[+1]", "1:2", '"+1" is not a JSON number'),
        ("[-]", "1:2", '"-" is not a JSON number'),
        ("[1_000]", "1:2", '"1_000" is not a JSON number'),
        ("[0x1F]", "1:2", '"0x1F" is not a JSON number'),
        ("[NaN]", "1:2", "NaN"),
        ("[-Infinity]", "1:2", "-Infinity"),
        ("[True]", "1:2", "True"),
        ("[None]", "1:2", "None"),
        ("[trueish]", "1:2", '"trueish"'),
        ("[nul]", "1:2", '"nul"'),
        ("// comment\n{}", "1:1", "no comments"),
        ("{} # comment", "1:4", "no comments"),
        ('{"a": 1 /* x */}', "1:9", "no comments"),
        ("{/* x */}", "1:2", "no comments"),
        ("[1}", "1:3", "must close the ["),
        ('{"a": 1]', "1:8", "must close the {"),
        ("[1", "1:3", "not closed"),
        ('{"a": [1, {"b": 1', "1:18", "not closed"),
        ('{"a":', "1:6", "not closed"),
        ("{", "1:2", "not closed"),
        ("{} {}", "1:4", "more text follows"),
        ("[1]]", "1:4", "more text follows"),
        ('"ab', "1:1", "no closing"),
        ('"a\nb"', "1:3", "line break"),
        ('"a\tb"', "1:3", "U+0009"),
        ('["\0"]', "1:3", "U+0000"),
        ('{"a\1": 1}', "1:4", "U+0001"),
        ('["\\x41"]', "1:3", "escape"),
        ('["\\u12"]', "1:3", "escape"),
        ("[1: 2]", "1:3", "colon"),
        ('{"a": 1: 2}', "1:8", "expected"),
        ("[1\u00a0]", "1:3", "expected"),
        ("\u2028[]", "1:1", "expected"),
        ("[1]\0", "1:4", "more text"),
    ],
)
def test_syntax_faults_are_located_and_explained(text: str, place: str, words: str) -> None:
    problem = fault(text)
    assert str(problem.place) == f"w.json:{place}"
    assert words in problem.message
    assert problem.message.startswith("not valid JSON: ")
    assert problem.message.isprintable()


def test_an_unclosed_bracket_is_shown() -> None:
    problem = fault('{"steps": [\n  {"id": "a"},\n  {"id": "b"\n]}')
    assert str(problem.place) == "w.json:4:1"
    assert [str(place) for place in problem.related] == ["w.json:3:3"]
    assert problem.place is not None
    assert problem.place.pointer == "/steps/1"


def test_values_that_jsonb_cannot_hold_are_kept_as_problems() -> None:
    document = read(
        '["\\u0000", {"\\ud800": 1e400, "\\udfff": "a\\udc00b"},\n "\\ud83d\\ude00", -1e999999999, "\\ufffd"]'
    )
    assert document.tree == ["\ufffd", {"\ufffd": 0, "\ufffd\ufffd": "a\ufffdb"}, "😀", 0, "\ufffd"]
    assert [(p.code, str(p.place), p.place and p.place.pointer) for p in document.problems] == [
        ("INVALID_VALUE", "w.json:1:2", "/0"),
        ("INVALID_VALUE", "w.json:1:13", "/1/\ufffd"),
        ("INVALID_VALUE", "w.json:1:23", "/1/\ufffd"),
        ("INVALID_VALUE", "w.json:1:30", "/1/\ufffd"),
        ("INVALID_VALUE", "w.json:1:40", "/1/\ufffd"),
        ("INVALID_VALUE", "w.json:2:18", "/3"),
    ]
    assert "U+0000" in document.problems[0].message
    assert "U+D800" in document.problems[1].message
    assert "-1e999999999" in document.problems[-1].message


def test_a_stand_in_for_a_name_repeats_no_other_name() -> None:
    document = read('[{"\\ud800": 1, "\ufffd": 2}, {"\ufffd": 1, "\\u0000": [2]}]')
    assert document.tree == [{"\ufffd": 1, "\ufffd\ufffd": 2}, {"\ufffd": 1, "\ufffd\ufffd": [2]}]
    assert [str(problem.place) for problem in document.problems] == ["w.json:1:3", "w.json:1:34"]


def test_a_flood_of_bad_values_is_counted_not_listed() -> None:
    document = read("[" + ",".join(['"\\u0000"'] * 1500) + "]")
    assert len(document.problems) == 1001
    assert document.problems[-1].message == "500 more of these"


def test_numbers_are_exact() -> None:
    tree = read("[1.0, 1e3, 9007199254740993, 1.50, -0, -0.0, 1e21, 1e-7, " + "1" * 309 + "]").tree
    assert typed(tree) == typed([1, 1000, 9007199254740993, 1.5, 0, 0, 10**21, 1e-7, int("1" * 309)])
    assert read("[" + "1" * 310 + "]").problems[0].code == "INVALID_VALUE"


@pytest.mark.parametrize("depth", [1, 2, 200])
def test_depth_up_to_the_limit_is_read(depth: int) -> None:
    assert read("[" * depth + "]" * depth, max_depth=depth).tree is not None
    problem = fault("[" * (depth + 1) + "]" * (depth + 1), max_depth=depth)
    assert str(problem.place) == f"w.json:1:{depth + 1}"
    assert f"{depth} levels" in problem.message
    assert fault('{"a":' * depth + "[]" + "}" * depth, max_depth=depth).message == problem.message


@pytest.mark.parametrize("bomb", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "[[],[{}," * 50_000])
def test_depth_bombs_cost_nothing(bomb: str) -> None:
    tracemalloc.start()
    try:
        started = time.process_time()
        assert "nested deeper than 200 levels" in fault(bomb).message
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_sixteen_mebibytes_in_reasonable_time() -> None:
    step = {
        "id": "step-1",
        "type": "action.call",
        "config": {"actionId": "a.b", "version": 1, "to": {"$expr": "payload.x"}},
    }
    traced = sys.gettrace() is not None  # coverage slows the loop down by an order of magnitude
    mebibytes = 1 if traced else 16
    steps = mebibytes * 1024 * 1024 // len(json.dumps(step))
    data = json.dumps([step] * steps).encode()
    started = time.process_time()
    assert len(read_json(data, file="w.json").tree) == steps
    if not traced:
        assert time.process_time() - started < mebibytes / 3  # 3 MB/s; 8 on the machine where this was written


@given(st.binary(max_size=60))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe[")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@settings(max_examples=300)
@given(trees, layouts, st.data())
def test_any_damage_is_read_or_refused(tree: Any, layout: dict[str, Any], data: st.DataObject) -> None:
    text = bytearray(json.dumps(tree, **layout).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(
                st.binary(max_size=2),
                st.sampled_from([b",", b'"', b"{", b"]", b":", b"\\u", b"\\", b"1e9", b"'", b"/"]),
            )
        )
    read_or_refuse(bytes(text))


def rounded(tree: Any) -> Any:
    """``tree`` with every number as the nearest float: we read ``-1.69e133`` exactly, the standard library does not."""
    if isinstance(tree, dict):
        return {name: rounded(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [rounded(value) for value in tree]
    return tree if isinstance(tree, bool) or not isinstance(tree, int) or abs(tree) < 2**53 else float(tree)


def read_or_refuse(data: bytes) -> None:
    """Accepts exactly what the standard library accepts, except what is refused on purpose."""
    expected = standard(data)
    document, problems = attempt(data)
    if document is not None:
        assert not isinstance(expected, Refused)
        assert document.problems or rounded(document.tree) == rounded(expected)
        return
    assert problems
    assert all(problem.place is not None and problem.place.line for problem in problems)
    assert all(problem.message.isprintable() for problem in problems)
    assert isinstance(expected, Refused) or any("more than once" in problem.message for problem in problems)


def attempt(data: bytes) -> tuple[Document | None, tuple[Problem, ...]]:
    try:
        return read_json(data, file="w.json"), ()
    except InputError as error:
        return None, error.problems


class Refused(Exception):
    """The standard library does not read this either."""


def standard(data: bytes) -> Any:
    def constant(name: str) -> None:
        raise ValueError(name)

    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=constant)
    except ValueError as error:
        return Refused(str(error))
