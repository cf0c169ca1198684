"""``PATH…`` of `wfsync test` → the files of tests that are meant, and the repository that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfsync.errors import ConfigError, InputError, Problem
from wfsync.repo.layout import BUNDLE_SUFFIXES, is_under, normal, printable
from wfsync.repo.source import Entry, Reader

if TYPE_CHECKING:
    from wfsync.cli.context import App
    from wfsync.wiring import Workspace

__all__ = ["ChosenTests", "choose_tests"]


@dataclass(frozen=True, slots=True)
class ChosenTests:
    """Files of tests of one repository."""

    workspace: Workspace
    entries: tuple[Entry, ...]
    reader: Reader
    is_all: bool
    """Whether these are all tests of the repository."""


def choose_tests(app: App, paths: Iterable[str]) -> ChosenTests:
    """The files that ``paths`` mean; without paths all of the repository around the working directory.

    A folder means the tests in it; one around the repository's tests means those. Raises `WfsyncError` with every file
    that cannot be read.
    """
    named = tuple(paths)
    workspace = app.workspace(_folder_of(named[0]) if named else None)
    tests = workspace.tests_folder
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    is_all = not named
    reader: Reader | None = None
    for path in named or (None,):
        inside = None if path is None else _inside(workspace, path)
        if inside is not None and Path(path or "").is_file():
            entries.setdefault(inside, _entry(workspace, path or "", inside))
            continue
        around = inside is None or is_under(tests, inside)
        source = workspace.tests(None if around else inside)
        is_all |= around
        reader = source.reader
        entries.update((entry.path, entry) for entry in source.entries)
        problems.extend(problem for problem in source.problems if problem.is_error)
    if problems:
        raise InputError("not every file of tests can be read", code=problems[0].code, problems=problems)
    if not entries:
        raise ConfigError(
            f"there are no tests in {', '.join(map(printable, named)) or workspace.repository.label(tests)}",
            code="NO_TESTS",
            hint=f"tests are *.yaml, *.yml and *.json files in {workspace.repository.label(tests)}/ that git does "
            "not ignore; docs/testing.md says what they look like",
        )
    ordered = tuple(entries[path] for path in sorted(entries))
    return ChosenTests(workspace.whole(), ordered, reader or Reader(workspace.repository.root, None), is_all)


def _folder_of(path: str) -> Path:
    _require(path)
    place = Path(path)
    return place if place.is_dir() else place.parent


def _inside(workspace: Workspace, path: str) -> str:
    _require(path)
    inside = workspace.repository.relative(path)
    if inside is None:
        raise click.UsageError(
            f"{printable(path)} lies outside of {workspace.repository.root}: one repository at a time"
        )
    return normal(inside)


def _require(path: str) -> None:
    if not Path(path).exists():
        raise ConfigError(
            f"{printable(path)} does not exist", code="FILE_MISSING", hint="name files and folders that exist"
        )


def _entry(workspace: Workspace, path: str, inside: str) -> Entry:
    if not path.endswith(BUNDLE_SUFFIXES):
        raise ConfigError(
            f"{printable(path)} is no file of tests: only .json, .yaml and .yml are read",
            code="REPOSITORY_FILE_NAME",
            hint="rename it, or leave it out",
        )
    return Entry(inside, workspace.repository.label(inside), Path(path).lstat().st_size)
