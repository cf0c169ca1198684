"""The strict YAML reader: YAML 1.2's core schema, one document, bounded aliases, and always the place."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wfsync.bundle.source_map import Document, pointer
from wfsync.bundle.yaml_events import PurePythonParser, default_parser
from wfsync.bundle.yaml_text import has_comments, read_yaml
from wfsync.bundle.yaml_write import write_yaml
from wfsync.errors import InputError, Place, Problem

PARSERS = [default_parser(), PurePythonParser]
both_parsers = pytest.mark.parametrize("parser", PARSERS, ids=["fastest", "pure"])

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(-1e9, 1e9).filter(lambda n: n % 1 != 0), texts)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=15,
)


def read(text: str | bytes, **options: Any) -> Document:
    return read_yaml(text.encode() if isinstance(text, str) else text, file="w.yaml", **options)


def attempt(data: bytes, **options: Any) -> tuple[Document | None, tuple[Problem, ...]]:
    try:
        return read(data, **options), ()
    except InputError as error:
        return None, error.problems


def faults(text: str | bytes, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read(text, **options)
    assert caught.value.code == "INVALID_BUNDLE"
    assert {problem.code for problem in caught.value.problems} == {"INVALID_BUNDLE"}
    return caught.value.problems


def fault(text: str | bytes, **options: Any) -> Problem:
    (problem,) = faults(text, **options)
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
    return sum(len(line) for line in re.split(r"(?<=\n)", text)[: place.line - 1]) + place.column - 1


def paths(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found = [(path, tree)]
    members: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in members:
        found += paths(value, (*path, step))
    return found


@both_parsers
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("~", None),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("FALSE", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("nULL", "nULL"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("0x_1", "0x_1"),
        ("0", 0),
        ("-0", 0),
        ("+1", 1),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0xff", 255),
        ("-0x1F", "-0x1F"),
        ("0o8", "0o8"),
        ("1.0", 1),
        ("1.", 1),
        (".5", 0.5),
        ("-.5", -0.5),
        ("+1.50", 1.5),
        ("1e3", 1000),
        ("1E-3", 0.001),
        (".5e1", 5),
        ("9007199254740993", 9007199254740993),
        ("1e21", 10**21),
        ("1e", "1e"),
        (".", "."),
        ("+", "+"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|-\n  1", "1"),
        (">-\n  a\n  b", "a b"),
        ("a\n  b", "a b"),
        ('"a\\\n  b"', "ab"),
    ],
)
def test_scalars_mean_what_the_core_schema_says(text: str, value: Any, parser: Any) -> None:
    assert typed(read(f"x: {text}\n", parser=parser).tree) == typed({"x": value})


@both_parsers
def test_numbers_and_characters_that_cannot_be_stored_are_kept_as_problems(parser: Any) -> None:
    text = 'a: .inf\nb: [-.INF, .nan]\nc: 1e400\n"d\\0": "\\ud800"\ne: "\\ud83d\\ude00\\U0000d800"\nf: 0x1' + "0" * 300
    document = read(text, parser=parser)
    assert document.tree == {"a": 0, "b": [0, 0], "c": 0, "d\ufffd": "\ufffd", "e": "😀\ufffd", "f": 0}
    assert [(str(p.place), p.place and p.place.pointer) for p in document.problems] == [
        ("w.yaml:1:4", "/a"),
        ("w.yaml:2:5", "/b/0"),
        ("w.yaml:2:12", "/b/1"),
        ("w.yaml:3:4", "/c"),
        ("w.yaml:4:1", ""),
        ("w.yaml:4:8", "/d\ufffd"),
        ("w.yaml:5:4", "/e"),
        ("w.yaml:6:4", "/f"),
    ]
    assert {problem.code for problem in document.problems} == {"INVALID_VALUE"}
    assert document.problems[0].message == "JSON has no .inf"
    assert "1e400" in document.problems[3].message


@both_parsers
def test_tabs_may_separate_what_indentation_does_not_order(parser: Any) -> None:
    assert read('{\n\t"a": 1,\t"b": [\n\t\t2\t]}\t# c\n', parser=parser).tree == {"a": 1, "b": [2]}
    assert read("a: \t1\t# c\nb:\t2\n", parser=parser).tree == {"a": 1, "b": 2}


@given(trees)
def test_json_is_yaml(tree: Any) -> None:
    text = json.dumps(tree, indent=2)
    expected = json.loads(text)
    assert typed(read(text).tree if tree is not None else None) == typed(expected)


@both_parsers
@settings(max_examples=50)
@given(tree=trees)
def test_every_place_is_where_the_value_begins(tree: Any, parser: Any) -> None:
    text = write_yaml(tree).decode()
    source = read(text, parser=parser).source
    for path, value in paths(tree):
        place = source.value(path)
        assert place.pointer == pointer(path)
        if not isinstance(value, dict | list) or not value:
            written = write_yaml(value).decode().rstrip("\n")
            assert text.startswith(written, offset(text, place)) or "\n" in str(value)
        if path and isinstance(path[-1], str):
            written = write_yaml(path[-1]).decode().rstrip("\n")
            assert text.startswith(written, offset(text, source.key(path)))


@both_parsers
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_and_columns_count_characters(line_end: str, parser: Any) -> None:
    text = "# ä 😀\na: 1\nlist:\n  - é: 😀\n    b: |\n      text\n      more\n  - c\n".replace("\n", line_end)
    document = read("\ufeff" + text, parser=parser)
    assert document.tree == {"a": 1, "list": [{"é": "😀", "b": "text\nmore\n"}, "c"]}
    assert document.source.value(("a",)) == Place("w.yaml", 2, 4, "/a")
    assert document.source.key(("list", 0, "b")) == Place("w.yaml", 5, 5, "/list/0/b")
    assert document.source.value(("list", 0, "é")) == Place("w.yaml", 4, 8, "/list/0/é")
    assert document.source.value(("list", 1)) == Place("w.yaml", 8, 5, "/list/1")


@both_parsers
def test_unicode_line_separators_are_ordinary_characters(parser: Any) -> None:
    text = 'a: "x \x85 y\u2028z"\nb: p\u2029q # c\u2028: 1\nc: \ufeffx\n\ue000: "\\ue001"\n'
    assert read(text, parser=parser).tree == {
        "a": "x \x85 y\u2028z",
        "b": "p\u2029q",
        "c": "\ufeffx",
        "\ue000": "\ue001",
    }


def test_all_duplicates_are_reported_with_both_places() -> None:
    problems = faults('a: 1\nb:\n  c: 1\n  "c": {d: 1, d: 2}\na: 3\n? a\n: 4\n')
    assert [(str(p.place), p.place and p.place.pointer, str(p.related[0])) for p in problems] == [
        ("w.yaml:4:3", "/b/c", "w.yaml:3:3"),
        ("w.yaml:4:15", "/b/c/d", "w.yaml:4:9"),
        ("w.yaml:5:1", "/a", "w.yaml:1:1"),
        ("w.yaml:6:3", "/a", "w.yaml:1:1"),
    ]


def test_names_that_are_no_texts_are_refused_each() -> None:
    problems = faults("1: a\ntrue: b\n~: c\n.inf: d\n? \n: e\n&x 5: f\n*x : g\n'1': h\n")
    assert [str(problem.place) for problem in problems[:6]] == [f"w.yaml:{line}:1" for line in (1, 2, 3, 4)] + [
        "w.yaml:5:2",
        "w.yaml:7:1",
    ]
    assert problems[0].message == "the name 1 is not a text"
    assert problems[0].hint == "Put the name in quotes."


def test_names_that_yaml_1_1_reads_otherwise_are_texts() -> None:
    assert read("on: 1\nno: 2\n2024-01-01: 3\n<<: {a: 1}\ny: 4\n").tree == {
        "on": 1, "no": 2, "2024-01-01": 3, "<<": {"a": 1}, "y": 4,
    }  # fmt: skip


def test_tags_are_refused_each() -> None:
    problems = faults("a: !!str 1\nb: ! x\nc: !local {d: !!int '1'}\n")
    assert [str(problem.place) for problem in problems] == ["w.yaml:1:4", "w.yaml:2:4", "w.yaml:3:4", "w.yaml:3:15"]
    assert all("tags are not supported" in problem.message for problem in problems)


@both_parsers
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "empty"),
        ("\n# comment\n", "1:1", "empty"),
        ("---\n", "1:1", "empty"),
        ("--- &a\n", "1:1", "empty"),
        ("---\na: 1\n---\nb: 2\n", "3:1", "second document"),
        ("--- a\n---\n", "2:1", "second document"),
        ("--- a\n...\nb\n", "3:1", "more text follows"),
        ("%YAML 1.1\n---\na: 1\n", "1:1", "%YAML 1.1"),
        ("# x\n%YAML 1.3\n---\na: 1\n", "2:1", "%YAML 1.3"),
        ("%YAML 1.2\n%TAG ! x:\n---\na: 1\n", "2:1", "%TAG"),
        ("%FOO\n---\na: 1\n", "1:1", "%FOO"),
        ("a: *b\n", "1:4", "*b has no anchor"),
        ("a: &a [1, *a]\n", "1:11", "contains it"),
        ("a: &a\n  b: {c: *a}\n", "2:10", "contains it"),
        ("a: b: c\n", "1:5", "colon"),
        ("a: 1\n b: 2\n", "2:3", "colon"),
        ("a:\n\tb: 1\n", "2:1", "tab"),
        ("a: @b\n", "1:4", "begin with @"),
        ("a: `b`\n", "1:4", "begin with `"),
        ("a: %b\n", "1:4", "begin with %"),
        ('a: "b\n', "1:4", "no closing quote"),
        ("a: 'b\n", "1:4", "no closing quote"),
        ("a: [1, 2\n", "2:1", "expected"),
        ("a: {b: 1\n", "2:1", "expected"),
        ("a: [1, 2}\n", "1:9", "expected"),
        ("a\nb: 1\n", "2:2", "colon"),
        ("a: [b]]\n", "1:7", ""),
        ("- a\nb: 1\n", "2:1", ""),
        ("a: 1\n- b\n", "2:1", ""),
        ("a: - b\n", "1:4", "list item"),
        ("a: &\n", "1:5", "anchor"),
        ('a: "\\U00110000"\n', "1:5", "not a character"),
        ('a: "\\Uffffffff"\n', "1:5", "not a character"),
        ("[1]: 2\n", "1:1", "name of a member"),
        ("{[1]: 2}\n", "1:2", "name of a member"),
        ("? {a: 1}\n: 2\n", "1:3", "name of a member"),
        ("a: x\x01y\n", "1:5", "U+0001"),
        ("a: \x00\n", "1:4", "U+0000"),
        ("a: \uffff\n", "1:4", "U+FFFF"),
        ("a: |x\n  b\n", "1:5", ""),
        ("a: |0\n  b\n", "1:5", "1 to 9"),
    ],
)
def test_faults_are_located_and_explained(text: str, place: str, words: str, parser: Any) -> None:
    (problem,) = faults(text, parser=parser)
    line, column = map(int, place.split(":"))
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) in {(line, column), (line, column + 1)}
    assert words in problem.message
    assert "token" not in problem.message
    assert problem.message.startswith("not valid YAML: ")
    assert problem.message.isprintable()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encoding_is_a_clear_fault(encoding: str) -> None:
    assert encoding.upper() in fault("a: ä".encode(encoding)).message


def test_the_first_bad_byte_is_located() -> None:
    problem = fault("ä: 1\nö: ".encode() + b"\xff")
    assert (problem.place, problem.message) == (Place("w.yaml", 2, 4), "the byte 0xff is not valid UTF-8")


@both_parsers
def test_aliases_are_independent_copies_placed_at_the_anchor(parser: Any) -> None:
    text = "base: &b {x: [1, &t text]}\nc: *b\nd: [*b, *t]\n&k name: 1\nother: *k\n"
    document = read(text, parser=parser)
    base = {"x": [1, "text"]}
    assert document.tree == {"base": base, "c": base, "d": [base, "text"], "name": 1, "other": "name"}
    document.tree["c"]["x"].append(2)
    assert document.tree["d"][0] == document.tree["base"] == base
    assert str(document.source.value(("d", 0, "x", 1))) == str(document.source.value(("base", "x", 1))) == "w.yaml:1:18"
    assert str(document.source.key(("c",))) == "w.yaml:2:1"
    assert document.source.value(("other",)).line == 5


def test_a_name_can_be_an_alias_of_a_text() -> None:
    assert read("a: &x b\n*x : 1\n").tree == {"a": "b", "b": 1}
    assert [str(p.related[0]) for p in faults("a: &x b\n*x : 1\nb: 2\n")] == ["w.yaml:2:1"]
    assert "not a text" in fault("a: &x [1]\n*x : 1\n").message


def test_the_latest_anchor_of_a_name_counts() -> None:
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\ne: &x [&x 3, *x]\nf: *x\n").tree == {
        "a": 1, "b": 1, "c": 2, "d": 2, "e": [3, 3], "f": 3,
    }  # fmt: skip


@both_parsers
@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 30)),
        "a0: &a0 lol\n"
        + "".join(f"a{n}: &a{n} {{" + ", ".join(f"k{m}: *a{n - 1}" for m in range(9)) + "}\n" for n in range(1, 30)),
        "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]\n",
        "a: &a [" + ", ".join(["1"] * 1000) + "]\nb: [" + ", ".join(["*a"] * 1000) + "]\n",
    ],
)
def test_alias_bombs_are_refused_quickly(bomb: str, parser: Any) -> None:
    tracemalloc.start()
    try:
        started = time.process_time()
        assert "aliases stand for more than" in fault(bomb, parser=parser).message
        assert time.process_time() - started < 20
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_aliases_do_not_get_around_the_limit_of_depth() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300))
    assert "nested deeper than 200 levels through an alias" in fault(text).message
    assert read("a: &a [[1]]\nb: [*a]\n", max_depth=4).tree == {"a": [[1]], "b": [[[1]]]}
    assert "through an alias" in fault("a: &a [[1]]\nb: [*a]\n", max_depth=3).message


@both_parsers
@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100000,
        "{a: " * 100000,
        "- " * 100000,
        "[\n" * 100000,
        "[" * 100000 + "]" * 100000,
        "? " * 100000,
        "".join(" " * n + "a:\n" for n in range(1000)),
    ],
    ids=["list", "object", "block", "lines", "closed", "complex", "indented"],
)
def test_depth_bombs_cost_nothing(bomb: str, parser: Any) -> None:
    started = time.process_time()
    problem = fault(bomb, parser=parser)
    assert "nested deeper than 200 levels" in problem.message or "name of a member" in problem.message
    assert time.process_time() - started < 5


@both_parsers
@pytest.mark.parametrize("depth", [1, 200])
def test_depth_up_to_the_limit_is_read(depth: int, parser: Any) -> None:
    assert read("[" * depth + "]" * depth, max_depth=depth, parser=parser).tree is not None
    assert f"{depth} levels" in fault("[" * (depth + 1) + "]" * (depth + 1), max_depth=depth, parser=parser).message


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("a: 1\n", False),
        ("# yaml-language-server: $schema=x\na: 1\n", True),
        ("a: 1 # x\n", True),
        ("a: 1\n# x", True),
        ("a: x#y\n", False),
        ("a: '# x'\n", False),
        ('a: "b # x"\n', False),
        ('a: "b\n  # x"\n', False),
        ("a: |\n  # x\n  b # y\n", False),
        ("a: >\n  # x\n", False),
        ("a: | # x\n  b\n", True),
        ("a: |\n  b\n# x\n", True),
        ("a: |\n  b\n  # in\nc: 1\n", False),
        ("a: [1, # x\n  2]\n", True),
        ("a: b\n  c#d\n", False),
        ("%YAML 1.2 # x\n---\na: 1\n", True),
        ("--- # x\na: 1\n", True),
        ("a: &b # x\n  c\n", True),
        ("'#': '#'\n", False),
        ("a: [b # x", True),
        ("a: 'x # y", True),
        ("a: x\u2028# y\n", False),
        ("a: {b: c}#d\n", False),
        ("", False),
    ],
)
def test_comments_are_found_where_they_are(text: str, comments: bool) -> None:
    assert has_comments(text.encode()) is comments


def test_what_is_not_utf_8_may_have_comments() -> None:
    assert has_comments(b"a: \xff # x")
    assert not has_comments(b"a: \xff")


snippets = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            " ",
            "  ",
            "\n",
            ":",
            ": ",
            "- ",
            "? ",
            ",",
            "[",
            "]",
            "{",
            "}",
            "&x ",
            "*x",
            "!t ",
            "'",
            '"',
            "|",
            ">",
            "#",
            " #",
            "1",
            "~",
            "---",
            "...",
            "%",
            "\t",
            "\\",
            "\\u00e9",
            "\r\n",
            "<<",
            "\x85",
            "\u2028",
            "é",
            "\ufeff",
            "on",
            ".5",
            "|-\n",
            "+",
        ]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=400)
@given(snippets)
@example("\ufeff\ufeffa")
@example('"\\ud800')
def test_any_text_is_read_or_refused_and_both_parsers_agree(text: str) -> None:
    (first, first_problems), (second, second_problems) = (attempt(text.encode(), parser=parser) for parser in PARSERS)
    for problem in first_problems + second_problems:
        assert problem.place is not None
        assert problem.place.line is not None
        assert problem.message.isprintable()
    if first is not None and second is not None:
        assert typed(first.tree) == typed(second.tree)
        assert [str(p.place) for p in first.problems] == [str(p.place) for p in second.problems]


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    document, problems = attempt(data)
    assert document is not None or problems
    assert has_comments(data) in (True, False)
