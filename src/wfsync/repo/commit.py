"""Commits given files and nothing else on top of HEAD (spec: cli.md `export --commit`, issue 2 §5).

Through libgit2, or through the git program where the repository has hooks, signatures or filters. Whatever else is
staged stays staged and out of the commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2 import Index, IndexEntry
from pygit2.enums import RepositoryState

from wfsync.errors import RepositoryError
from wfsync.repo import git, git_program
from wfsync.repo.folder import inside
from wfsync.repo.layout import join, printable

__all__ = ["check_commit", "commit_paths"]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A repository in which the files may be committed."""

    repository: pygit2.Repository
    root: str
    paths: tuple[str, ...]
    """Relative to the work tree's root."""
    head: pygit2.Commit | None
    reason: str | None
    """Why the git program must do it."""


def check_commit(root: str | Path, paths: Iterable[str] = ()) -> None:
    """Raise what would keep `commit_paths` from committing ``paths``, before anything is written.

    `RepositoryError`: ``NOT_A_REPOSITORY``, ``BARE_REPOSITORY``, ``COMMIT_STATE`` (in the middle of a merge, rebase, …;
    with unmerged files), ``STAGED_CHANGES`` (some of ``paths`` are staged), ``IGNORED_PATHS``, ``COMMIT_IDENTITY``,
    ``GIT_PROGRAM_MISSING``.
    """
    ready = _prepare(root, paths)
    if ready.reason is None:
        _signatures(ready.repository)


def commit_paths(root: str | Path, paths: Iterable[str], message: str) -> str | None:
    """Commit ``paths`` (POSIX, relative to ``root``, which is a folder of the work tree) on the current branch.

    Returns the commit's id, or None when the files are as in HEAD. Works before the first commit and on a detached
    HEAD. Raises `RepositoryError` as `check_commit` does, and ``COMMIT_FAILED`` when git or a hook refuses,
    ``COMMIT_MESSAGE`` when the message is empty. After an error nothing is committed, and the index is as it was.
    """
    text = _cleaned(message)
    ready = _prepare(root, paths)
    if not ready.paths:
        return None
    if ready.reason is None:
        return _by_libgit2(ready, text)
    return _by_git(ready, text, git_program.program(ready.reason))


def _cleaned(message: str) -> str:
    text = "\n".join(line.rstrip() for line in message.strip().splitlines())
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RepositoryError("the commit message is not UTF-8", code="COMMIT_MESSAGE") from error
    if not text or "\0" in text:
        raise RepositoryError("the commit message is empty", code="COMMIT_MESSAGE", hint="give one with -m TEXT")
    return text + "\n"


def _prepare(root: str | Path, paths: Iterable[str]) -> _Ready:
    base = os.path.realpath(root)
    git_dir = git.discover(base)
    if git_dir is None:
        raise RepositoryError(
            f"{printable(base)} is in no git repository, so nothing can be committed",
            code="NOT_A_REPOSITORY",
            hint="leave --commit out, or run `git init`",
        )
    repository = git.open_git(git_dir)
    if repository.is_bare:
        raise RepositoryError(f"{printable(base)} is a bare repository, without a work tree", code="BARE_REPOSITORY")
    top = os.path.realpath(repository.workdir)
    prefix = inside(top, base) or ""
    full = tuple(sorted({join(prefix, path) for path in paths}))
    _refuse_state(repository)
    head = git.head_commit(repository)
    with git.errors("compare the files with the index"):
        _refuse_staged(repository, head, full)
        _refuse_ignored(repository, full)
    reason = git_program.needed_for(repository, full)
    if reason is not None:
        git_program.program(reason)
    return _Ready(repository, top, full, head, reason)


def _refuse_state(repository: pygit2.Repository) -> None:
    with git.errors("read the repository's state"):
        state = RepositoryState(repository.state())
        unmerged = repository.index.conflicts is not None
    if state not in {RepositoryState.NONE, RepositoryState.BISECT}:
        name = state.name.lower().replace("_", "-")
        raise RepositoryError(
            f"the repository is in the middle of a {name}, so nothing is committed",
            code="COMMIT_STATE",
            hint=f"finish or abort the {name} first",
        )
    if unmerged:
        raise RepositoryError(
            "the index has unmerged files, so nothing is committed",
            code="COMMIT_STATE",
            hint="resolve the conflicts first; `git status` lists them",
        )


def _refuse_staged(repository: pygit2.Repository, head: pygit2.Commit | None, paths: Iterable[str]) -> None:
    index = repository.index
    tree = head.tree if head is not None else None
    staged = [path for path in paths if _identity(_entry(index, path)) != _in_tree(tree, path)]
    if staged:
        raise RepositoryError(
            f"{len(staged)} of the files to commit have staged changes: {_listed(staged)}",
            code="STAGED_CHANGES",
            hint="commit or unstage them first (git restore --staged FILE)",
            details={"paths": [printable(path) for path in staged]},
        )


def _entry(index: Index, path: str) -> IndexEntry | None:
    try:
        return index[path]
    except KeyError:
        return None


def _identity(entry: IndexEntry | None) -> tuple[pygit2.Oid, int] | None:
    return (entry.id, int(entry.mode)) if entry is not None else None


def _in_tree(tree: pygit2.Tree | None, path: str) -> tuple[pygit2.Oid, int] | None:
    try:
        entry = tree[path] if tree is not None else None
    except KeyError:
        return None
    return (entry.id, int(entry.filemode)) if entry is not None else None


def _refuse_ignored(repository: pygit2.Repository, paths: Iterable[str]) -> None:
    index = repository.index
    ignored = [path for path in paths if path not in index and repository.path_is_ignored(path)]
    if ignored:
        raise RepositoryError(
            f"{len(ignored)} of the files to commit are ignored by .gitignore: {_listed(ignored)}",
            code="IGNORED_PATHS",
            hint="correct .gitignore, or add them once with `git add -f`",
            details={"paths": [printable(path) for path in ignored]},
        )


def _listed(paths: list[str]) -> str:
    shown = ", ".join(printable(path) for path in paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"


def _signatures(repository: pygit2.Repository) -> tuple[pygit2.Signature, pygit2.Signature]:
    with git.errors("read the configuration"):
        return _signature(repository, "author"), _signature(repository, "committer")


def _signature(repository: pygit2.Repository, role: str) -> pygit2.Signature:
    """Who commits, sought as git does: environment, ``author.*``, ``user.*``, EMAIL; never guessed from the host."""
    config = repository.config
    values: Mapping[str, str | None] = {
        part: os.environ.get(f"GIT_{role.upper()}_{part.upper()}")
        or next((config[key] for key in (f"{role}.{part}", f"user.{part}") if key in config), None)
        for part in ("name", "email")
    }
    name, email = values["name"], values["email"] or os.environ.get("EMAIL")
    missing = [f"user.{part}" for part, value in (("name", name), ("email", email)) if not (value or "").strip()]
    if missing or name is None or email is None:
        raise RepositoryError(
            f"git does not know who commits: {' and '.join(missing)} not set",
            code="COMMIT_IDENTITY",
            hint=" and ".join(f'git config {key} "…"' for key in missing),
        )
    return pygit2.Signature(name, email)


def _by_libgit2(ready: _Ready, message: str) -> str | None:
    author, committer = _signatures(ready.repository)
    repository, index, head = ready.repository, ready.repository.index, ready.head
    with git.errors("add the files to the index", code="COMMIT_FAILED"):
        before = {path: _entry(index, path) for path in ready.paths}
        tree = Index()
        if head is not None:
            tree.read_tree(head.tree)
        for path in ready.paths:
            index.add(path)
            tree.add(index[path])
        tree_id = tree.write_tree(repository)
        if head is not None and tree_id == head.tree.id:
            return None
        # The index goes first: when somebody holds its lock nothing has happened yet, and files that are staged but not
        # committed are harmless, while the reverse would look like staged deletions.
        index.write()
    try:
        with git.errors("commit", code="COMMIT_FAILED"):
            parents = [head.id] if head is not None else []
            return str(repository.create_commit("HEAD", author, committer, message, tree_id, parents))
    except RepositoryError:
        with git.errors("restore the index"):
            _restore(index, before)
        raise


def _restore(index: Index, before: Mapping[str, IndexEntry | None]) -> None:
    for path, entry in before.items():
        if entry is not None:
            index.add(entry)
        elif path in index:
            index.remove(path)
    index.write()


def _by_git(ready: _Ready, message: str, git_path: str) -> str | None:
    """``git commit --only`` knows no untracked files: they are noted in the index first, and taken out if it fails."""
    index = ready.repository.index
    unknown = [path for path in ready.paths if path not in index]
    done = False
    try:
        git_program.note(git_path, ready.root, unknown)
        done = git_program.commit(git_path, ready.root, ready.paths, message)
    finally:
        if not done and unknown:
            with git.errors("restore the index"):
                index.read()
                _restore(index, dict.fromkeys(unknown))
    return str(git.open_git(ready.repository.path).head.target) if done else None
