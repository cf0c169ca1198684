"""Going back needs consent: a commit that is older than the last applied one, or not on its line (``--allow-rewind``).

The last one is what the ledger says was applied from this source, by whomever; without a ledger, what this process
remembers. A plain folder has no commits, and a shallow clone may not know: there nothing is refused.
"""

from __future__ import annotations

from wfsync.errors import Problem
from wfsync.repo.ancestry import refuse_rewind, relation, rewind_note
from wfsync.repo.revision import Revision
from wfsync.repo.worktree import WorkTree
from wfsync.store.ledger.applies import applies
from wfsync.wiring import Session, Workspace

__all__ = ["check_rewind", "last_applied"]

_COMMANDS = frozenset({"apply", "watch"})
_LOOKED_AT = 100
"""Applies; among so many there is one of this source, unless many others share the database."""


def check_rewind(workspace: Workspace, commit: str, base: str | None, *, allowed: bool) -> Problem | None:
    """A warning when nobody can tell; raises `Refused` (``REWIND``) when ``commit`` does not follow ``base``."""
    repository = workspace.repository
    if base is None or not isinstance(repository, Revision | WorkTree):
        return None
    git_dir = repository.git_dir if isinstance(repository, Revision) else repository.root
    found = relation(git_dir, base, commit)
    refuse_rewind(found, base, commit, allowed=allowed)
    return rewind_note(found, base)


def last_applied(session: Session, source: str) -> str | None:
    """The commit that was applied last from ``source``; None where the ledger does not say."""
    rows = applies(session.conn, session.tenant, limit=_LOOKED_AT) or []
    mine = (row for row in rows if row.outcome == "applied" and row.command in _COMMANDS and row.source == source)
    return next((row.commit for row in mine if row.commit is not None), None)
