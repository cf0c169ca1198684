"""Going back with ``--repo``: a commit older than the last applied one, or not on its line, needs ``--allow-rewind``.

Only where a repository elsewhere is read: in a work tree people check out what they mean, and CI's clones are shallow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfsync.errors import Refused

if TYPE_CHECKING:
    from wfsync.cli.context import App
    from wfsync.plan.model import Plan
    from wfsync.wiring import Session, Workspace

__all__ = ["with_rewind"]


def with_rewind(app: App, session: Session, workspace: Workspace, plan: Plan) -> Plan:
    """``plan`` that says also what is to be said about going back: a refusal, or that nobody can tell."""
    commit = plan.source.commit
    if app.origin.url is None or commit is None:
        return plan
    from wfsync.daemon.rewind import check_rewind, last_applied
    from wfsync.plan.change import Blocked

    try:
        base = last_applied(session, workspace.identity)
        note = check_rewind(workspace, commit, base, allowed=app.origin.allow_rewind)
    except Refused as refused:
        block = Blocked(refused.code, refused.message, hint=refused.hint, details=refused.details)
        return replace(plan, blocks=(*plan.blocks, block))
    return plan if note is None else replace(plan, warnings=(*plan.warnings, note))
