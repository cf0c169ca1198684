"""docs/runtime-rules.md: every rule of the runtime names a test, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "runtime-rules.md"
SHORT = {"interpreter/": "tests/unit/runtime/interpreter/", "runtime/": "tests/unit/runtime/"}

ROWS = [
    line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("| rule |", "|---"))
]


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.update(f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef))
            found.update(
                target.id
                for one in node.body
                if isinstance(one, ast.Assign)
                for target in one.targets
                if isinstance(target, ast.Name)
            )
        elif isinstance(node, ast.Assign):  # a state machine's ``TestModel = Model.TestCase``
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(found)


def proofs(row: str) -> list[str]:
    return re.findall(r"`([\w./-]+\.py::[\w:]+)`", row)


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:50] for row in ROWS])
def test_every_rule_names_tests_that_exist_or_who_owes_one(row: str) -> None:
    named = proofs(row)
    assert named or "*open: " in row
    for proof in named:
        place, _, test = proof.partition("::")
        for short, folder in SHORT.items():
            if place.startswith(short):
                place = folder + place.removeprefix(short)
                break
        assert (ROOT / place).is_file(), f"{proof}: there is no {place}"
        assert test in names_in(ROOT / place), f"{proof}: there is no such test"
        assert test.rpartition("::")[2].startswith(("test_", "Test"))


def test_the_page_has_a_row_for_every_section() -> None:
    assert len(ROWS) > 70
