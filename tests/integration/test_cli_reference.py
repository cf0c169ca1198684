"""`wfsync schema`, `explain` and `completion`, and hints for slips on the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from command_line import CommandLine
from wfsync.cli.completion import VARIABLE, answer
from wfsync.cli.main import cli as root
from wfsync.cli.usage_hints import usage_hint
from wfsync.render.explanations import CATALOGUE

CONTEXT = click.Context(root)
SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("bundle", "workflow-bundle.v1"),
        ("config", "wfsync-config.v1"),
        ("plan", "plan.v1"),
        ("status", "status.v1"),
        ("registry", "registry.v1"),
        ("overlay", "overlay.v1"),
        ("targets", "targets.v1"),
        ("definition", "workflow-definition.v1"),
    ],
)
def test_schema(cli: CommandLine, name: str, file: str) -> None:
    result = cli("schema", name)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.encode() == (SCHEMAS / f"{file}.schema.json").read_bytes()
    assert json.loads(result.stdout)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_every_schema_can_be_printed() -> None:
    from wfsync.cli.reference import _SCHEMAS

    assert {f"{name}.schema.json" for name in _SCHEMAS.values()} == {path.name for path in SCHEMAS.iterdir()}


def test_schema_of_something_else(cli: CommandLine) -> None:
    result = cli("schema", "nothing")
    assert (result.code, result.stdout) == (64, "")


@pytest.mark.parametrize("spelling", ["STALE_PLAN", "stale_plan", "Stale-Plan"])
def test_explain(cli: CommandLine, spelling: str) -> None:
    result = cli("explain", spelling)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.startswith("STALE_PLAN\n")
    assert "What to do:" in result.stdout
    assert "Exit code 3" in result.stdout


def test_explain_lists_every_code(cli: CommandLine) -> None:
    lines = cli("explain").stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(CATALOGUE)


def test_explain_suggests_what_was_meant(cli: CommandLine) -> None:
    result = cli("explain", "invalid_bundel")
    assert (result.code, result.stdout) == (64, "")
    assert "INVALID_BUNDLE" in result.stderr
    assert "lists all codes" in cli("explain", "\x1b[31mzzz").stderr
    assert "\x1b" not in cli("explain", "\x1b[31mzzz").output


# ---------------------------------------------------------------------------------------------------------- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(cli: CommandLine, shell: str) -> None:
    result = cli("completion", shell, env={"PATH": "/nonexistent"})
    assert (result.code, result.stderr) == (0, "")
    assert f"{VARIABLE}={shell}_complete" in result.stdout
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=result.stdout.encode(), capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_completion_of_another_shell(cli: CommandLine) -> None:
    assert cli("completion", "tcsh").code == 64


def test_a_shell_that_asks_is_answered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "wfsync val")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert answer(root, {VARIABLE: "bash_complete"}) == 0
    assert capsys.readouterr().out == "plain,validate\n"
    assert answer(root, {VARIABLE: "nonsense"}) == 64
    assert answer(root, {}) is None


# --------------------------------------------------------------------------------------------------------------- hints


def _error(*args: str) -> click.ClickException:
    """What click raises for a command (and its sub-command) with options that it does not know."""
    context, command = click.Context(root, info_name="wfsync"), args[0]
    found = root.get_command(context, command)
    while isinstance(found, click.Group):
        context, args = click.Context(found, info_name=command, parent=context), args[1:]
        command = args[0]
        found = found.get_command(context, command)
    assert found is not None
    with pytest.raises(click.ClickException) as caught:
        found.make_context(command, list(args[1:]), parent=context)
    return caught.value


def test_a_global_option_behind_the_command() -> None:
    hint = usage_hint(_error("validate", "--database", "x"))
    assert hint == ("--database is a global option and stands before the command: wfsync --database URL validate …")
    assert "wfsync -v db status …" in (usage_hint(_error("db", "status", "-v")) or "")


def test_no_hint_where_none_helps() -> None:
    assert usage_hint(_error("validate", "--nonsense")) is None
    with pytest.raises(click.NoSuchOption) as caught:
        root.make_context("wfsync", ["--nonsense"])
    assert usage_hint(caught.value) is None
    assert usage_hint(_error("schema")) is None


@pytest.mark.parametrize("name", root.list_commands(CONTEXT))
def test_every_command_has_real_help(name: str) -> None:
    command = root.get_command(CONTEXT, name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert len(command.help) > 60
    described = [p for p in command.params if isinstance(p, click.Option)]
    assert [p.name for p in described if not p.help] == []


@pytest.mark.parametrize("command", ["schema", "explain", "completion"])
def test_help_has_an_example(cli: CommandLine, command: str) -> None:
    assert "Example:" in cli(command, "--help").stdout
