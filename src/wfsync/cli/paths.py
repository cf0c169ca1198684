"""``PATH…`` → the files that are meant, and the configuration under which each is read.

A folder means the bundles below it, as ``plan`` finds them: ignored files are left out, and a folder that holds the
configured ``directory`` means that. A file means itself, also one that git ignores; the ``wfsync.yaml`` around it holds
for it. The repository's own files (config, registry, tests of workflows) are checked as what they are whenever they are
used, so naming one adds nothing.

Files outside of git and without a ``wfsync.yaml`` count as one set, wherever they lie.
"""

# What was written on the command line is told from where it leads to: plain text paths.
# ruff: noqa: PTH112, PTH119, PTH120

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from wfsync.errors import Place, Problem, WfsyncError
from wfsync.repo.layout import BUNDLE_SUFFIXES, printable
from wfsync.repo.source import Entry, Reader, Source, SourceInfo

if TYPE_CHECKING:
    from wfsync.cli.context import App
    from wfsync.wiring import Workspace

__all__ = ["Chosen", "Part", "as_problems", "choose"]


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are read under one configuration."""

    workspace: Workspace
    source: Source
    named: frozenset[str]
    """Paths (as in ``source.entries``) of the files that were named one by one."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Everything that was meant, and why some of it cannot be read."""

    parts: tuple[Part, ...]
    problems: tuple[Problem, ...]


def choose(app: App, paths: Iterable[str], rev: str | None) -> Chosen:
    """The files that ``paths`` mean, in the work tree or in ``rev``; without paths those of the repository around.

    What is missing, empty or unreadable is a problem, so that one run names all of it. Raises `WfsyncError` only for
    mistakes on the command line (code ``USAGE``).
    """
    choice = _Choice(app, rev)
    for path in tuple(paths) or (None,):
        try:
            choice.add(path)
        except WfsyncError as error:
            if error.code == "USAGE":
                raise
            choice.problems.extend(as_problems(error, path))
    return Chosen(choice.parts(), tuple(_unique(choice.problems)))


def as_problems(error: WfsyncError, path: str | None = None) -> tuple[Problem, ...]:
    """``error`` as values: every problem behind it, else itself, at ``path`` when one is given."""
    if error.problems:
        return error.problems
    place = Place(printable(path)) if path is not None else None
    return (Problem(code=error.code, message=error.message, hint=error.hint, place=place, details=error.details),)


@dataclass(slots=True)
class _Group:
    """A part that is being collected."""

    workspace: Workspace
    info: SourceInfo
    reader: Reader
    is_loose: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    named: set[str] = field(default_factory=set)

    def part(self) -> Part:
        entries = tuple(self.entries[path] for path in sorted(self.entries))
        source = Source(self.info, entries, tuple(_unique(self.problems)), self.reader)
        return Part(self.workspace, source, frozenset(self.named))


@dataclass(slots=True)
class _Choice:
    app: App
    rev: str | None
    problems: list[Problem] = field(default_factory=list)
    groups: dict[tuple[str, str | None], _Group] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    """Of the folders around named files."""
    listings: dict[tuple[str, str], Source] = field(default_factory=dict)
    """Likewise, of a revision."""

    def add(self, path: str | None) -> None:
        if path is None or (os.path.isdir(path) if self.rev is None else not path.endswith(BUNDLE_SUFFIXES)):
            workspace = self.app.workspace(None if path is None else Path(path), self.rev)
            source = workspace.source()
            group = self.group(workspace, source.info, source.reader)
            group.entries.update((entry.path, entry) for entry in source.entries)
            group.problems.extend(source.problems)
        elif self.rev is not None:
            self.add_stored(path, self.rev)
        elif os.path.lexists(path):
            self.add_file(path)
        else:
            self.refuse(path, "FILE_MISSING", "does not exist", "name files and folders that exist")

    def refuse(self, path: str, code: str, message: str, hint: str) -> None:
        self.problems.append(Problem(code=code, message=message, place=Place(printable(path)), hint=hint))

    def add_file(self, path: str) -> None:
        """A file of the file system."""
        workspace = self.workspace(os.path.dirname(path) or ".")
        repository = workspace.repository
        inside = repository.relative(path)
        if inside is None:
            self.refuse(path, "OUTSIDE_REPOSITORY", f"lies outside of {repository.root}", "name a file inside of it")
            return
        if inside in workspace.own_files() or workspace.whole().is_test(inside):
            self.group(workspace, SourceInfo(repository.root, workspace.directory), Reader(repository.root, None))
            return
        if not path.endswith(BUNDLE_SUFFIXES):
            message = "is no workflow file: only .json, .yaml and .yml are read"
            self.refuse(path, "REPOSITORY_FILE_NAME", message, "rename it, or leave it out")
            return
        group = self.group(workspace, SourceInfo(repository.root, workspace.directory), Reader(repository.root, None))
        group.entries.setdefault(inside, Entry(inside, repository.label(inside), os.lstat(path).st_size))
        group.named.add(inside)

    def add_stored(self, path: str, rev: str) -> None:
        """A file of a revision."""
        folder = os.path.dirname(path) or "."
        workspace = self.workspace(folder)
        repository = workspace.repository
        inside = repository.start + "/" * bool(repository.start) + os.path.basename(path)
        listed = (repository.root, repository.start)
        if listed not in self.listings:
            self.listings[listed] = repository.source(repository.start or ".", allow_empty=True)
        source = self.listings[listed]
        entry = next((entry for entry in source.entries if entry.path == inside), None)
        problems = [p for p in source.problems if p.place is not None and p.place.file == repository.label(inside)]
        if entry is None and not problems:
            self.refuse(path, "FILE_MISSING", f"does not exist in {rev}", "name a file of that revision")
            return
        group = self.group(workspace, source.info, source.reader)
        group.problems.extend(problems)
        if entry is not None and inside not in workspace.own_files():
            group.entries.setdefault(inside, entry)
            group.named.add(inside)

    def workspace(self, folder: str) -> Workspace:
        if folder not in self.workspaces:
            self.workspaces[folder] = self.app.workspace(Path(folder), self.rev)
        return self.workspaces[folder]

    def group(self, workspace: Workspace, info: SourceInfo, reader: Reader) -> _Group:
        """The group of everything in the repository of ``workspace`` that is read under its configuration."""
        place = (workspace.repository.root, workspace.config_path)
        group = self.groups.get(place)
        if group is None:
            group = self.groups[place] = _Group(workspace, info, reader, _is_loose(workspace))
        elif group.reader.git_dir is None:
            group.reader = reader
        return group

    def parts(self) -> tuple[Part, ...]:
        loose = [group for group in self.groups.values() if group.is_loose]
        others = [group.part() for group in self.groups.values() if not group.is_loose]
        if len(loose) > 1:
            loose = [_together(loose)]
        return (*others, *(group.part() for group in loose))


def _is_loose(workspace: Workspace) -> bool:
    """True when neither git nor a configuration says to what the files belong."""
    from wfsync.repo.folder import Folder

    return workspace.config_path is None and type(workspace.repository) is Folder


def _together(groups: list[_Group]) -> _Group:
    """Loose groups as one, below the folder that all have in common."""
    root = os.path.commonpath([group.info.root for group in groups])
    merged = _Group(groups[0].workspace, SourceInfo(root, "."), Reader(root, None), is_loose=True)
    for group in groups:
        base = os.path.relpath(group.info.root, root)
        prefix = "" if base == "." else f"{base}/"
        for entry in group.entries.values():
            merged.entries.setdefault(prefix + entry.path, structs.replace(entry, path=prefix + entry.path))
        merged.named.update(prefix + path for path in group.named)
        merged.problems.extend(group.problems)
    return merged


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list({(p.code, p.place, p.message): p for p in problems}.values())
