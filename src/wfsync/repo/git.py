"""libgit2 behind a border: what it raises comes out as `RepositoryError`, what is private in it stays in this file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pygit2
from msgspec import Struct
from pygit2.enums import FileMode
from pygit2.ffi import C, ffi

from wfsync.errors import RepositoryError
from wfsync.repo.files import LFS_POINTER, LFS_POINTER_SIZE, too_large

__all__ = [
    "FOLDER",
    "LINK",
    "SUBMODULE",
    "IndexRow",
    "Resolved",
    "blob_size",
    "branch_of",
    "discover",
    "errors",
    "head_commit",
    "index_rows",
    "index_size",
    "open_git",
    "read_blob",
    "resolve",
]

LINK: Final = int(FileMode.LINK)
SUBMODULE: Final = int(FileMode.COMMIT)
FOLDER: Final = int(FileMode.TREE)

_INDEX_ENTRY: Final = 100
"""Bytes, about: 62 and the path."""
_SKIP_WORKTREE: Final = 1 << 14  # in flags_extended
_ASSUME_VALID: Final = 1 << 15  # in flags

_OWNER: Final = re.compile(r"repository path '(?P<path>.*)' is not owned by current user")

_UNSUPPORTED: Final = {
    "unsupported mandatory extension: 'sdir'": "run `git sparse-checkout reapply --no-sparse-index`",
    "unsupported mandatory extension: 'link'": "run `git update-index --no-split-index`",
    "unknown object format": "only repositories with SHA-1 object names can be read so far",
    "unsupported extension": "the repository uses a feature of git that libgit2 cannot read",
}

_NO_HOME: Final = re.compile(r"failed to stat '.*(\.gitconfig|git/config)'")


@contextmanager
def errors(doing: str, *, code: str | None = None) -> Iterator[None]:
    """Turn what libgit2 raises into a `RepositoryError`; ``doing`` completes "git cannot …"."""
    try:
        yield
    # pygit2's errors derive from KeyError and ValueError in part, and names that are not UTF-8 raise UnicodeError.
    except (pygit2.GitError, OSError, KeyError, ValueError) as error:
        raise _translated(error, doing, code) from error


def _translated(error: BaseException, doing: str, code: str | None) -> RepositoryError:
    text = str(error.args[0]) if error.args and not isinstance(error, OSError) else str(error)
    owned = _OWNER.search(text)
    if owned:
        path = owned["path"].rstrip("/")
        return RepositoryError(
            f"the repository {path} belongs to another user, so git does not trust it",
            code="REPOSITORY_OWNER",
            hint=f"if you trust it: git config --global --add safe.directory {path}",
            details={"path": path},
        )
    for sign, hint in _UNSUPPORTED.items():
        if sign in text:
            return RepositoryError(f"git cannot {doing}: {text}", code="REPOSITORY_UNSUPPORTED", hint=hint)
    hint = "`git status` and `git fsck` may say more"
    if _NO_HOME.search(text):
        hint = "git's own settings cannot be read: set HOME to a folder of this user"
    elif "index is locked" in text:
        hint = "another git is at work, or one crashed: if none is running, remove index.lock in the git folder"
    return RepositoryError(f"git cannot {doing}: {text}", code=code, hint=hint)


def discover(folder: str) -> str | None:
    """The git folder that ``folder`` belongs to, or None. Stops where git stops (GIT_CEILING_DIRECTORIES)."""
    if not _may_be_within(folder):
        return None
    with errors(f"look for a repository at {folder}"):
        return pygit2.discover_repository(folder, False, os.environ.get("GIT_CEILING_DIRECTORIES", ""))


def _may_be_within(folder: str) -> bool:
    """False where there is surely no repository.

    pygit2 then returns a None that it does not own (1.21.0): before Python 3.12 each one brings the interpreter nearer
    to its end, and a service looks again at every sync.
    """
    place = Path(folder).absolute()
    return any(
        os.path.lexists(step / ".git") or os.path.lexists(step / "HEAD")  # the latter: a bare one, or inside of .git
        for step in (place, *place.parents)
    )


def open_git(git_dir: str) -> pygit2.Repository:
    """Open a repository; raises `RepositoryError` (``REPOSITORY_OWNER`` when it is somebody else's)."""
    with errors("open the repository"):
        return pygit2.Repository(git_dir)


def remotes(repository: pygit2.Repository) -> dict[str, str]:
    """The remotes of a repository: name → URL, as its settings say; none where they cannot be read."""
    try:
        return {remote.name: remote.url for remote in repository.remotes if remote.name and remote.url}
    except (pygit2.GitError, ValueError):
        return {}


def branch_of(repository: pygit2.Repository) -> str | None:
    """The checked out branch, also before its first commit; None when HEAD is detached."""
    with errors("read HEAD"):
        head = repository.lookup_reference("HEAD").raw_target
        if not isinstance(head, bytes):
            return None
        return head.decode("utf-8", "replace").removeprefix("refs/heads/")


def head_commit(repository: pygit2.Repository) -> pygit2.Commit | None:
    """HEAD's commit; None before the first."""
    with errors("read HEAD"):
        return None if repository.head_is_unborn else repository.head.peel(pygit2.Commit)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a revision means."""

    commit: pygit2.Commit
    branch: str | None
    """The local branch that was named, or that HEAD is on."""


def resolve(repository: pygit2.Repository, rev: str) -> Resolved:
    """The commit that ``rev`` names: branch, tag (annotated ones are peeled), id, short id, ``HEAD~2`` and the like.

    Raises `RepositoryError`: ``REVISION_NOT_FOUND``, ``REVISION_AMBIGUOUS`` (a short id of several objects, or a name
    that a branch and a tag share and that means two commits).
    """
    _refuse_two_meanings(repository, rev)
    try:
        found, reference = repository.revparse_ext(rev)
    except pygit2.AmbiguousError as error:
        raise RepositoryError(
            f"the revision {rev!r} is ambiguous", code="REVISION_AMBIGUOUS", hint="give more digits of the commit id"
        ) from error
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise _not_found(repository, rev) from error
    try:
        commit = found.peel(pygit2.Commit)
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise RepositoryError(
            f"{rev!r} names a {type(found).__name__.lower()}, not a commit",
            code="REVISION_NOT_FOUND",
            hint="name a commit, tag or branch",
        ) from error
    name: str = getattr(reference, "name", "")  # None, against its type, for HEAD~2 and ids
    branch = name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None
    return Resolved(commit, branch)


def _refuse_two_meanings(repository: pygit2.Repository, rev: str) -> None:
    targets = set()
    for space in ("refs/heads/", "refs/tags/"):
        try:
            targets.add(repository.lookup_reference(space + rev).peel(pygit2.Commit).id)
        except (pygit2.GitError, KeyError, ValueError):
            continue
    if len(targets) > 1:
        raise RepositoryError(
            f"the revision {rev!r} is ambiguous: a branch and a tag have that name",
            code="REVISION_AMBIGUOUS",
            hint=f"say refs/heads/{rev} or refs/tags/{rev}",
        )


def _not_found(repository: pygit2.Repository, rev: str) -> RepositoryError:
    hint = "name a commit, tag or branch of this repository; `git fetch` brings those of the server"
    try:
        suffix = f"/{rev}"
        remote = [n for n in repository.references if n.startswith("refs/remotes/") and n.endswith(suffix)]
        if remote:
            name = remote[0].removeprefix("refs/remotes/")
            hint = f"the server's branch is called {name} here: --rev {name}"
        elif repository.head_is_unborn:
            hint = "this repository has no commit on its branch yet"
        elif repository.is_shallow:
            hint = "this clone is shallow: `git fetch --unshallow` brings older commits"
    except (pygit2.GitError, ValueError):
        pass
    return RepositoryError(f"the revision {rev!r} does not exist", code="REVISION_NOT_FOUND", hint=hint)


_stores: dict[tuple[int, str], pygit2.Odb] = {}


def read_blob(git_dir: str, blob_id: str, *, limit: int, label: str) -> bytes:
    """A blob's bytes; its size is looked at first.

    The object store is opened once in each process: what a fork inherits is not shared with the parent.
    """
    place = (os.getpid(), git_dir)
    store = _stores.get(place)
    if store is None:
        store = _stores[place] = open_git(git_dir).odb
    try:
        if store.read_header(blob_id)[1] > limit:
            raise too_large(label, limit)
        return store.read(blob_id)[1]
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise RepositoryError(
            f"{label} cannot be read: the git object {blob_id} is missing or damaged",
            code="OBJECT_MISSING",
            hint="in a partial clone `git fetch --refetch --no-filter` brings it; otherwise ask `git fsck`",
        ) from error


def blob_size(repository: pygit2.Repository, blob_id: str | pygit2.Oid) -> tuple[int, bool]:
    """A blob's size, and whether it is a Git LFS pointer. A missing blob has size 0 and fails when it is read."""
    try:
        size = repository.odb.read_header(blob_id)[1]
        return size, size < LFS_POINTER_SIZE and repository.odb.read(blob_id)[1].startswith(LFS_POINTER)
    except (pygit2.GitError, KeyError, ValueError):
        return 0, False


class IndexRow(Struct, frozen=True, gc=False):
    """One entry of git's index."""

    path: str
    mode: int
    assumed: bool
    """Marked skip-worktree (sparse checkout) or assume-unchanged: git does not look for it in the work tree."""
    blob_id: str
    """Only of entries that are assumed; empty otherwise."""


def index_size(git_dir: str) -> int:
    """About how many entries the index has, by the size of its file; 0 where there is none."""
    try:
        return Path(git_dir, "index").stat().st_size // _INDEX_ENTRY
    except OSError:
        return 0


def index_rows(repository: pygit2.Repository, directory: str) -> list[IndexRow]:
    """The index's entries under ``directory``.

    pygit2 shows no flags, and libgit2's status reports a skip-worktree file that is absent as deleted; so the C entries
    are read, which is also four times as fast.
    """
    prefix = f"{directory}/".encode("utf-8", "surrogateescape") if directory else b""
    rows: list[IndexRow] = []
    with errors("read the index"):
        index = repository.index
        entry_at, pointer, text = C.git_index_get_byindex, index._index, ffi.string  # noqa: SLF001 - see above
        for position in range(len(index)):
            entry = entry_at(pointer, position)
            name = text(entry.path)
            if not name.startswith(prefix):
                continue
            assumed = bool(entry.flags_extended & _SKIP_WORKTREE or entry.flags & _ASSUME_VALID)
            blob_id = bytes(ffi.buffer(ffi.addressof(entry, "id"))[:]).hex() if assumed else ""
            rows.append(IndexRow(os.fsdecode(name), entry.mode, assumed, blob_id))
    return rows
