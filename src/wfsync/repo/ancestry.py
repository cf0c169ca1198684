"""Does a commit follow the one that was applied last? The graph's answer, and what an apply makes of it."""

from __future__ import annotations

from typing import Literal

import pygit2

from wfsync.errors import Problem, Refused
from wfsync.repo import git

__all__ = ["Relation", "refuse_rewind", "relation", "rewind_note"]

Relation = Literal["same", "ahead", "behind", "diverged", "unknown"]


def relation(git_dir: str, base: str, commit: str) -> Relation:
    """How ``commit`` stands to ``base``: ``ahead`` has all its history and more.

    ``unknown`` only in a shallow clone, whose history ends somewhere. In a complete one a ``base`` that is missing is
    no ancestor of anything: its branch was rewritten, so that is ``diverged``. Raises `RepositoryError` when ``commit``
    is missing.
    """
    if base == commit:
        return "same"
    repository = git.open_git(git_dir)
    with git.errors(f"read the history of {commit}"):
        new = repository[commit].peel(pygit2.Commit).id
        old = _commit_or_none(repository, base)
        if old is None:
            return "unknown" if repository.is_shallow else "diverged"
        if old == new:
            return "same"
        if repository.descendant_of(new, old):
            return "ahead"
        if repository.is_shallow:
            return "unknown"
        return "behind" if repository.descendant_of(old, new) else "diverged"


def _commit_or_none(repository: pygit2.Repository, name: str) -> pygit2.Oid | None:
    try:
        return repository[name].peel(pygit2.Commit).id
    except (pygit2.GitError, KeyError, ValueError):
        return None


def refuse_rewind(found: Relation, base: str, commit: str, *, allowed: bool) -> None:
    """Raise `Refused` (``REWIND``, exit 4) when ``commit`` is older than ``base``, the last one applied from this
    source, or not on its line, unless that is ``allowed`` (``--allow-rewind``). Pure.
    """
    if allowed or found not in {"behind", "diverged"}:
        return
    how = "is older than" if found == "behind" else "does not follow"
    raise Refused(
        f"commit {commit[:12]} {how} {base[:12]}, which was applied last from this source",
        code="REWIND",
        hint="somebody rewrote the branch, or named an old revision; --allow-rewind consents to that",
        details={"relation": found, "last": base, "commit": commit},
    )


def rewind_note(found: Relation, base: str) -> Problem | None:
    """What to tell when nobody can know whether history was rewritten; None when somebody can. Pure."""
    if found != "unknown":
        return None
    return Problem(
        code="REWIND_UNKNOWN",
        severity="warning",
        message=f"this clone is shallow, so whether the commit follows {base[:12]}, applied last, is not known",
        hint="fetch the whole history to have it checked",
    )
