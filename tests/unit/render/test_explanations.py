"""The catalogue of codes: it holds every code that the source raises, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from wfsync import errors
from wfsync.cli import exit_codes
from wfsync.render.explanations import CATALOGUE, nearest, page

ROOT: Final = Path(__file__).parents[3]
SOURCE: Final = ROOT / "src" / "wfsync"
MODULES: Final = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}

# Calls whose code is no keyword: the position of it.
_POSITIONS: Final = {"Blocked": 0, "InvalidSchedule": 0, "_Rule": 1, "finding_at": 2}
_OUTSIDE: Final = {"INTERNAL"}
"""Codes that have no error of ours: the command line prints them itself."""


def _constants() -> dict[str, set[str]]:
    """Texts of module-level constants, by name."""
    found: dict[str, set[str]] = {}
    for tree in MODULES.values():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                        found.setdefault(target.id, set()).add(node.value.value)
    return found


CONSTANTS: Final = _constants()


def _texts(value: ast.expr | None) -> Iterator[str]:
    """Every text that an expression may be; nothing where it is somebody else's code that is passed on."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case ast.BoolOp(values=values):
            for part in values:
                yield from _texts(part)
        case ast.Name(id=name):
            yield from CONSTANTS.get(name, ())
        case _:
            pass


def _codes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every code in a module, with the name of what is called with it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from ((code, name) for code in _texts(keyword.value))
            if name in _POSITIONS and len(node.args) > _POSITIONS[name]:
                yield from ((code, name) for code in _texts(node.args[_POSITIONS[name]]))
        elif isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "default_code" for t in node.targets
        ):
            yield from ((code, "") for code in _texts(node.value))


RAISED: Final = {code for tree in MODULES.values() for code, _ in _codes(tree)}


def test_the_search_finds_codes_in_all_their_spellings() -> None:
    assert {"INVALID_BUNDLE", "WORKFLOW_KEY_CONFLICT", "AUTHENTICATION_FAILED", "LOCK_TIMEOUT"} <= RAISED
    assert {"EMBEDDED_UNAVAILABLE", "INVALID_REGISTRY", "ACTIVE_RUNS", "USAGE"} <= RAISED
    assert len(RAISED) > 90


def test_every_code_is_explained() -> None:
    assert sorted(RAISED - CATALOGUE.keys()) == []


def test_nothing_else_is_explained() -> None:
    assert sorted(CATALOGUE.keys() - RAISED - _OUTSIDE) == []


def test_exit_codes_are_those_of_the_errors() -> None:
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.WfsyncError)
    }
    wrong = {
        (code, CATALOGUE[code].exit_code)
        for tree in MODULES.values()
        for code, name in _codes(tree)
        if name in kinds
        and code in CATALOGUE
        and exit_codes.of(kinds[name]("", code=code)) != CATALOGUE[code].exit_code
    }
    assert wrong == set()


@pytest.mark.parametrize("code", CATALOGUE)
def test_explanations_are_sentences(code: str) -> None:
    entry = CATALOGUE[code]
    for text in (entry.meaning, entry.action, entry.ends):
        assert text.endswith((".", '."')), text
        assert text == " ".join(text.split())
    assert 8 <= len(entry.summary) <= 125


def test_similar_codes() -> None:
    assert nearest("stale_plam")[0] == "STALE_PLAN"
    assert "DUPLICATE_KEY" in nearest("duplicate")
    assert nearest("zzzzzz") == []
    assert nearest("") == []


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == page(), "run `make docs`"
