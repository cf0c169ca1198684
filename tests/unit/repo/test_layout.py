"""Key ⇄ path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.errors import RepositoryError
from wfsync.repo.layout import (
    BUNDLE_SUFFIXES,
    ancestors,
    is_bundle,
    is_under,
    join,
    key_of,
    normal,
    path_for,
    printable,
    reserved_keys,
    syntax_of,
)

keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True)
folders = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True), max_size=3).map("/".join)


@given(folders, keys, st.sampled_from(["json", "yaml"]))
def test_a_key_finds_its_file_and_the_file_its_key(directory: str, key: str, syntax: str) -> None:
    path = path_for(directory, key, "yaml" if syntax == "yaml" else "json")
    assert (key_of(path), syntax_of(path)) == (key, syntax)
    assert is_under(path, directory)
    assert is_bundle(path, directory)
    assert list(ancestors(path))[-1] == ""
    assert normal(path) == path


@pytest.mark.parametrize(
    ("path", "key", "syntax"),
    [
        ("a.json", "a", "json"),
        ("w/a.b.yaml", "a.b", "yaml"),
        ("w/a.yml", "a", "yaml"),
        ("w/a.json.yml", "a.json", "yaml"),
        ("w.json/a", "a", "json"),
    ],
)
def test_names(path: str, key: str, syntax: str) -> None:
    assert (key_of(path), syntax_of(path)) == (key, syntax)


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("w/a.json", "w", True),
        ("w/a.json", "", True),
        ("w/sub/a.yml", "w", True),
        ("w/.a.json", "w", True),
        (".w/a.json", ".w", True),
        ("w/.sub/a.json", "w", False),
        (".w/a.json", "", False),
        ("w/a.txt", "w", False),
        ("w/a.JSON", "w", False),
        ("ww/a.json", "w", False),
        ("a.json", "w", False),
    ],
)
def test_which_files_are_bundles(path: str, directory: str, expected: bool) -> None:
    assert is_bundle(path, directory) is expected


@pytest.mark.parametrize(
    ("directory", "path", "expected"),
    [("", "a", "a"), ("a", "../b", "b"), ("a/b", ".", "a/b"), ("", "./a//b/", "a/b"), ("a", "..", ""), ("", "", "")],
)
def test_joining(directory: str, path: str, expected: str) -> None:
    assert join(directory, path) == expected


@pytest.mark.parametrize(
    ("directory", "path"), [("", ".."), ("a", "../../b"), ("a", "/b"), ("", "//b"), ("", "../\udcff")]
)
def test_no_path_leads_out(directory: str, path: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        join(directory, path)
    assert caught.value.code == "OUTSIDE_REPOSITORY"
    assert caught.value.message.isprintable()


def test_the_repositorys_own_files_reserve_their_names() -> None:
    assert reserved_keys(["wfsync.yaml", "conf/registry.yml", "notes.txt"]) == {"wfsync", "registry"}


@given(st.binary(max_size=20))
def test_any_name_can_be_shown(name: bytes) -> None:
    shown = printable(name.decode("utf-8", "surrogateescape"))
    shown.encode()
    assert set(BUNDLE_SUFFIXES) == {".json", ".yaml", ".yml"}
