"""Assignment paths (runtime.md "Node types")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.bundle.model import Json
from wfsync.runtime.assignment import REMOVED, InvalidPath, parse_path, parse_saved, write
from wfsync.runtime.step_failure import StepFailed


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("payload.a", ("payload", "a")),
        ("vars.a.b", ("vars", "a", "b")),
        ("meta.tags", ("meta", "tags")),
        ("error.note", ("error", "note")),
        ("/a/b", ("payload", "a", "b")),
        ("/a~1b/~0c", ("payload", "a/b", "~c")),
        ("/items/0/sku", ("payload", "items", "0", "sku")),
        ("vars.items[0].sku", ("vars", "items", "0", "sku")),
        ("vars.grid[1][2]", ("vars", "grid", "1", "2")),
        ("vars.items.0", ("vars", "items", "0")),
        ("vars.größe", ("vars", "größe")),
    ],
)
def test_a_path_starts_with_a_root_or_is_a_json_pointer_into_the_payload(text: str, path: tuple[str, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "run.id",
        "payload",
        "vars.",
        ".a",
        "vars..a",
        "vars[0]x",
        "vars.a[x]",
        "vars.a[-1]",
        "/a/~2",
        "v",
        "item.x",
    ],
)
def test_any_other_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        parse_path(text)


@pytest.mark.parametrize("name", ["__proto__", "prototype", "constructor"])
@pytest.mark.parametrize("form", ["vars.{}", "vars.a.{}.b", "/{}", "/a/{}", "vars.{}[0]", "payload.{}"])
def test_names_that_reach_prototypes_are_refused(name: str, form: str) -> None:
    with pytest.raises(InvalidPath, match="refused"):
        parse_path(form.format(name))


def test_a_bare_name_means_vars_in_save_as_only() -> None:
    assert parse_saved("x") == ("vars", "x")
    assert parse_saved("/x") == ("payload", "x")
    assert parse_saved("payload.x") == ("payload", "x")
    for text in ("x", "order.total"):
        with pytest.raises(InvalidPath):
            parse_path(text)
    with pytest.raises(InvalidPath):
        parse_saved("order.total")
    with pytest.raises(InvalidPath):
        parse_saved("__proto__")


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({}, "vars.a.b.c", {"a": {"b": {"c": 9}}}),
        ({"a": 1}, "vars.a", {"a": 9}),
        ({"a": [1, 2]}, "vars.a[0]", {"a": [9, 2]}),
        ({"a": [1, 2]}, "vars.a.2", {"a": [1, 2, 9]}),
        ({"a": [{"b": 1}]}, "vars.a[0].b", {"a": [{"b": 9}]}),
        ({"a": []}, "vars.a[0].b", {"a": [{"b": 9}]}),
        ({"a": {"0": 1}}, "vars.a.0", {"a": {"0": 9}}),
    ],
)
def test_writing_makes_what_is_not_there(before: Json, path: str, after: Json) -> None:
    assert write({"vars": before}, parse_path(path), 9) == {"vars": after}


@pytest.mark.parametrize(
    ("before", "path"),
    [
        ({"a": 1}, "vars.a.b"),
        ({"a": None}, "vars.a.b"),
        ({"a": "text"}, "vars.a[0]"),
        ({"a": [1]}, "vars.a.b"),
        ({"a": [1]}, "vars.a[2]"),
        ({"a": [1]}, "vars.a[0].b"),
    ],
)
def test_what_is_neither_object_nor_list_on_the_way_is_a_validation_error(before: Json, path: str) -> None:
    with pytest.raises(StepFailed) as caught:
        write({"vars": before}, parse_path(path), 9)
    assert caught.value.failure.category == "ValidationError"


def test_a_pointer_with_a_dash_appends() -> None:
    assert write({"payload": {"a": [1]}}, parse_path("/a/-"), 2) == {"payload": {"a": [1, 2]}}


def test_removed_takes_a_member_away() -> None:
    assert write({"error": 1, "vars": {}}, ("error",), REMOVED) == {"vars": {}}


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), TREES),
    st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=4),
)
def test_writing_never_changes_what_was_there(tree: Json, names: list[str]) -> None:
    import copy

    before = copy.deepcopy(tree)
    try:
        after = write({"vars": tree}, ("vars", *names), "new")
    except StepFailed:
        after = None
    assert tree == before
    if after is not None:
        value = after["vars"]
        for name in names:
            value = value[int(name)] if isinstance(value, list) else value[name]
        assert value == "new"
