"""Files once, then each target of each wave: plan, apply or status, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wfsync.errors import WfsyncError
from wfsync.many.expanding import Member, expand
from wfsync.many.processes import Ended, Shield, Signals, Stopped, at_once
from wfsync.pipeline.many import Command, Ending, GroupReport, TargetReport, ending_of_error
from wfsync.policy import Wishes
from wfsync.reconciling import owning
from wfsync.wiring import Session, Workspace, open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfsync.apply.outcome import Outcome
    from wfsync.apply.record import Recording
    from wfsync.bundle.field_policies import Policies
    from wfsync.groups import Wave
    from wfsync.pipeline.options import PlanOptions
    from wfsync.pipeline.planning import Planned
    from wfsync.pipeline.stock import Stock
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import Overwrite, Plan, SourceRef
    from wfsync.state.desired import DesiredState
    from wfsync.state.progress import Track
    from wfsync.state.selection import Selection
    from wfsync.store.target import Target

__all__ = ["Order", "run"]


@dataclass(frozen=True, slots=True)
class Order:
    """What every target is asked."""

    command: Command
    group: str
    workspace: Workspace
    selection: Selection
    overwrite: Overwrite
    wishes: Wishes
    consent: Consent
    lock_timeout: float
    jobs: int
    keep_going: bool = False
    refresh: bool = False
    recording: Recording | None = None
    """Of an apply; each target's own names its environment."""
    refine: Callable[[Session, Plan], Plan] = field(default=lambda _session, plan: plan)
    """What is to be added to a plan that was made on a session."""
    track: Track | None = None


def run(
    order: Order, waves: Sequence[Wave], environ: Mapping[str, str], told: Callable[[TargetReport, int, int], None]
) -> GroupReport:
    """Load the files once for each distinct set of policies, then carry out ``order`` on every target.

    ``told`` hears of every target as it ends, how many have, and how many there are. In an apply a wave is begun only
    when no target of those before it failed, unless ``keep_going``; plan and status change nothing and look at all.
    Raises, before anything is begun, what is wrong with files, overlays and addresses; what fails on a target is in
    its report.
    """
    begun = time.monotonic()
    _import_for(order.command)
    members = expand(waves, environ, lambda target: _tenants(target, order.lock_timeout))
    loaded = _load(order, [member for wave in members for member in wave])
    reports: dict[str, TargetReport] = {}
    total = sum(map(len, members))

    def note(report: TargetReport) -> None:
        reports[report.name] = report
        told(report, len(reports), total)

    culprit: str | None = None
    with Signals() as signals:
        for wave in members:
            if culprit is None and signals.received is None:
                _wave(order, wave, loaded, signals, note)
            because = "interrupted" if signals.received is not None else f"{culprit} failed"
            for member in wave:
                if member.name not in reports:
                    note(_report(member, "skipped", because=because))
            failed = next((member.name for member in wave if reports[member.name].failed), None)
            if culprit is None and failed is not None and order.command == "apply" and not order.keep_going:
                culprit = failed
        stopped_by = signals.received
    ordered = tuple(reports[member.name] for wave in members for member in wave)
    source = loaded.source
    return GroupReport(
        order.group,
        order.command,
        order.jobs,
        tuple(wave.name for wave in waves),
        ordered,
        source,
        order.workspace.identity,
        time.monotonic() - begun,
        stopped_by if any(report.ending in ("interrupted", "skipped") for report in ordered) else None,
    )


def _import_for(command: Command) -> None:
    """Import once what every process would import for itself."""
    import wfsync.store.migrate

    if command == "status":
        import wfsync.pipeline.standing
    else:
        import wfsync.pipeline.applying
        import wfsync.pipeline.planning  # noqa: F401


def _wave(
    order: Order, wave: Sequence[Member], loaded: Loaded, signals: Signals, note: Callable[[TargetReport], None]
) -> None:
    for member in wave:
        if member.error is not None:
            note(_report(member, ending_of_error(member.error), error=member.error))
    rest = [member for member in wave if member.error is None]

    def work(member: Member, shield: Shield) -> TargetReport:
        return _target(order, member, loaded.of(member), shield)

    for result in at_once(rest, work, order.jobs, signals):
        note(_lost(result, signals) if isinstance(result, Ended) else result)


def _lost(ended: Ended[Member], signals: Signals) -> TargetReport:
    if signals.received is not None:
        return _report(ended.item, "interrupted", because="ended by the signal; the server rolls back")
    error = WfsyncError(
        f"the process that worked on it ended early (exit code {ended.exit_code}); what it had not committed was rolled"
        " back by the server",
        code="WORKER_LOST",
        hint="look at the target with `wfsync status`; is there enough memory for so many --jobs?",
    )
    return _report(ended.item, "failed", error=error)


def _target(order: Order, member: Member, loaded: tuple[DesiredState, Policies], shield: Shield) -> TargetReport:
    """One target, in a process of its own. Raises nothing."""
    begun = time.monotonic()
    seen: list[Planned] = []
    try:
        shield.raise_up()
        report = _carry_out(order, member, loaded, shield, seen)
    except Stopped:
        report = _report(member, "interrupted", because="rolled back")
    except WfsyncError as error:
        plan = seen[0].plan if seen else None
        tenant = None if plan is None else plan.target.tenant
        report = _report(member, ending_of_error(error), tenant=tenant, error=_portable(error), plan=plan)
    except Exception as error:  # noqa: BLE001 - the edge of a process: whatever it is, others must hear of it
        defect = WfsyncError(f"{type(error).__name__}: {str(error)[:500]}", code="INTERNAL")
        report = _report(member, "failed", error=defect)
    if report.error is not None and shield.is_told and report.error.code != "COMMIT_UNKNOWN":
        report = _report(member, "interrupted", because="rolled back")
    return replace(report, seconds=time.monotonic() - begun)


def _carry_out(
    order: Order, member: Member, loaded: tuple[DesiredState, Policies], shield: Shield, seen: list[Planned]
) -> TargetReport:
    from wfsync.pipeline.planning import make_plan
    from wfsync.pipeline.standing import take_stock

    desired, policies = loaded
    write = order.command == "apply"
    with open_session(member.target, member.target.tenant, lock_timeout=order.lock_timeout, for_write=write) as session:
        options = _options(order, policies)
        if order.command == "status":
            about = owning(order.workspace, options, order.selection, order.wishes, "named")
            stock = take_stock(*session.where, lambda: desired, session.reference(), about)
            return _report(member, "in_sync" if stock.settled else "differs", tenant=stock.target.tenant, stock=stock)
        owned = owning(order.workspace, options, order.selection, order.wishes, "named")
        chosen = desired.selected(order.selection, may_be_empty=owned.prune)
        planned = make_plan(*session.where, lambda: chosen, session.reference(), owned)
        plan = order.refine(session, planned.plan)
        planned = replace(planned, plan=plan)
        seen.append(planned)
        if not write:
            ending: Ending = "blocked" if plan.blocks else "pending" if plan.summary().pending else "in_sync"
            return _report(member, ending, tenant=plan.target.tenant, plan=plan)
        return _apply(order, member, session, planned, shield)


def _apply(order: Order, member: Member, session: Session, planned: Planned, shield: Shield) -> TargetReport:
    from wfsync.apply.execute import ApplyOptions
    from wfsync.pipeline.applying import carry_out, require_consent

    require_consent(planned.plan)
    record = order.recording
    if record is not None:
        record = replace(record, options={**record.options, "env": member.environment.name, "group": order.group})
    options = ApplyOptions(order.consent, order.lock_timeout, shield.commit, recording=record)
    outcome = carry_out(session.conn, session.layout, session.tenant, planned, options)
    ending: Ending = "applied" if outcome.applied else "unchanged"
    return _report(member, ending, tenant=planned.plan.target.tenant, plan=planned.plan, outcome=outcome)


def _options(order: Order, policies: Policies) -> PlanOptions:
    from wfsync.pipeline.options import PlanOptions
    from wfsync.state.live import Reading

    reading: Reading = "anew" if order.refresh else "prove"
    if order.command != "apply":
        reading = "all" if order.refresh else "unproven"
    return PlanOptions(order.overwrite, order.consent, policies=policies, reading=reading)


# -- what is shared ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Loaded:
    """The files under each distinct set of policies: most environments have the same."""

    states: list[DesiredState] = field(default_factory=list)
    by_environment: dict[str, int] = field(default_factory=dict)

    def of(self, member: Member) -> tuple[DesiredState, Policies]:
        """What the files say on this target."""
        state = self.states[self.by_environment[member.environment.name]]
        return state, state.policies

    @property
    def source(self) -> SourceRef:
        """Where they were read."""
        from wfsync.pipeline.options import source_of

        return source_of(self.states[0].info)


def _load(order: Order, members: Sequence[Member]) -> Loaded:
    from wfsync.state.desired import begin_loading
    from wfsync.state.progress import untracked

    workspace, loaded = order.workspace, Loaded()
    environments = {member.environment.name: member.environment for member in members}
    policies_of = {name: workspace.policies("named", environment) for name, environment in environments.items()}
    source = workspace.source()
    for name, policies in policies_of.items():
        number = next((n for n, state in enumerate(loaded.states) if state.policies == policies), len(loaded.states))
        if number == len(loaded.states):
            loading = begin_loading(source, workspace.load_options(policies), order.track or untracked)
            try:
                loaded.states.append(loading.finish())
            finally:
                loading.close()
        loaded.by_environment[name] = number
    if order.command != "status":
        # What every target would say is said once
        prunes = workspace.config.policy.prunes(order.wishes) and not workspace.is_part
        owning(workspace, _options(order, loaded.states[0].policies), order.selection, order.wishes, "named")
        loaded.states[0].selected(order.selection, may_be_empty=prunes)
    return loaded


def _tenants(target: Target, lock_timeout: float) -> tuple[str, ...]:
    from wfsync.store.connection import connect
    from wfsync.store.layout import detect
    from wfsync.store.tenants import tenants_found

    conn = connect(target, read_only=True, lock_timeout=lock_timeout)
    try:
        layout = detect(conn)
        layout.require_readable()
        return tenants_found(conn, layout)
    finally:
        conn.close()


def _report(  # noqa: PLR0913 - the fields of a report, each by its name
    member: Member,
    ending: Ending,
    *,
    tenant: str | None = None,
    plan: Plan | None = None,
    outcome: Outcome | None = None,
    stock: Stock | None = None,
    error: WfsyncError | None = None,
    because: str | None = None,
) -> TargetReport:
    return TargetReport(
        member.name,
        member.environment.name,
        member.wave,
        ending,
        tenant or member.target.tenant,
        plan=plan,
        outcome=outcome,
        stock=stock,
        error=error,
        because=because,
    )


def _portable(error: WfsyncError) -> WfsyncError:
    """``error`` without what led to it, which other processes cannot read."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
