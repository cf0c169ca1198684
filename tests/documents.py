"""Markdown documents as promises: the commands that they show, in order, and what each of them prints.

* A ``console`` block holds commands (``$ …``), each with what it prints, stdout and stderr as a terminal mixes them.
* An ``sh`` or ``bash`` block holds lines that must succeed; nothing is said about their output.
* ``<!-- run`` … ``-->`` holds lines that prepare what comes after; readers do not see them.
* ``<!-- not run: REASON -->`` before a block leaves it out.

``...`` in shown output stands for anything: within a line as within it, on a line of its own for any number of lines.
Ids, digests, commits, times, durations and the user's folder are compared as such, whatever they are.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["USER_FOLDER", "Command", "Session", "blocks", "commands", "matches", "normal", "skipped"]

USER_FOLDER: Final = "/home/you"
"""The reader's home in documents; the folder of the `Session` in tests."""

_RUN: Final = ("console", "sh", "bash")
_BLOCK: Final = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n+)?"
    r"^(?:```(?P<language>\w+)\n(?P<text>.*?)^```$|<!-- run\n(?P<hidden>.*?)^-->$)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a document."""

    line: str
    number: int
    """The line of the document."""
    shown: str | None = None
    """What it prints; None where the document does not say, and then it must succeed."""


def blocks(document: Path) -> Iterator[tuple[int, re.Match[str]]]:
    """Every fenced block and every hidden one, with the number of its first line."""
    text = document.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start("text" if found["hidden"] is None else "hidden")) + 1, found


def commands(document: Path) -> list[Command]:
    """What a reader of ``document`` would type, from top to bottom."""
    found: list[Command] = []
    for start, block in blocks(document):
        if block["hidden"] is not None:
            found += _lines(block["hidden"], start)
        elif block["reason"] is None and block["language"] == "console":
            found += _console(block["text"], start)
        elif block["reason"] is None and block["language"] in _RUN:
            found += _lines(block["text"], start)
    return found


def skipped(document: Path) -> list[str]:
    """The reasons of the blocks that are not run."""
    return [block["reason"] for _, block in blocks(document) if block["reason"] is not None]


def _console(text: str, start: int) -> list[Command]:
    found: list[Command] = []
    for number, line in enumerate(text.splitlines(), start):
        if line.startswith("$ "):
            found.append(Command(line[2:], number, ""))
        else:
            last = found[-1]
            found[-1] = Command(last.line, last.number, f"{last.shown}{line}\n")
    return found


def _lines(text: str, start: int) -> Iterator[Command]:
    for number, line in enumerate(text.splitlines(), start):
        if line.strip() and not line.startswith("#"):
            yield Command(line, number)


_NORMAL: Final[tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]] = (
    (
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
        lambda found: "<id>" if found[0].strip("0-") else found[0],
    ),
    (r"\b[0-9a-f]{64}\b", "<digest>"),
    (r"\b[0-9a-f]{40}\b", "<commit>"),
    (r"(\bat |, )[0-9a-f]{12}\b", r"\1<commit>"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
    (r"\bin \d+\.\d\d s\b", "in <seconds> s"),
    (r"\bhost=[^&\s,\"]+", "host=<socket>"),
)


def normal(text: str) -> str:
    """``text`` with one word for whatever differs from run to run."""
    for pattern, replacement in _NORMAL:
        text = re.sub(pattern, replacement, text)
    return text


def matches(shown: str, printed: str) -> bool:
    """Whether ``printed`` is what a document shows."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in normal(shown).splitlines()
    )
    return re.fullmatch(pattern, normal(printed)) is not None


@dataclass(slots=True)
class Session:
    """A reader's terminal: one shell after another, each where the last one stood, with its exports and exit code."""

    home: Path
    """A short path that the embedded server's account can reach."""
    environment: Mapping[str, str]
    folder: Path = field(init=False)
    code: int = 0

    def __post_init__(self) -> None:
        programs, state = self.home / ".programs", self.home / ".session"
        programs.mkdir()
        state.mkdir()
        (state / "exports").touch()
        program = programs / "wfsync"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wfsync "$@"\n')
        program.chmod(0o755)
        path = f"{programs}:{self.environment['PATH']}"
        self.environment = {**self.environment, "PATH": path, "HOME": str(self.home)}
        self.folder = self.home

    def run(self, line: str) -> str:
        """Run a line; both streams, as a terminal shows them, with the reader's home as `USER_FOLDER`."""
        state = self.home / ".session"
        script = (
            f". {state}/exports\n(exit {self.code})\n{line}\ncode=$?\n"
            f"pwd > {state}/folder\nexport -p > {state}/exports\nexit $code\n"
        )
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
        self.folder = Path((state / "folder").read_text(encoding="utf-8").strip())
        return done.stdout.replace(str(self.home), USER_FOLDER)

    def differences(self, document: Path) -> list[str]:
        """Run all of ``document``; what happened otherwise than it says."""
        return [found for command in commands(document) if (found := self._difference(document, command))]

    def _difference(self, document: Path, command: Command) -> str | None:
        printed = self.run(command.line)
        kept = self.code == 0 if command.shown is None else matches(command.shown, printed)
        return None if kept else f"{document.name}:{command.number}: $ {command.line}\n{printed}[exit {self.code}]"

    def close(self) -> None:
        """Stop and delete every embedded server that was started."""
        for state in self.home.rglob(".wfsync"):
            self.folder = state.parent
            self.run("wfsync db reset --yes")
