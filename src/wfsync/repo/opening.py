"""From a folder that somebody named to the repository it belongs to."""

# Plain text paths: what was written is told from where it leads to.
# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH113, PTH114, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from wfsync.errors import RepositoryError
from wfsync.repo.folder import Folder, inside
from wfsync.repo.labels import Labels
from wfsync.repo.layout import printable
from wfsync.repo.source import CONFIG_NAME, Repository

__all__ = ["open_repository"]


def open_repository(start: str | Path, *, rev: str | None = None, marker: str = CONFIG_NAME) -> Repository:
    """Open the repository that the folder ``start`` belongs to: its work tree, or the revision ``rev`` of it.

    Outside git the root is the nearest folder upward that holds ``marker`` (not above a folder that somebody else owns
    or everybody may write to), else ``start`` itself. With ``rev``, ``start`` may be a folder that only
    that revision has.

    Raises `RepositoryError`: ``MISSING_DIRECTORY``, ``NOT_A_DIRECTORY``, ``NOT_A_REPOSITORY`` (a revision was asked
    for), ``BARE_REPOSITORY`` (none was), ``REPOSITORY_SYMLINK`` (``start`` leads out of its repository through a link),
    ``REPOSITORY_OWNER``, ``REVISION_NOT_FOUND``, ``REVISION_AMBIGUOUS``, ``REPOSITORY`` (it is damaged).
    """
    from wfsync.repo import git  # pygit2 takes 60 ms to import, and --help does without

    named = os.path.abspath(start)
    existing, rest = _existing(named)
    if rest and rev is None:
        raise RepositoryError(
            f"the folder {printable(str(start))} does not exist", code="MISSING_DIRECTORY", hint="check the path"
        )
    if not os.path.isdir(existing):
        raise RepositoryError(f"{printable(str(start))} is not a folder", code="NOT_A_DIRECTORY")
    real = os.path.realpath(existing)
    _refuse_way_out(named)
    _refuse_lost_git_folder(real)
    git_dir = git.discover(real)
    if git_dir is not None:
        return _in_git(git_dir, real, rest, rev)
    if rev is not None:
        raise RepositoryError(
            f"{printable(real)} is in no git repository, so it has no revision {rev!r}",
            code="NOT_A_REPOSITORY",
            hint="leave --rev out, or name a folder of a repository",
        )
    root = _marked_root(real, marker)
    return Folder(root, inside(root, real) or "", Labels.of(root, _working_directory()))


def _in_git(git_dir: str, real: str, rest: str, rev: str | None) -> Repository:
    from wfsync.repo import git
    from wfsync.repo.revision import Revision
    from wfsync.repo.worktree import WorkTree

    repository = git.open_git(git_dir)
    if repository.is_bare:
        if rev is None:
            raise RepositoryError(
                f"{printable(real)} is a bare repository: it has no files, only revisions",
                code="BARE_REPOSITORY",
                hint="name one with --rev, for example --rev HEAD",
            )
        return Revision(repository, git_dir.rstrip("/"), rest, Labels(), rev)
    root = os.path.realpath(repository.workdir)
    folder = inside(root, real)
    if folder is None or folder == ".git" or folder.startswith(".git/"):
        raise RepositoryError(
            f"{printable(real)} is not in the work tree of its repository, {printable(root)}",
            code="OUTSIDE_REPOSITORY",
            hint="name a folder of the work tree",
        )
    start = "/".join(part for part in (folder, rest) if part)
    labels = Labels.of(root, _working_directory())
    if rev is None:
        return WorkTree(repository, root, start, labels)
    return Revision(repository, root, start, labels, rev)


def _upward(path: str) -> Iterator[str]:
    """``path`` and every folder above it."""
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent


def _existing(named: str) -> tuple[str, str]:
    """The part of an absolute path that exists, and the rest of it."""
    existing = next(path for path in _upward(named) if os.path.lexists(path))
    return existing, named[len(existing) :].strip("/")


def _refuse_way_out(named: str) -> None:
    """Raise when a step of ``named`` is a link that stands in a repository and leads out of it.

    Links outside of repositories, and those that stay inside, are the user's own way: `current` → release.
    """
    from wfsync.repo import git

    for step in _upward(named):
        if not os.path.islink(step):
            continue
        git_dir = git.discover(os.path.realpath(os.path.dirname(step)))
        workdir = git.open_git(git_dir).workdir if git_dir else None
        if workdir and inside(os.path.realpath(workdir), os.path.realpath(step)) is None:
            raise RepositoryError(
                f"{printable(step)} is a symbolic link that leads out of the repository {printable(workdir)}",
                code="REPOSITORY_SYMLINK",
                hint="name the real folder",
            )


def _refuse_lost_git_folder(real: str) -> None:
    """Raise when the nearest ``.git`` is a file that points nowhere: a copied submodule, a pruned worktree.

    libgit2 passes over it, and then the folder would count as one without git, or as a part of an outer repository.
    """
    for folder in _upward(real):
        place = f"{folder}/.git"
        if os.path.isdir(place):
            return
        if os.path.isfile(place):
            try:
                with open(place, "rb") as pointer:
                    target = os.fsdecode(pointer.read(65536).strip().removeprefix(b"gitdir:").strip())
            except OSError as error:
                raise RepositoryError(f"{printable(place)} cannot be read: {error.strerror}") from error
            if "\0" in target or not os.path.exists(os.path.join(folder, target)):
                raise RepositoryError(
                    f"{printable(place)} points to a git folder that does not exist: {printable(target)[:200]!r}",
                    hint="a submodule or linked worktree needs its main repository; remove the file to do without git",
                )
            return


def _marked_root(real: str, marker: str) -> str:
    """The nearest folder upward that holds ``marker``, as long as the way up belongs to whom ``real`` belongs to."""
    owner = os.stat(real).st_uid
    for folder in _upward(real):
        status = os.stat(folder)
        if folder != real and (status.st_uid != owner or status.st_mode & stat.S_IWOTH):
            break
        if os.path.lexists(os.path.join(folder, marker)):
            return folder
    return real


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody removed it
        return None
