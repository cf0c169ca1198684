"""plan → apply: consent first, then one transaction."""

from __future__ import annotations

from dataclasses import replace

from wfsync.apply.execute import ApplyOptions, Work, execute, renew
from wfsync.apply.outcome import Outcome
from wfsync.apply.record import Recorder
from wfsync.errors import Conflict, DatabaseError, Problem, Refused
from wfsync.pipeline.planning import Planned
from wfsync.plan.model import Plan
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.schema import ensure

__all__ = ["carry_out", "require_consent"]

_CONFLICTS = ("WORKFLOW_KEY_CONFLICT", "AMBIGUOUS_KEY", "DRIFT")


def require_consent(plan: Plan, expected_digest: str | None = None) -> None:
    """Raise with every reason at once when ``plan`` may not be applied.

    `Conflict` for keys that exist without force (``WORKFLOW_KEY_CONFLICT``), ambiguous keys, what somebody changed in
    the database (``DRIFT``), and a plan that is not the expected one (``STALE_PLAN``); `Refused` when only brakes and
    owners hold it.
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
    count = len({b.key for b in plan.blocks if b.key is not None})
    subject = f"{count} workflow{'s' * (count != 1)}" if count else "so many workflows"
    message = f"nothing was written: {subject} may not be changed like this"
    hint = "every reason is listed above; the rest can be applied with --select or --exclude"
    if conflict is not None:
        raise Conflict(message, code=conflict, hint=hint, problems=problems)
    raise Refused(message, code=plan.blocks[0].code, hint=hint, problems=problems)


def carry_out(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, planned: Planned, options: ApplyOptions
) -> Outcome:
    """Apply an approved plan, and record it if ``options`` say so. Raises as `wfsync.apply.execute.execute`.

    Creates the ledger where there is none; where that is not allowed, the outcome warns (``LEDGER_UNAVAILABLE``). A
    plan without changes writes no workflow and no row of the ledger: at most what is managed. ``LEDGER_TOO_NEW`` is
    raised before anything is written.
    """
    recorder = _recorder(planned, options)
    if not planned.plan.changes:
        return Outcome(planned.plan, (), 0, 0.0, _renewed(conn, layout, tenant, recorder, options))
    unavailable = None
    if recorder is not None:
        access, _ = ensure(conn, options.lock_timeout)
        unavailable = access.unavailable()
    work = Work(
        planned.plan,
        planned.desired,
        planned.live,
        planned.resolution,
        planned.snapshot,
        planned.managed,
        recorder if unavailable is None else None,
    )
    outcome = execute(conn, layout, tenant, work, options)
    return outcome if unavailable is None else replace(outcome, notes=(unavailable,))


def _recorder(planned: Planned, options: ApplyOptions) -> Recorder | None:
    if options.recording is None:
        return None
    return Recorder.of(planned.plan, planned.desired, planned.live, planned.managed, options.recording)


def _renewed(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, recorder: Recorder | None, options: ApplyOptions
) -> tuple[Problem, ...]:
    """Renew what is managed where nothing else is to be done: the warning, if that could not be."""
    if recorder is None or not recorder.is_due:
        return ()
    try:
        access, _ = ensure(conn, options.lock_timeout)
        unavailable = access.unavailable()
        if unavailable is None:
            renew(conn, layout, tenant, recorder, options)
    except DatabaseError as error:
        # The workflows are as they should be, which is all that was asked for
        if error.code == "LEDGER_TOO_NEW":
            raise
        return (
            Problem(
                code="LEDGER_UNAVAILABLE",
                severity="warning",
                message=f"nothing was to be changed, but what is managed could not be recorded: {error.message}",
                hint=error.hint,
            ),
        )
    return () if unavailable is None else (unavailable,)
