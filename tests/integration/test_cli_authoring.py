"""`wfsync new` and `wfsync init`: what they write is valid at once, and nothing is ever overwritten."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bundles import bundle, put
from command_line import CommandLine
from wfsync.config import parse_config

CONFIG = "version: 1\ndirectory: workflows\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "wfsync.yaml").write_text(CONFIG)
    return root


def assert_sound(cli: CommandLine, repo: Path) -> None:
    for command in (["validate"], ["fmt", "--check"]):
        result = cli(*command, cwd=repo)
        assert result.code == 0, result.output


# ----------------------------------------------------------------------------------------------------------------- new


@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_new(cli: CommandLine, repo: Path, syntax: str) -> None:
    before = datetime.now(UTC)
    result = cli("new", "billing.send-reminder", "--format", syntax, cwd=repo)
    assert (result.code, result.stdout, result.stderr) == (0, f"workflows/billing.send-reminder.{syntax}\n", "")
    tree: dict[str, Any] = yaml.safe_load((repo / "workflows" / f"billing.send-reminder.{syntax}").read_bytes())
    moment = datetime.fromisoformat(str(tree["exportedAt"]))
    assert abs((moment - before).total_seconds()) < 60
    workflow = tree["workflows"][0]
    assert workflow["key"] == "billing.send-reminder"
    assert workflow["metadata"]["name"] == "Billing send reminder"
    assert workflow["draft"]["definition"]["id"] == "billing.send-reminder"
    assert workflow["publishedVersions"] == []
    assert_sound(cli, repo)


def test_new_where_it_was_asked_for(cli: CommandLine, repo: Path) -> None:
    result = cli("new", "a", "--out", "workflows/team/x", "--name", "Ä \u202e name", cwd=repo)
    assert (result.code, result.stdout) == (0, "workflows/team/x/a.json\n")
    elsewhere = cli("new", "a", "--out", "../other", cwd=repo)
    assert elsewhere.code == 1  # the key is taken
    outside = cli("new", "b", "--out", "../other", cwd=repo)
    assert (outside.code, outside.stdout) == (0, "../other/b.json\n")
    assert_sound(cli, repo)


def test_new_without_a_configuration(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("new", "a").stdout == "a.json\n"
    assert_sound(cli, tmp_path)


def test_new_asks_for_a_schema_that_the_instance_has(cli: CommandLine, repo: Path) -> None:
    (repo / "wfsync.yaml").write_text(CONFIG + "registry: registry.yaml\n")
    (repo / "registry.yaml").write_text("version: 1\nschemas: [{ref: payload.Ticket.v1}, {ref: payload.A.v1}]\n")
    assert cli("new", "a", cwd=repo).code == 0
    assert_sound(cli, repo)


@pytest.mark.parametrize("existing", ["workflows/a.json", "workflows/a.yaml", "workflows/deep/a.yml"])
def test_new_refuses_a_key_that_has_a_file(cli: CommandLine, repo: Path, existing: str) -> None:
    put(repo, bundle("a"), name=existing)
    before = (repo / existing).read_bytes()
    result = cli("new", "a", cwd=repo)
    assert (result.code, result.stdout) == (1, "")
    assert f"{existing}: error FILE_EXISTS" in result.stderr
    assert (repo / existing).read_bytes() == before
    assert [p.name for p in (repo / "workflows").rglob("a.*")] == [Path(existing).name]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("A", "must begin with"),
        ("", "must begin with"),
        ("-a", ""),
        ("a b", "must begin with"),
        ("../a", "must begin with"),
        ("a/b", "must begin with"),
        ("a\n", "must begin with"),
        ("x" * 201, "200 are allowed"),
        ("6a0b9d7e-9f7c-4f0e-8f3a-0d6b6a1f2c3d", "UUID"),
        ("con", "Windows"),
        ("com1.x", "Windows"),
        ("wfsync", "own files"),
        (os.fsdecode(b"\xff"), "must begin with"),
    ],
)
def test_new_refuses_bad_keys(cli: CommandLine, repo: Path, key: str, reason: str) -> None:
    result = cli("new", "--", key, cwd=repo)
    assert (result.code, result.stdout) == (1, "")
    assert "error INVALID_VALUE" in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(p.name for p in repo.rglob("*")) == ["wfsync.yaml"]


# ---------------------------------------------------------------------------------------------------------------- init


def test_init_makes_a_working_repository(cli: CommandLine, tmp_path: Path) -> None:
    result = cli("init", "my workflows")
    root = tmp_path / "my workflows"
    assert result.code == 0
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    assert files == [
        ".github/workflows/wfsync.yml",
        "wfsync.yaml",
        "workflows/README.md",
        "workflows/example.hello.json",
    ]
    assert result.stdout.splitlines() == [*(f"+ my workflows/{name}" for name in files), "Created 4 files."]
    assert_sound(cli, root)


def test_init_keeps_run_history_and_says_why(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("init").code == 0
    text = (tmp_path / "wfsync.yaml").read_text()
    config = parse_config(text.encode(), "wfsync.yaml")
    assert (config.overwrite, config.directory, config.definitions) == ("update", "workflows", "error")
    comment = text[: text.index("overwrite: update")].rpartition("\n\n")[2]
    assert re.search(r"#.*replace.*deletes", comment, re.DOTALL)


def test_the_commands_of_the_ci_snippet_exist(cli: CommandLine, tmp_path: Path) -> None:
    cli("init")
    jobs = yaml.safe_load((tmp_path / ".github" / "workflows" / "wfsync.yml").read_text())["jobs"]
    commands = [
        s["run"].split() for job in jobs.values() for s in job["steps"] if s.get("run", "").startswith("wfsync")
    ]
    assert len(commands) >= 4
    for _, command, *options in commands:
        text = cli(command, "--help").stdout
        assert all(option in text for option in options if option.startswith("--")), (command, options)
    for _, command, *options in commands[:2]:
        assert cli(command, *options).code == 0


def test_init_never_overwrites(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "wfsync.yaml").write_text("mine")
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "example.hello.json").symlink_to("nowhere")
    result = cli("init")
    assert (result.code, result.stdout) == (1, "")
    assert "wfsync.yaml: error FILE_EXISTS" in result.stderr
    assert "workflows/example.hello.json: error FILE_EXISTS" in result.stderr
    assert (tmp_path / "wfsync.yaml").read_text() == "mine"
    assert not (tmp_path / ".github").exists()


def test_init_leaves_other_files_alone(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert cli("init").code == 0
    assert (tmp_path / "README.md").read_text() == "mine"


def test_init_where_a_file_is_in_the_way(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = cli("init", "file")
    assert (result.code, "NOT_A_DIRECTORY" in result.stderr) == (1, True)
    (tmp_path / "workflows").write_text("x")
    result = cli("init")
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "workflows"]


@pytest.mark.parametrize("command", ["new", "init"])
def test_help_has_an_example(cli: CommandLine, command: str) -> None:
    assert "Example:" in cli(command, "--help").stdout
