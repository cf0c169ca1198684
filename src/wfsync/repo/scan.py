"""Walks the folders of a work tree and finds the bundle files, without following a link.

What belongs to the repository is decided by a `View`: everything in a plain folder, tracked or not ignored in git.
"""

# ruff: noqa: PTH112 - a directory may hold ten thousand files: os.scandir and plain text paths

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wfsync.errors import Place, Problem
from wfsync.repo import files
from wfsync.repo.layout import BUNDLE_SUFFIXES, key_of, printable
from wfsync.repo.source import MAX_FILE_BYTES, Entry

__all__ = ["Everything", "Found", "View", "link", "linked_folder", "scan", "submodule"]

Label = Callable[[str], str]


class View(Protocol):
    """Which part of the file system belongs to the repository."""

    def enters(self, path: str) -> bool:
        """True when the folder at ``path`` is to be looked into."""
        ...

    def counts(self, path: str) -> bool:
        """True when the file or link at ``path`` belongs to the repository."""
        ...


class Everything:
    """The view of a folder without git."""

    def enters(self, path: str) -> bool:  # noqa: ARG002 - the protocol's
        """Always."""
        return True

    def counts(self, path: str) -> bool:  # noqa: ARG002 - the protocol's
        """Always."""
        return True


@dataclass(slots=True)
class Found:
    """What a walk found; filled by it."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: int = 0
    """Files with a bundle's suffix that the view leaves out."""

    @property
    def is_empty(self) -> bool:
        """True when there is neither a bundle nor a fault; warnings alone do not make a directory less empty."""
        return not self.entries and not any(problem.is_error for problem in self.problems)

    def add(self, entry: Entry, *, pointer: bool) -> None:
        """Take the entry, or what keeps it from being read: its name, its size, or that it is an LFS ``pointer``."""
        problem = _fault(entry, pointer=pointer)
        if problem is None:
            self.entries.append(entry)
        else:
            self.problems.append(problem)


def scan(root: str, directory: str, exclude: frozenset[str], view: View, label: Label) -> Found:
    """Everything under ``directory`` that has a bundle's suffix, as entries or as problems. In no order."""
    found = Found()
    now = time.time_ns()
    folders = [directory]
    while folders:
        folder = folders.pop()
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(f"{root}/{folder}") as listing:
                children = list(listing)
        except OSError as error:
            found.problems.append(_unreadable_folder(label(folder), error))
            continue
        for child in children:
            path = prefix + child.name
            if child.is_dir(follow_symlinks=False):
                if not child.name.startswith(".") and view.enters(path):
                    folders.append(path)
            elif child.name.endswith(BUNDLE_SUFFIXES):
                if path in exclude:
                    continue
                if view.counts(path):
                    _take(found, child, path, label, now)
                else:
                    found.ignored += 1
            elif not child.name.startswith("."):
                _warn(found, child, path, view, label)
    return found


def _warn(found: Found, child: os.DirEntry[str], path: str, view: View, label: Label) -> None:
    """Say what is passed over although somebody may have meant it to be read."""
    if child.is_symlink():
        if os.path.isdir(child.path) and view.counts(path):
            found.problems.append(linked_folder(label(path)))
    elif child.name.lower().endswith(BUNDLE_SUFFIXES) and view.counts(path):
        found.problems.append(capital_suffix(label(path)))


def _take(found: Found, child: os.DirEntry[str], path: str, label: Label, now: int) -> None:
    if child.is_symlink():
        found.problems.append(link(path, label(path)))
    elif not child.is_file(follow_symlinks=False):
        found.problems.append(_special(path, label(path)))
    else:
        try:
            status = child.stat(follow_symlinks=False)
        except OSError:
            return  # gone since the folder was listed
        size = status.st_size
        pointer = size < files.LFS_POINTER_SIZE and files.starts_as_pointer(child.path)
        found.add(Entry(path, label(path), size, None, files.stamp(status, now)), pointer=pointer)


def _fault(entry: Entry, *, pointer: bool) -> Problem | None:
    if not entry.path.isascii() and not _is_text(entry.path):
        return Problem(
            code="REPOSITORY_FILE_NAME",
            message="the file's path is not UTF-8",
            place=Place(entry.label),
            hint="rename it: a file is named like its key, which is ASCII",
        )
    if entry.size > MAX_FILE_BYTES:
        error = files.too_large("the file", MAX_FILE_BYTES)
        return Problem(
            code=error.code, message=error.message, place=Place(entry.label), key=key_of(entry.path), hint=error.hint
        )
    return files.lfs_pointer(entry.path, entry.label) if pointer else None


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def link(path: str, label: str) -> Problem:
    """The fault of a symbolic link with a bundle's suffix."""
    return Problem(
        code="REPOSITORY_SYMLINK",
        message="the file is a symbolic link, and links are never followed",
        place=Place(label),
        key=printable(key_of(path)),
        hint="put the file itself there, or remove the link",
    )


def linked_folder(label: str, *, is_out: bool = False) -> Problem:
    """The warning for a link to a folder, or (``is_out``) out of a commit, where a folder may be: it is not read."""
    where = "that leads out of the commit" if is_out else "to a folder"
    return Problem(
        code="REPOSITORY_SYMLINK",
        message=f"a symbolic link {where} is not followed; workflows behind it are not read",
        severity="warning",
        place=Place(label),
    )


def capital_suffix(label: str) -> Problem:
    """The warning for ``x.JSON``: it looks like a bundle and is none."""
    return Problem(
        code="REPOSITORY_FILE_NAME",
        message="the file is not read: only .json, .yaml and .yml in small letters are workflow files",
        severity="warning",
        place=Place(label),
        hint="rename it",
    )


def submodule(label: str) -> Problem:
    """The fault of a repository inside the directory."""
    return Problem(
        code="REPOSITORY_SUBMODULE",
        message="the folder is a git repository of its own (a submodule); its files are not part of this one",
        place=Place(label),
        hint="keep the workflows in this repository, or run wfsync in the submodule itself",
    )


def _special(path: str, label: str) -> Problem:
    return Problem(
        code="REPOSITORY_SPECIAL_FILE",
        message="this is no regular file but a pipe, a socket or a device",
        place=Place(label),
        key=printable(key_of(path)),
        hint="remove it, or move it out of the directory",
    )


def _unreadable_folder(label: str, error: OSError) -> Problem:
    return Problem(
        code="REPOSITORY_UNREADABLE",
        message=f"the folder cannot be read: {error.strerror}",
        place=Place(label),
        hint="check its permissions; files that cannot be seen are never taken for files that are gone",
    )
