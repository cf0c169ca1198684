"""How messages name files, seen from different working directories."""

from __future__ import annotations

import pytest

from wfsync.repo.labels import Labels


@pytest.mark.parametrize(
    ("root", "cwd", "path", "expected"),
    [
        ("/r", "/r", "w/a.json", "w/a.json"),
        ("/r", "/r", "", "."),
        ("/x/r", "/x", "w/a.json", "r/w/a.json"),
        ("/x/r", "/x", "", "r"),
        ("/x/r", "/", "w/a.json", "x/r/w/a.json"),
        ("/r", "/r/w", "w/a.json", "a.json"),
        ("/r", "/r/w", "w", "."),
        ("/r", "/r/w", "", ".."),
        ("/r", "/r/w/deep", "x/a.json", "../../x/a.json"),
        ("/r", "/r/w", "ww/a.json", "../ww/a.json"),
        ("/r", "/elsewhere", "w/a.json", "/r/w/a.json"),
        ("/r", None, "w/a.json", "/r/w/a.json"),
        ("/", "/", "w/a.json", "w/a.json"),
        ("/", "/x", "w/a.json", "../w/a.json"),
        ("/", None, "w/a.json", "/w/a.json"),
    ],
)
def test_labels(root: str, cwd: str | None, path: str, expected: str) -> None:
    assert Labels.of(root, cwd)(path) == expected


def test_bytes_that_are_no_text_are_spelled_out() -> None:
    assert Labels()("w/\udcff.json") == "w/\\xff.json"
