"""A folder that is in no git repository: containers, downloads. Nothing is ignored, there is no commit."""

# os.path keeps the last step of a path as it is; Path.resolve would follow the link that is to be refused.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import os
from pathlib import Path

from wfsync.repo import files
from wfsync.repo.identity import repository_identity
from wfsync.repo.labels import Labels
from wfsync.repo.layout import ancestors, join, normal
from wfsync.repo.scan import Everything, Found, scan
from wfsync.repo.source import MAX_FILE_BYTES, Reader, Source, SourceInfo

__all__ = ["Folder", "finish", "inside"]


def inside(root: str, path: str | Path) -> str | None:
    """A path of the file system relative to ``root``, whether it exists or not; None when it lies outside.

    Links in its parents are resolved, a link at its end is not: who reads it will refuse it.
    """
    parent, name = os.path.split(os.path.abspath(path))
    relative = os.path.relpath(os.path.join(os.path.realpath(parent), name), root)
    return None if relative == ".." or relative.startswith("../") else normal(relative)


def finish(found: Found, info: SourceInfo, reader: Reader) -> Source:
    """The source that a walk amounts to, in the order of paths."""
    found.entries.sort(key=lambda entry: entry.path)
    found.problems.sort(key=lambda problem: (str(problem.place), problem.code))
    return Source(info, tuple(found.entries), tuple(found.problems), reader)


class Folder:
    """A plain folder; see `wfsync.repo.source.Repository` for what its methods promise."""

    rev: str | None = None

    def __init__(self, root: str, start: str, labels: Labels) -> None:
        self.root = root
        self.start = start
        self.label = labels
        self.identity = repository_identity({}, root)

    @property
    def tracked(self) -> int:
        """Not known."""
        return 0

    def relative(self, path: str | Path) -> str | None:
        """``path`` of the file system as a path of this folder; None when it lies outside."""
        return inside(self.root, path)

    def find_upward(self, name: str) -> str | None:
        """The nearest file called ``name`` from ``start`` up to the root."""
        return next((join(f, name) for f in ancestors(self.start) if self._exists(join(f, name))), None)

    def _exists(self, path: str) -> bool:
        return os.path.lexists(f"{self.root}/{path}")

    def read_file(self, path: str) -> bytes | None:
        """One file, or None when it does not exist."""
        path = normal(path)
        if not self._exists(path) or not files.is_folder(self.root, path.rpartition("/")[0]):
            return None
        return files.read_regular(f"{self.root}/{path}", limit=MAX_FILE_BYTES, label=self.label(path))

    def source(self, directory: str, *, exclude: frozenset[str] = frozenset(), allow_empty: bool = False) -> Source:
        """Every bundle file under ``directory``."""
        directory = normal(directory)
        found = Found()
        exists = files.is_folder(self.root, directory)
        if exists:
            found = scan(self.root, directory, exclude, Everything(), self.label)
        if not allow_empty and found.is_empty:
            raise files.no_directory(self.label(directory), missing=not exists)
        return finish(found, SourceInfo(self.root, directory or "."), Reader(self.root, None))
