"""plan → apply: consent first, then one transaction."""

from __future__ import annotations

from dataclasses import replace

from wfsync.apply.execute import ApplyOptions, execute, record_alone, renew
from wfsync.apply.outcome import Outcome
from wfsync.apply.record import Recorder
from wfsync.apply.work import Work
from wfsync.errors import Conflict, DatabaseError, Problem, Refused
from wfsync.pipeline.planning import Planned
from wfsync.plan.model import Plan
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.schema import ensure

__all__ = ["carry_out", "require_consent"]

_PART = "the rest can be applied with --select or --exclude"
_CONFLICTS = ("WORKFLOW_KEY_CONFLICT", "AMBIGUOUS_KEY", "DRIFT")


def require_consent(plan: Plan, expected_digest: str | None = None, *, part: str | None = _PART) -> None:
    """Raise with every reason at once when ``plan`` may not be applied; ``part`` says how the rest can be.

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
    blocked = {b.key for b in plan.blocks if b.key is not None}
    count = len(blocked)
    is_whole = any(b.key is None for b in plan.blocks)
    if is_whole or (count and all(change.key in blocked for change in plan.changes)):
        part = None  # there is no rest
    subject = f"{count} workflow{'s' * (count != 1)} may not be changed like this"
    message = f"nothing was written: {subject if count else 'the plan as a whole may not be carried out'}"
    hint = "every reason is listed above" if part is None else f"every reason is listed above; {part}"
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
    work = _work(planned, options)
    if not planned.plan.changes:
        return Outcome(planned.plan, (), 0, 0.0, _renewed(conn, layout, tenant, work, options))
    unavailable = None
    if work.recorder is not None:
        access, _ = ensure(conn, options.lock_timeout)
        unavailable = access.unavailable()
    if unavailable is not None:
        work = replace(work, recorder=None)
    outcome = execute(conn, layout, tenant, work, options)
    return outcome if unavailable is None else replace(outcome, notes=(*outcome.notes, unavailable))


def record_course(conn: Connection, tenant: Tenant | None, plan: Plan, options: ApplyOptions) -> tuple[Problem, ...]:
    """Write a row of the ledger for an apply without changes: somebody consented to go back to its commit, which from
    now on is the last one. The warning, where that cannot be written.
    """
    if options.recording is None:
        return ()
    access, _ = ensure(conn, options.lock_timeout)
    unavailable = access.unavailable()
    if unavailable is not None:
        return (unavailable,)
    row = options.recording.row(plan.source, plan.target, counts={"unchanged": plan.unchanged})
    row = replace(row, plan_digest=plan.digest, options={**row.options, "allow_rewind": True})
    record_alone(conn, tenant, row, options)
    return ()


def _work(planned: Planned, options: ApplyOptions) -> Work:
    plan, desired, live, managed = planned.plan, planned.desired, planned.live, planned.managed
    recorder = None
    if options.recording is not None:
        recorder = Recorder.of(plan, desired, live, managed, options.recording)
    return Work(
        plan,
        desired,
        live,
        planned.resolution,
        planned.snapshot,
        managed,
        recorder=recorder,
        proof=planned.proof,
        restoring=planned.restoring,
    )


def _renewed(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, work: Work, options: ApplyOptions
) -> tuple[Problem, ...]:
    """Renew what is managed where nothing else is to be done, and evidence: the warning, if that could not be."""
    if work.recorder is None:
        return ()
    if not work.recorder.is_due and (work.proof is None or work.proof.is_remembered):
        return ()
    try:
        access, _ = ensure(conn, options.lock_timeout)
        unavailable = access.unavailable()
        if unavailable is None:
            renew(conn, layout, tenant, work, options)
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
