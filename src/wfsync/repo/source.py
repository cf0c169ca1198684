"""What a repository offers to the rest of the program: values, and the one interface behind which git is hidden.

A `Repository` is a place that was opened: a work tree, a revision or a plain folder. Its `Source` is the list of bundle
files in it, with every fault that keeps a file from being read. A `Reader` turns an `Entry` into bytes; it is plain
data, so that worker processes can be given one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct, msgpack

from wfsync.bundle.model import MAX_WORKFLOW_BYTES
from wfsync.errors import Problem, RepositoryError
from wfsync.repo import files

__all__ = ["CONFIG_NAME", "MAX_FILE_BYTES", "Entry", "Reader", "Repository", "Source", "SourceInfo"]

CONFIG_NAME: Final = "wfsync.yaml"

MAX_FILE_BYTES: Final = MAX_WORKFLOW_BYTES + 64 * 1024
"""What is read at most: a workflow's limit and some room, so that `bundle` says exactly what is over it."""


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """One bundle file."""

    path: str
    """POSIX, relative to the repository's root."""
    label: str
    """The file as messages name it: relative to the working directory where it lies below it."""
    size: int
    """Bytes; as of the listing."""
    blob_id: str | None = None
    """The git object that holds it; None: it is read from the work tree."""
    stamp: str | None = None
    """Equal stamps, equal bytes: the blob's id, or size, times and inode of a file that has not been touched lately
    (git's rule for racy entries). None: nobody can tell."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Where bundles came from, for the plan and for people."""

    root: str
    """The work tree's root, the bare repository, or the folder."""
    directory: str
    """Relative to ``root``, ``"."`` for the root itself."""
    commit: str | None = None
    """HEAD's commit of a work tree, the revision's own otherwise; None without git or before the first commit."""
    branch: str | None = None
    """The checked out branch, or the branch that the revision names; None for a detached HEAD, a tag, a commit."""
    dirty: bool | None = None
    """Whether bundles or config differ from ``commit``; always False for a revision, None without git."""
    rev: str | None = None
    """The revision as it was asked for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads entries; picklable, opens what it needs in the process where it is used."""

    root: str
    git_dir: str | None

    def read(self, entry: Entry) -> bytes:
        """The file's bytes.

        Raises `RepositoryError` when it vanished, cannot be read, is above `MAX_FILE_BYTES` (found out before it is
        loaded), is no regular file any more, or is a Git LFS pointer.
        """
        return self.read_as_listed(entry)[0]

    def read_as_listed(self, entry: Entry) -> tuple[bytes, bool]:
        """As `read`, and whether the file that was read is the one that ``entry`` is the stamp of: folders are swapped
        without a trace in the files below them.
        """
        stamp = entry.stamp
        if entry.blob_id is None:
            data, stamp = files.read_stamped(f"{self.root}/{entry.path}", limit=MAX_FILE_BYTES, label=entry.label)
        else:
            from wfsync.repo import git  # a plain folder needs no pygit2

            data = git.read_blob(self.git_dir or self.root, entry.blob_id, limit=MAX_FILE_BYTES, label=entry.label)
        if data.startswith(files.LFS_POINTER):
            problem = files.lfs_pointer(entry.path, entry.label)
            raise RepositoryError(
                f"{entry.label}: {problem.message}", code=problem.code, hint=problem.hint, problems=(problem,)
            )
        return data, stamp == entry.stamp

    def is_unchanged(self, entry: Entry) -> bool:
        """True when the file is still the one that was listed, as far as its stamp says; without one nobody can tell.

        Asked after reading it, it holds for what was read.
        """
        if entry.stamp is None or entry.blob_id is not None:
            return True
        return files.stamp_of(f"{self.root}/{entry.path}") == entry.stamp


@dataclass(frozen=True, slots=True)
class Source:
    """The bundle files of one directory, in the order of their paths."""

    info: SourceInfo
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    """Files and folders that stand where bundles stand and cannot be read as such; they are not among the entries, and
    their key must not be taken for one that is gone."""
    reader: Reader

    def read(self, entry: Entry) -> bytes:
        """See `Reader.read`."""
        return self.reader.read(entry)

    def __reduce__(self) -> tuple[Callable[..., Source], tuple[object, ...]]:
        # It may be made in a worker process, and pickling each entry costs as much as finding it
        return _source, (self.info, msgpack.encode(self.entries), self.problems, self.reader)


def _source(info: SourceInfo, entries: bytes, problems: tuple[Problem, ...], reader: Reader) -> Source:
    return Source(info, msgpack.decode(entries, type=tuple[Entry, ...]), problems, reader)


class Repository(Protocol):
    """An opened work tree, revision or folder. All paths are POSIX and relative to ``root``."""

    @property
    def root(self) -> str:
        """Absolute path of the work tree, the bare repository or the folder."""
        ...

    @property
    def start(self) -> str:
        """The folder that was opened."""
        ...

    @property
    def rev(self) -> str | None:
        """The revision that is read, as it was asked for; None: files."""
        ...

    @property
    def tracked(self) -> int:
        """About how many files there are to be looked at one by one, as far as that is known beforehand; else 0."""
        ...

    @property
    def identity(self) -> str:
        """What the repository is called by everybody who has it; `wfsync.repo.identity`."""
        ...

    def label(self, path: str) -> str:
        """How messages name ``path``."""
        ...

    def relative(self, path: str | Path) -> str | None:
        """A path of the file system as a path of this repository; None when it lies outside."""
        ...

    def find_upward(self, name: str) -> str | None:
        """The file called ``name`` that is nearest to ``start``, upward to the root; None when there is none."""
        ...

    def read_file(self, path: str) -> bytes | None:
        """One file (config, registry); None when it does not exist. Raises `RepositoryError` as `Reader.read` does."""
        ...

    def source(self, directory: str, *, exclude: frozenset[str] = frozenset(), allow_empty: bool = False) -> Source:
        """The bundle files under ``directory``, but for the paths in ``exclude`` (config, registry, overlays).

        Raises `RepositoryError` when the directory leads out of the repository, is a link or a file, or cannot be read;
        and, unless ``allow_empty``, when it is missing or holds no bundle (spec: an empty or missing directory never
        means "delete everything").
        """
        ...
