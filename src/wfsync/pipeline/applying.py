"""plan → apply: consent first, then one transaction."""

from __future__ import annotations

from wfsync.apply.execute import ApplyOptions, Work, execute
from wfsync.apply.outcome import Outcome
from wfsync.errors import Conflict, Problem, Refused
from wfsync.pipeline.planning import Planned
from wfsync.plan.model import Plan
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant

__all__ = ["carry_out", "require_consent"]

_CONFLICTS = ("WORKFLOW_KEY_CONFLICT", "AMBIGUOUS_KEY")


def require_consent(plan: Plan, expected_digest: str | None = None) -> None:
    """Raise with every reason at once when ``plan`` may not be applied.

    `Conflict` for keys that exist without force (``WORKFLOW_KEY_CONFLICT``), ambiguous keys, and a plan that is not the
    expected one (``STALE_PLAN``); `Refused` when only brakes hold it.
    """
    if expected_digest is not None and expected_digest != plan.digest:
        raise Conflict(
            f"the plan has the digest {plan.digest}, not the expected one",
            code="STALE_PLAN",
            hint="files or database changed since the plan was approved; look at a new plan",
            details={"expected": expected_digest, "received": plan.digest},
        )
    if not plan.blocks:
        return
    problems = [Problem(code=b.code, message=b.message, key=b.key, hint=b.hint, details=b.details) for b in plan.blocks]
    codes = {b.code for b in plan.blocks}
    conflict = next((code for code in _CONFLICTS if code in codes), None)
    count = len({b.key for b in plan.blocks})
    message = f"nothing was written: {count} workflow{'s' * (count != 1)} may not be changed like this"
    hint = "every reason is listed above; the rest can be applied with --select or --exclude"
    if conflict is not None:
        raise Conflict(message, code=conflict, hint=hint, problems=problems)
    raise Refused(message, code=plan.blocks[0].code, hint=hint, problems=problems)


def carry_out(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, planned: Planned, options: ApplyOptions
) -> Outcome:
    """Apply an approved plan. A plan without changes opens no transaction. Raises as `wfsync.apply.execute.execute`."""
    if not planned.plan.changes:
        return Outcome(planned.plan, (), 0, 0.0)
    work = Work(planned.plan, planned.desired, planned.live, planned.resolution, planned.snapshot)
    return execute(conn, layout, tenant, work, options)
