"""The YAML writer: what it writes is read back as it was, by YAML 1.2 and by YAML 1.1."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wfsync.bundle.yaml_events import PurePythonParser
from wfsync.bundle.yaml_text import has_comments, read_yaml
from wfsync.bundle.yaml_write import write_yaml

SPECIAL = [
    "", " ", "a ", " a", "on", "Off", "yes", "No", "y", "N", "null", "Null", "NULL", "~", "true", "False", "TRUE",
    "2024-01-01", "2024-01-01T10:00:00Z", "1:30", "1:30.5", "0o17", "017", "0x1F", "0b11", "1_000", ".5", "5.", "+1",
    "-1", "1e3", "1e-7", ".inf", "-.Inf", ".NaN", "=", "<<", "-", "- a", "?", "? a", ":", "a:", "a: b", "a:b", "a #b",
    "a#b", "#a", "&a", "*a", "!a", "!!str a", "|", ">", "'a'", '"a"', "%a", "@a", "`a", "[a]", "{a}", "a, b", "---",
    "--- a", "...", "a\nb", "a\n", "\n", "\na", "a\n\n", "a\n\nb\n", "a\n  b\n", "a\n b", "a\n \nb", "a \nb \n",
    "a\n\tb", "\ta\nb", "a\rb", "a\r\nb", "a\tb", "\u0000", "\u0007", "\u001b[31m", "\u007f", "a\u0085b", "a\u2028b",
    "a\u2029b", "\ufeff", "\ufeffa", "a\ufeff", "\u00a0", "\u00ad", "\u200b", "😀", "\ufffd", "\uffff", "\U0010ffff",
    "\ue000", "\\", "\\n", 'say "hi"', "it's", "\\ and 'q' and \"q\"", "payload.x = 'a' and vars.y > 3",
    "https://a.example/b?c=d#e", "a\n# b\n", "a\n--- b\n", "a\n...\n", "%YAML 1.1", "\u00e9\n\u00fc\n",
    "a: b\nc: d\n", "\u0661\u0662", "null\n", "true\nfalse",
    "a" * 2000, "a b " * 500 + "c", "x\n" * 300,
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(SPECIAL),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("ab \n\t:#-?'\"\\0.", max_size=10),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer()),
    texts,
)
numberless = st.recursive(
    texts,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=15,
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=25,
)


def typed(tree: Any) -> Any:
    """A form in which True and 1 differ and the order of members does not count."""
    if isinstance(tree, dict):
        return {key: typed(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [typed(value) for value in tree]
    return "float" if isinstance(tree, float) else type(tree).__name__, tree


def without_nul(tree: Any) -> Any:
    """What the reader makes of U+0000, which is a problem of its own."""
    if isinstance(tree, dict):
        return {name.replace("\0", "\ufffd"): without_nul(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [without_nul(value) for value in tree]
    return tree.replace("\0", "\ufffd") if isinstance(tree, str) else tree


@settings(max_examples=400)
@given(trees)
@example({text: text for text in SPECIAL})
@example([{text: [text]} for text in SPECIAL])
@example([[text, [text, text]] for text in SPECIAL])
@example({"a" * 2000: {"b" * 2000: ["c", {}], "c": "x\ny\n"}, "d" * 2000: [1, [2]]})
@example([[[], {}], {"a": [], "b": {}}, [[1e-7, 10**21, 10**30, 15 * 10**299, -0.5, True, 1]]])
def test_what_is_written_is_read_back(tree: Any) -> None:
    data = write_yaml(tree)
    for parser in (None, PurePythonParser):
        document = read_yaml(data, file="w.yaml", parser=parser)
        if b"\\0" not in data:
            assert typed(document.tree) == typed(tree)
            assert document.problems == ()
        elif "\ufffd" not in str(tree):
            assert typed(document.tree) == typed(without_nul(tree))
    assert not has_comments(data)


@settings(max_examples=300)
@given(numberless)
@example(SPECIAL)
@example({text: text for text in SPECIAL})
@example([{text: [text]} for text in SPECIAL])
def test_yaml_1_1_reads_the_same_texts(tree: Any) -> None:
    assert yaml.safe_load(write_yaml(tree)) == tree


@given(trees)
def test_yaml_1_1_reads_the_same_numbers_and_words(tree: Any) -> None:
    assert as_doubles(yaml.safe_load(write_yaml(tree))) == as_doubles(tree)


def as_doubles(tree: Any) -> Any:
    """Numbers as the binary64 that most readers of YAML 1.1 make of them; True and 1 differ."""
    if isinstance(tree, dict):
        return {name: as_doubles(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [as_doubles(item) for item in tree]
    if isinstance(tree, int | float) and not isinstance(tree, bool):
        return "number", float(tree)
    return tree


@given(trees)
def test_bytes_are_deterministic_and_well_formed(tree: Any) -> None:
    data = write_yaml(tree)
    assert data == write_yaml(reordered(tree))
    text = data.decode()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029\ufeff]", text)


def reordered(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: reordered(tree[name]) for name in reversed(tree)}
    return [reordered(item) for item in tree] if isinstance(tree, list) else tree


def test_the_form() -> None:
    tree = {
        "key": "support.triage",
        "on": "yes",
        "steps": [
            {"id": "s1", "config": {"to": {}, "list": [], "deep": [[1, "a"], [{"b": None}]]}},
            "text",
            "two\nlines\n",
            "no end\n  indented",
        ],
        "when": 'payload.status = "open" and vars.n > 3',
        "quoted": '"x" it\'s',
        "time": "1:30",
        "ratio": 1e-7,
        "big": 10**21,
        "😀": 1,
        "\ufb33": 2,
        "flag": True,
    }  # fmt: skip
    assert write_yaml(tree).decode() == (
        "big: 1.0e+21\n"
        "flag: true\n"
        "key: support.triage\n"
        '"on": "yes"\n'
        """quoted: '"x" it''s'\n"""
        "ratio: 1.0e-7\n"
        "steps:\n"
        "  - config:\n"
        "      deep:\n"
        "        - - 1\n"
        "          - a\n"
        "        - - b: null\n"
        "      list: []\n"
        "      to: {}\n"
        "    id: s1\n"
        "  - text\n"
        "  - |\n"
        "    two\n"
        "    lines\n"
        "  - |-\n"
        "    no end\n"
        "      indented\n"
        'time: "1:30"\n'
        'when: payload.status = "open" and vars.n > 3\n'
        "😀: 1\n"
        "\ufb33: 2\n"
    )


def test_names_are_in_utf_16_order_at_every_depth() -> None:
    inner = {"\U0001f600": 1, "\uffee": 2, "b": 3, "B": 4, "é": 5, "10": 6, "9": 7}
    names = [line.split(":")[0].strip(' -"') for line in write_yaml({"x": [inner]}).decode().splitlines()[1:]]
    assert names == ["10", "9", "B", "b", "é", "\U0001f600", "\uffee"] or names[-1] == "\\uffee"
    assert names == sorted(names, key=lambda name: name.replace("\\uffee", "\uffee").encode("utf-16-be"))


@pytest.mark.parametrize("tree", [{}, [], "", "a", None, True, 0, -1.5, "a\nb\n"])
def test_a_root_of_any_kind(tree: Any) -> None:
    assert typed(read_yaml(write_yaml(tree), file="w.yaml").tree) == typed(tree)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        write_yaml({"a": {1}})
    with pytest.raises(TypeError, match="int"):
        write_yaml({1: "a"})
    with pytest.raises(ValueError, match="inf"):
        write_yaml([float("inf")])
    with pytest.raises(UnicodeEncodeError):
        write_yaml(["\ud800"])
    with pytest.raises(UnicodeEncodeError):
        write_yaml({"\udfff": 1})
