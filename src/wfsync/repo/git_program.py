"""Runs the git program, for what libgit2 cannot do in a commit: hooks, signatures, filters, git's own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pygit2

from wfsync.errors import RepositoryError
from wfsync.repo import git

__all__ = ["commit", "needed_for", "note", "program"]

_HOOKS: Final = (
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "post-index-change",
    "reference-transaction",
)

_ONLY_GIT_READS: Final = (
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
)

_ABOUT_ANOTHER_REPOSITORY: Final = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)


def needed_for(repository: pygit2.Repository, paths: Iterable[str]) -> str | None:
    """Why a commit of ``paths`` must go through the git program; None when libgit2 does the same."""
    with git.errors("read the repository's settings"):
        hook = _hook(repository)
        if hook is not None:
            return f"the hook {hook}"
        config = repository.config
        if "commit.gpgsign" in config and config.get_bool("commit.gpgsign"):
            return "signed commits (commit.gpgsign)"
        names = {entry.name for entry in config}
        if any(name.startswith("hook.") for name in names):
            return "hooks in its configuration"
        for variable in _ONLY_GIT_READS:
            if variable in os.environ:
                return f"the environment variable {variable}"
        drivers = {name[7:].rpartition(".")[0] for name in names if name.startswith("filter.")}
        for path in paths:
            if drivers and repository.get_attr(path, "filter") in drivers:
                return f"the filter {repository.get_attr(path, 'filter')}"
            if repository.get_attr(path, "working-tree-encoding"):
                return "working-tree-encoding"
    return None


def _hook(repository: pygit2.Repository) -> str | None:
    if "core.hooksPath" in repository.config:
        named = repository.config["core.hooksPath"] or ""
        folder = Path(repository.workdir, os.path.expanduser(named))  # noqa: PTH111 - Path.expanduser raises
    else:
        git_dir = Path(repository.path)
        common = git_dir / "commondir"  # a linked worktree shares the hooks of its repository
        folder = (git_dir / common.read_text().strip() if common.is_file() else git_dir) / "hooks"
    return next((name for name in _HOOKS if (folder / name).is_file() and os.access(folder / name, os.X_OK)), None)


def program(reason: str) -> str:
    """Where git is; raises `RepositoryError` (``GIT_PROGRAM_MISSING``) when it is not installed."""
    found = shutil.which("git")
    if found is None:
        raise RepositoryError(
            f"the repository uses {reason}, which needs the git program, and git is not installed",
            code="GIT_PROGRAM_MISSING",
            hint="install git, or run without --commit and commit yourself",
        )
    return found


def note(git_path: str, root: str, paths: Sequence[str]) -> None:
    """Tell the index that ``paths`` exist, without their content (``git add --intent-to-add``)."""
    if paths:
        arguments = ["add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul"]
        added = _run(git_path, root, arguments, paths)
        if added.returncode != 0:
            raise _refused(added)


def commit(git_path: str, root: str, paths: Sequence[str], message: str) -> bool:
    """Commit only ``paths``, which the index must know; False when they are as in HEAD.

    Runs hooks and signs as git does. Raises `RepositoryError`: ``COMMIT_IDENTITY``, ``COMMIT_FAILED`` with git's words.
    """
    ident = _run(git_path, root, ["var", "GIT_AUTHOR_IDENT"])
    if ident.returncode == 0:
        ident = _run(git_path, root, ["var", "GIT_COMMITTER_IDENT"])
    if ident.returncode != 0:
        raise RepositoryError(
            "git does not know who commits",
            code="COMMIT_IDENTITY",
            hint="git config user.name NAME and git config user.email ADDRESS",
            details={"stderr": _words(ident)},
        )
    only = ["commit", "--only", "--pathspec-from-file=-", "--pathspec-file-nul"]
    attempt = _run(git_path, root, [*only, "--dry-run", "--porcelain"], paths)
    if attempt.returncode == 1:
        return False
    if attempt.returncode == 0:
        attempt = _run(git_path, root, [*only, "--quiet", "--message", message], paths)
    if attempt.returncode != 0:
        raise _refused(attempt)
    return True


def _refused(process: subprocess.CompletedProcess[bytes]) -> RepositoryError:
    words = _words(process)
    return RepositoryError(
        f"git refused the commit: {' / '.join(words.splitlines())[:500] or f'exit code {process.returncode}'}",
        code="COMMIT_FAILED",
        hint="the files are written; correct what git names and commit them, or run the command again",
        details={"stderr": words, "exit_code": process.returncode},
    )


def _words(process: subprocess.CompletedProcess[bytes]) -> str:
    return (process.stderr or process.stdout).decode("utf-8", "replace").strip()[-4000:]


def _run(
    git_path: str, root: str, arguments: Sequence[str], paths: Iterable[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _ABOUT_ANOTHER_REPOSITORY}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    # :(literal) on each path rather than --literal-pathspecs, which hooks would inherit.
    given = b"\0".join(b":(top,literal)" + os.fsencode(path) for path in paths)
    # useConfigOnly: git guesses an address from the host's name otherwise, and commits would carry it for ever.
    try:
        return subprocess.run(
            [git_path, "-c", "user.useConfigOnly=true", *arguments],
            cwd=root,
            env=environment,
            input=given,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise RepositoryError(f"{git_path} cannot be run: {error.strerror}", code="GIT_PROGRAM_MISSING") from error
