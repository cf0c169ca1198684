"""transform.*: what each action gives, where each one refuses (docs/actions.md)."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_actions import action, call, refuses
from wfsync.runtime.actions import built_in_actions
from wfsync.runtime.registry import ActionFailed

TRANSFORMS = [a for a in built_in_actions() if a.id.startswith("transform.")]

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("parse_json", {"text": ' {"a": [1, 2.5, null]} '}, {"value": {"a": [1, 2.5, None]}}),
    ("parse_json", {"text": "12345678901234567890123"}, {"value": 12345678901234567890123}),
    ("query_json", {"value": {"a": [{"b": 7}]}, "pointer": "/a/0/b"}, {"found": True, "value": 7}),
    ("query_json", {"value": {"a/b": {"~": 1}}, "pointer": "/a~1b/~0"}, {"found": True, "value": 1}),
    ("query_json", {"value": {"a": None}, "pointer": "/a"}, {"found": True, "value": None}),
    ("query_json", {"value": [1, 2], "pointer": "/2", "default": 0}, {"found": False, "value": 0}),
    ("query_json", {"value": [1, 2], "pointer": "/01"}, {"found": False, "value": None}),
    ("query_json", {"value": [1, 2], "pointer": ""}, {"found": True, "value": [1, 2]}),
    (
        "query_json",
        {"value": {"items": [{"n": "a", "p": 9}, {"n": "b", "p": 1}]}, "query": "value.items[p > 5].n"},
        {"found": True, "value": "a"},
    ),
    ("query_json", {"value": {}, "query": "value.nothing", "default": []}, {"found": False, "value": []}),
    ("query_json", {"value": 1, "query": "nowIso()"}, {"found": True, "value": "1970-01-01T00:00:00.000Z"}),
    ("stringify_json", {"value": {"b": "ü", "a": 1}}, {"text": '{"b":"ü","a":1}'}),
    (
        "stringify_json",
        {"value": {"b": 1, "a": []}, "sortNames": True, "indent": 2},
        {"text": '{\n  "a": [],\n  "b": 1\n}'},
    ),
    (
        "regex_match",
        {"text": "é [#42]", "pattern": r"\[#(?P<n>\d+)\](x)?"},
        {"matched": True, "match": {"text": "[#42]", "index": 2, "groups": ["42", None], "named": {"n": "42"}}},
    ),
    ("regex_match", {"text": "abc", "pattern": "^b"}, {"matched": False, "match": None}),
    ("regex_extract", {"text": "a1 b22", "pattern": r"\d+"}, {"found": True, "value": "1", "values": ["1", "22"]}),
    (
        "regex_extract",
        {"text": "A=1\na=2", "pattern": "^a=(.)$", "ignoreCase": True, "multiline": True, "group": 1, "limit": 1},
        {"found": True, "value": "1", "values": ["1"]},
    ),
    ("regex_extract", {"text": "x", "pattern": "(y)?x", "group": 1}, {"found": False, "value": None, "values": []}),
    (
        "regex_replace",
        {"text": "Ann Lee", "pattern": r"(?P<a>\w+) (\w+)", "replacement": "$2, ${a} $$1"},
        {"text": "Lee, Ann $1", "count": 1},
    ),
    ("regex_replace", {"text": "aaa", "pattern": "a", "replacement": "b", "limit": 2}, {"text": "bba", "count": 2}),
    ("regex_replace", {"text": "ab", "pattern": "", "replacement": "-"}, {"text": "-a-b-", "count": 3}),
    ("regex_replace", {"text": "a\nb", "pattern": "a.b", "replacement": "", "dotAll": True}, {"text": "", "count": 1}),
    ("truncate_text", {"text": "short", "maxLength": 5}, {"text": "short", "truncated": False}),
    ("truncate_text", {"text": "a longer text", "maxLength": 9}, {"text": "a longer…", "truncated": True}),
    ("truncate_text", {"text": "a longer text", "maxLength": 2, "ellipsis": "..."}, {"text": "a ", "truncated": True}),
    (
        "truncate_text",
        {"text": "some wordy text", "maxLength": 7, "wholeWords": True},
        {"text": "some…", "truncated": True},
    ),
    ("truncate_text", {"text": "cafe\u0301s", "maxLength": 4, "ellipsis": ""}, {"text": "caf", "truncated": True}),
    ("truncate_text", {"text": "x👩‍👩‍👧y", "maxLength": 4, "ellipsis": ""}, {"text": "x", "truncated": True}),
    ("truncate_text", {"text": "🇩🇪🇫🇷", "maxLength": 3, "ellipsis": ""}, {"text": "🇩🇪", "truncated": True}),
    ("concat_text", {"parts": ["a", 1, 2.0, 2.5, True, None]}, {"text": "a122.5true"}),
    ("join_text", {"items": ["a", "", None, 3], "separator": ", "}, {"text": "a, , , 3"}),
    ("join_text", {"items": ["a", "", None, 3], "separator": ", ", "skipEmpty": True}, {"text": "a, 3"}),
    ("join_text", {"items": []}, {"text": ""}),
    ("replace_text", {"text": "a.b.c", "search": ".", "replacement": "-"}, {"text": "a-b-c", "count": 2}),
    ("replace_text", {"text": "a.b.c", "search": ".", "replacement": "-", "limit": 1}, {"text": "a-b.c", "count": 1}),
    ("split_text", {"text": "a, ,b", "separator": ","}, {"items": ["a", " ", "b"]}),
    ("split_text", {"text": "a, ,b", "separator": ",", "trim": True, "skipEmpty": True}, {"items": ["a", "b"]}),
    ("split_text", {"text": "a:b:c", "separator": ":", "limit": 2}, {"items": ["a", "b:c"]}),
    ("split_text", {"text": "a:b", "separator": ":", "limit": 1}, {"items": ["a:b"]}),
    ("split_text", {"text": "a:b", "separator": ":", "limit": 10**30}, {"items": ["a", "b"]}),
    ("split_text", {"text": "", "separator": ":", "limit": 7}, {"items": [""]}),
    ("replace_text", {"text": "aa", "search": "a", "replacement": "b", "limit": 10**30}, {"text": "bb", "count": 2}),
    ("lowercase_text", {"text": "ÀÉ"}, {"text": "àé"}),
    ("uppercase_text", {"text": "straße"}, {"text": "STRASSE"}),
    ("trim_text", {"text": " \u00a0x\n"}, {"text": "x"}),
    ("trim_text", {"text": "--x--", "side": "start", "characters": "-"}, {"text": "x--"}),
    ("trim_text", {"text": " x ", "side": "end"}, {"text": " x"}),
    ("coalesce_value", {"values": [None, "", 0]}, {"value": "", "index": 1}),
    ("coalesce_value", {"values": [None, "", [], 0], "skipEmpty": True}, {"value": 0, "index": 3}),
    ("coalesce_value", {"values": [False], "skipEmpty": True}, {"value": False, "index": 0}),
    ("coalesce_value", {"values": [None]}, {"value": None, "index": None}),
    (
        "build_object",
        {"fields": {"a": 1, "b": None}, "entries": [{"name": "a", "value": 2}], "skipNull": True},
        {"object": {"a": 2}},
    ),
    ("pick_fields", {"object": {"a": 1, "b": 2}, "fields": ["b", "c"]}, {"object": {"b": 2}}),
    ("pick_fields", {"object": {"a": 1}, "fields": ["c"], "missing": "null"}, {"object": {"c": None}}),
    ("rename_fields", {"object": {"a": 1, "b": 2}, "names": {"a": "b", "b": "a"}}, {"object": {"b": 1, "a": 2}}),
    ("rename_fields", {"object": {"a": 1, "b": 2}, "names": {"a": "x"}, "keepOthers": False}, {"object": {"x": 1}}),
    ("append_array", {"items": [1], "value": [2]}, {"items": [1, [2]]}),
    ("append_array", {"items": [1], "values": [2, 3]}, {"items": [1, 2, 3]}),
    ("append_array", {"items": [], "value": None}, {"items": [None]}),
    ("build_array", {"values": [1, None, [2, [3]]]}, {"items": [1, None, [2, [3]]]}),
    ("build_array", {"values": [1, None, [2, [3], None]], "flatten": True, "skipNull": True}, {"items": [1, 2, [3]]}),
]


@pytest.mark.parametrize(("name", "given", "output"), CASES)
def test_gives(name: str, given: dict[str, Any], output: dict[str, Any]) -> None:
    before = json.dumps(given)
    assert call(f"transform.{name}", given) == output
    assert json.dumps(given) == before, "an input is never changed: it is the history's own"


def test_every_transform_is_there_and_has_cases() -> None:
    assert {a.id for a in TRANSFORMS} == {f"transform.{name}" for name, _, _ in CASES}
    assert len(TRANSFORMS) == 20


FAILS: list[tuple[str, dict[str, Any], str]] = [
    ("parse_json", {"text": "{"}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": ""}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": "NaN"}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": "1e999"}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": "9" * 5000}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": '{"a": 1, "a": 2}'}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": "[" * 100_000}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": "[" * 300 + "]" * 300}, "INVALID_JSON_TEXT"),
    ("parse_json", {"text": '"\\u0000"'}, "UNSTORABLE_TEXT"),
    ("parse_json", {"text": '"\\ud800"'}, "UNSTORABLE_TEXT"),
    ("query_json", {"value": 1, "query": "value +"}, "INVALID_QUERY"),
    ("query_json", {"value": 1, "query": "$eval('1')"}, "INVALID_QUERY"),
    ("regex_match", {"text": "a", "pattern": "("}, "INVALID_REGEX"),
    ("regex_match", {"text": "a", "pattern": "(?=a)"}, "INVALID_REGEX"),
    ("regex_match", {"text": "é" * 32_769, "pattern": "a"}, "INVALID_REGEX"),
    ("regex_extract", {"text": "a", "pattern": "a", "group": 1}, "INVALID_REGEX"),
    ("regex_extract", {"text": "a", "pattern": "a", "group": "n"}, "INVALID_REGEX"),
    ("regex_replace", {"text": "a" * 2001, "pattern": "a", "replacement": ""}, "INVALID_REGEX"),
    ("regex_replace", {"text": "a" * 1999, "pattern": "a", "replacement": "b" * 1000}, "OUTPUT_TOO_LARGE"),
    ("concat_text", {"parts": ["a" * 200_000, "b" * 200_000]}, "OUTPUT_TOO_LARGE"),
    ("join_text", {"items": [""] * 20_000, "separator": "x" * 200_000}, "OUTPUT_TOO_LARGE"),
    ("replace_text", {"text": "a" * 200_000, "search": "a", "replacement": "b" * 200_000}, "OUTPUT_TOO_LARGE"),
    ("build_object", {"entries": [{"name": "__proto__", "value": 1}]}, "FORBIDDEN_NAME"),
    ("rename_fields", {"object": {"a": 1}, "names": {"a": "constructor"}}, "FORBIDDEN_NAME"),
    ("rename_fields", {"object": {"a": 1, "b": 2}, "names": {"a": "b"}}, "FIELD_TWICE"),
    ("pick_fields", {"object": {}, "fields": ["a"], "missing": "fail"}, "FIELD_MISSING"),
]


@pytest.mark.parametrize(("name", "given", "code"), FAILS)
def test_fails_for_good(name: str, given: dict[str, Any], code: str) -> None:
    with pytest.raises(ActionFailed) as caught:
        call(f"transform.{name}", given)
    assert caught.value.code == code
    assert not caught.value.retryable, "what depends on the input only fails again"


BROKEN_INPUT: list[tuple[str, dict[str, Any]]] = [
    ("parse_json", {}),
    ("parse_json", {"text": 1}),
    ("parse_json", {"text": "1", "extra": 1}),
    ("query_json", {"value": 1}),
    ("query_json", {"value": 1, "query": "value", "pointer": ""}),
    ("query_json", {"value": 1, "pointer": "a"}),
    ("query_json", {"value": 1, "pointer": "/~2"}),
    ("regex_match", {"text": "a", "pattern": "a" * 1001}),
    ("concat_text", {"parts": [{}]}),
    ("replace_text", {"text": "a", "search": "", "replacement": ""}),
    ("split_text", {"text": "a", "separator": ""}),
    ("truncate_text", {"text": "a", "maxLength": -1}),
    ("append_array", {"items": []}),
    ("append_array", {"items": [], "value": 1, "values": []}),
    ("build_object", {}),
    ("coalesce_value", {}),
]


@pytest.mark.parametrize(("name", "given"), BROKEN_INPUT)
def test_the_schema_refuses(name: str, given: dict[str, Any]) -> None:
    assert refuses(f"transform.{name}", given)


@pytest.mark.parametrize("found", TRANSFORMS, ids=lambda a: a.id)
def test_transforms_are_pure_by_declaration_and_documented(found: Any) -> None:
    assert not found.side_effects
    assert found.version == 1
    assert found.label
    assert found.description
    for schema in (found.input_schema, found.output_schema):
        assert schema["additionalProperties"] is False
        assert all(field.get("description") for field in schema["properties"].values())


HOSTILE = [
    ("(?:(?:a?){30}){30}b|a", "a" * 65_000),
    ("((a{0,100}){0,10})z|a", "a" * 65_000),
    (r"(([a-z]{1,30})([a-z]{1,30})){1,20}!|([a-z])", "qwertyuiopasdfg" * 4_300),
    ("(x+x+)+y|x", "x" * 65_000),
    (r"(a|aa)+$|^(a+)+$", "a" * 60_000 + "!"),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
def test_no_pattern_hangs_a_worker(pattern: str, text: str) -> None:
    began = time.thread_time()
    with suppress(ActionFailed):
        call("transform.regex_replace", {"text": text, "pattern": pattern, "replacement": ""})
    assert time.thread_time() - began < 2


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé\n", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.booleans(), st.integers(0, 8))
def test_what_is_written_is_read_again(value: Any, sort: bool, indent: int) -> None:
    written = call("transform.stringify_json", {"value": value, "sortNames": sort, "indent": indent})
    assert call("transform.parse_json", written) == {"value": value}


@given(st.text(max_size=60), st.integers(0, 60), st.text(max_size=3), st.booleans())
def test_a_truncated_text_is_never_too_long(text: str, limit: int, ellipsis: str, words: bool) -> None:
    found = action("transform.truncate_text").run
    assert found is not None
    if any("\ud800" <= c <= "\udfff" or c == "\0" for c in text + ellipsis):
        return
    output: Any = call(
        "transform.truncate_text", {"text": text, "maxLength": limit, "ellipsis": ellipsis, "wholeWords": words}
    )
    assert len(output["text"]) <= max(limit, 0)
    assert output["truncated"] == (len(text) > limit)


@given(st.lists(st.text("ab,", max_size=4), min_size=1, max_size=6))
def test_split_undoes_join(items: list[str]) -> None:
    joined = call("transform.join_text", {"items": items, "separator": ";"})
    assert call("transform.split_text", {**joined, "separator": ";"}) == {"items": items}
