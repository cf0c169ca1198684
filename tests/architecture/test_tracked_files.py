"""What must hold for every file in git: registries stay unnamed, locks complete, one copy of each schema."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Put together here, so that this file does not find itself.
REGISTRY = re.compile(
    rb"(?:"
    + rb"|".join((rb"pypi\." + rb"org", rb"python" + rb"hosted\.org", rb"--(?:extra-)?" + rb"index-url\b"))
    + rb")"
)


def tracked() -> list[Path]:
    """Files in git; all files of the checkout where git is not to be had (an sdist, an image without git)."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        made = {".venv", ".demo", ".bench", ".wfsync", "__pycache__", ".hypothesis"}
        return [p for p in ROOT.rglob("*") if p.is_file() and not made & set(p.relative_to(ROOT).parts)]
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_no_file_names_a_package_registry() -> None:
    found = [p.relative_to(ROOT).as_posix() for p in tracked() if p.is_file() and REGISTRY.search(p.read_bytes())]
    assert found == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) > 10
    for line in lines:
        assert re.match(r"[a-z0-9-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line


def test_locks_cover_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = {p.stem: set(re.findall(r"^([a-z0-9-]+)==", p.read_text(), re.MULTILINE)) for p in LOCKS}
    wanted = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in project["project"]["dependencies"]}
    groups = project["dependency-groups"]
    build = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in groups["build"]}
    dev = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in groups["dev"] if isinstance(line, str)}
    assert wanted | build <= pins["run"]
    extra = {
        re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in project["project"]["optional-dependencies"]["runtime"]
    }
    assert pins["run"] | extra <= pins["runtime"]
    assert pins["runtime"] | dev <= pins["dev"]


def test_the_locks_agree() -> None:
    pins = {p.stem: dict(re.findall(r"^([a-z0-9-]+)==(\S+)", p.read_text(), re.MULTILINE)) for p in LOCKS}
    assert pins["run"].items() < pins["runtime"].items() < pins["dev"].items()


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.name)
def test_schemas_are_sound(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.name)
def test_schemas_refer_to_nothing_outside_themselves(path: Path) -> None:
    assert [ref for ref in re.findall(r'"\$ref":\s*"([^"]*)"', path.read_text()) if not ref.startswith("#")] == []


def test_there_is_one_copy_of_each_schema() -> None:
    copies = [p.relative_to(ROOT).as_posix() for p in tracked() if p.name.endswith(".schema.json")]
    assert sorted(copies) == [p.relative_to(ROOT).as_posix() for p in SCHEMAS]
