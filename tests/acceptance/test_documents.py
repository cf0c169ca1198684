"""The documents keep their word: the tutorial's commands are run and print what it shows, CI recipes are real."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from command_line import CommandLine

DOCS: Final = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a ``console`` block, and what the document shows of its output."""

    line: str
    shown: str
    number: int
    """The line of the document."""


def _blocks(document: str, language: str) -> Iterator[tuple[int, str]]:
    text = (DOCS / document).read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def _commands(document: str) -> list[Command]:
    found: list[Command] = []
    for start, block in _blocks(document, "console"):
        for number, line in enumerate(block.splitlines(), start):
            if line.startswith("$ "):
                found.append(Command(line[2:], "", number))
            else:
                last = found[-1]
                found[-1] = Command(last.line, f"{last.shown}{line}\n", last.number)
    return found


def _matches(shown: str, printed: str) -> bool:
    """``...`` stands for anything: within a line as within it, on a line of its own for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed) is not None


@dataclass(slots=True)
class Session:
    """One shell after another, each where the last one stood and knowing how it ended."""

    folder: Path
    environment: dict[str, str]
    code: int = 0

    def run(self, line: str) -> str:
        """Run a line; both streams, as a terminal shows them."""
        place = self.environment["TUTORIAL_PLACE"]
        script = f"(exit {self.code})\n{line}\ncode=$?\npwd > {shlex.quote(place)}\nexit $code\n"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        self.code = done.returncode
        self.folder = Path(Path(place).read_text(encoding="utf-8").strip())
        return done.stdout


@pytest.fixture
def session(cli: CommandLine, tmp_path: Path) -> Session:
    programs, start = tmp_path / "bin", tmp_path / "start"
    programs.mkdir()
    start.mkdir()
    program = programs / "wfsync"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wfsync "$@"\n')
    program.chmod(0o755)
    environment = cli.environment({"TUTORIAL_PLACE": str(tmp_path / "place")})
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    return Session(start, environment)


def test_the_tutorial_shows_what_happens(session: Session) -> None:
    commands = _commands("tutorial.md")
    assert len(commands) > 10
    differences: list[str] = []
    try:
        for command in commands:
            printed = session.run(command.line)
            if not _matches(command.shown, printed):
                differences.append(f"tutorial.md:{command.number}: $ {command.line}\n{printed}")
    finally:
        session.run("wfsync db stop")
    assert not differences, "\n".join(differences)


def test_a_difference_from_what_is_shown_is_seen() -> None:
    assert _matches("a ... c\n...\nend\n", "a b c\nx\ny\nend\n")
    assert _matches("...\nend\n", "end\n")
    assert not _matches("a\n", "a\nb\n")
    assert not _matches("a ... c\n", "a b d\n")


def test_recipes_are_yaml_and_call_only_commands_that_exist(cli: CommandLine) -> None:
    lines = [line for _, block in _blocks("ci.md", "yaml") for line in _strings(yaml.safe_load(block))]
    lines += [line for _, block in _blocks("ci.md", "sh") for line in block.splitlines()]
    called = {match[1] for line in lines for match in re.finditer(r"\bwfsync (?:--quiet )?([a-z]+)\b", line)}
    assert {"fmt", "validate", "plan", "apply", "export", "db"} <= called
    for command in sorted(called):
        assert cli(command, "--help").code == 0, command


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
