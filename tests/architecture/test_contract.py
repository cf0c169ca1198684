"""The house of design/architecture.md, and the habits that keep it readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wfsync"
MODULES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(path for path in MODULES if path.name == "__init__.py")
MAX_LINES = 400


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_keep_the_contract(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--cache-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert sorted(name(f) for f in folders if not (f / "__init__.py").is_file()) == []


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_every_room_has_a_sign(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(docstring) > 40, f"{name(path)} must say what belongs in it and what must not"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_stay_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_room_for_odds_and_ends(path: Path) -> None:
    assert not {"utils", "util", "common", "helpers", "helper", "misc"} & set(
        path.relative_to(SOURCE).with_suffix("").parts
    )
