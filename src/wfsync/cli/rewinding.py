"""Going back with ``--repo``: a commit older than the last applied one, or not on its line, needs ``--allow-rewind``.

Only where a repository elsewhere is read: in a work tree people check out what they mean, and CI's clones are shallow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfsync.errors import Refused

if TYPE_CHECKING:
    from wfsync.apply.execute import ApplyOptions
    from wfsync.apply.outcome import Outcome
    from wfsync.cli.context import App
    from wfsync.plan.model import Plan
    from wfsync.wiring import Session, Workspace

__all__ = ["keep_course", "with_rewind"]


def with_rewind(app: App, session: Session, workspace: Workspace, plan: Plan) -> Plan:
    """``plan`` that says also what is to be said about going back: a refusal, or that nobody can tell."""
    commit = plan.source.commit
    if app.origin.url is None or commit is None:
        return plan
    from wfsync.daemon.rewind import check_rewind, last_applied
    from wfsync.plan.change import Blocked

    try:
        base = last_applied(session, workspace.identity)
        note = check_rewind(workspace, commit, base, allowed=app.origin.allow_rewind).note
    except Refused as refused:
        block = Blocked(refused.code, refused.message, hint=refused.hint, details=refused.details)
        return replace(plan, blocks=(*plan.blocks, block))
    return plan if note is None else replace(plan, warnings=(*plan.warnings, note))


def keep_course(app: App, session: Session, workspace: Workspace, outcome: Outcome, options: ApplyOptions) -> Outcome:
    """Remember the consent to go back where nothing differed: what was written says it by itself."""
    commit = outcome.plan.source.commit
    if app.origin.url is None or commit is None or outcome.applied or not app.origin.allow_rewind:
        return outcome
    from wfsync.daemon.rewind import check_rewind, last_applied
    from wfsync.pipeline.applying import record_course

    if not check_rewind(workspace, commit, last_applied(session, workspace.identity), allowed=True).goes_back:
        return outcome
    return replace(outcome, notes=(*outcome.notes, *record_course(session.conn, session.tenant, outcome.plan, options)))
