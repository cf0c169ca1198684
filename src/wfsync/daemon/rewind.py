"""Going back needs consent: a commit that is older than the last applied one, or not on its line (``--allow-rewind``).

The last one is what the ledger says was applied from this source, by whomever, or what this process has seen since.
Consent to go back where nothing differs is a row of the ledger, too: it is asked for once. A plain folder has no
commits, and a shallow clone may not know: there nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from wfsync.errors import Problem
from wfsync.repo.ancestry import refuse_rewind, relation, rewind_note
from wfsync.repo.revision import Revision
from wfsync.repo.worktree import WorkTree
from wfsync.store.ledger.applies import applies
from wfsync.wiring import Session, Workspace

__all__ = ["Course", "check_rewind", "last_applied"]

_COMMANDS = frozenset({"apply", "watch"})
_LOOKED_AT = 100
"""Applies; among so many there is one of this source, unless many others share the database."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a commit follows the last one."""

    note: Problem | None = None
    """The warning when nobody can tell."""
    goes_back: bool = False
    """It does not follow, and that was consented to."""


def check_rewind(workspace: Workspace, commit: str, base: str | None, *, allowed: bool) -> Course:
    """Raises `Refused` (``REWIND``) when ``commit`` does not follow ``base``, unless that is ``allowed``."""
    repository = workspace.repository
    if base is None or not isinstance(repository, Revision | WorkTree):
        return Course()
    git_dir = repository.git_dir if isinstance(repository, Revision) else repository.root
    found = relation(git_dir, base, commit)
    refuse_rewind(found, base, commit, allowed=allowed)
    return Course(rewind_note(found, base), found in {"behind", "diverged"})


def last_applied(session: Session, source: str) -> str | None:
    """The commit that was applied last from ``source``; None where the ledger does not say."""
    rows = applies(session.conn, session.tenant, limit=_LOOKED_AT) or []
    mine = (row for row in rows if row.outcome == "applied" and row.command in _COMMANDS and row.source == source)
    return next((row.commit for row in mine if row.commit is not None), None)
