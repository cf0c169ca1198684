"""One sync: lead, read the revision, compare, apply by policy. Every end of it is a `Report`, never an exception."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wfsync.apply.execute import ApplyOptions
from wfsync.apply.outcome import Outcome
from wfsync.daemon.report import Report, Status, status_of
from wfsync.daemon.rewind import check_rewind, last_applied
from wfsync.errors import DatabaseError, Problem, RepositoryError, WfsyncError
from wfsync.pipeline.applying import carry_out, record_course, require_consent
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.planning import Planned
from wfsync.plan.model import Plan
from wfsync.policy import Wishes
from wfsync.reconciling import comparing
from wfsync.state.desired import Loading
from wfsync.state.selection import Selection
from wfsync.store.leadership import leads, try_lead
from wfsync.store.target import Target
from wfsync.wiring import Session, Workspace, lacks_tables, renewed

__all__ = ["Reconciler", "Setup", "Switch"]

_ACTIONS: Final = {"created": "create", "overwritten": "overwrite", "deleted": "delete", "relinked": "relink"}


@dataclass(slots=True)
class Switch:
    """Off: syncs compare and do not apply. A signal handler may turn it; a bool cannot be half turned."""

    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """What to sync, given once at start."""

    workspace: Callable[[], Workspace]
    """The repository as it is now: fetched, opened, its ``wfsync.yaml`` read again."""
    target: Callable[[Workspace], Target]
    """The database that is meant; starts the embedded server."""
    connect: Callable[[Target], AbstractContextManager[Session]]
    """A session to write on; creates the tables of the embedded server."""
    selection: Selection
    wishes: Wishes
    """Pruning and brakes, where options say something of them."""
    plan_options: Callable[[Workspace], PlanOptions]
    apply_options: Callable[[Workspace], ApplyOptions]
    allow_rewind: bool = False
    """A commit may be older than the last applied one, or not on its line."""
    switch: Switch = field(default_factory=Switch)
    interrupted: Callable[[], None] = lambda: None
    """Raises when a signal has ended the process's work, and code in between turned that into another error."""
    clock: Callable[[], float] = time.time
    is_final: Callable[[WfsyncError], bool] = lambda _: False
    """Whether an error before the first session is a mistake of who started the service, which no revision heals."""
    full_interval: float = 3600.0
    """Seconds after which a sync believes no evidence and compares every row; 0: every sync."""


class _StandBy(Exception):
    """Somebody else leads."""


@dataclass(slots=True)
class _Facts:
    """What a sync has found out so far: a failure's report says it, too."""

    commit: str | None = None
    plan: Plan | None = None
    outcome: Outcome | None = None
    notes: tuple[Problem, ...] = ()


class Reconciler:
    """Keeps one session: it holds the lead, and everything is written on it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._stack = ExitStack()
        self._session: Session | None = None
        self._leader = False
        self._was_connected = False
        """Repository and database were reached once: what is wrong with their names since may pass again."""
        self._last: str | None = None
        """The last commit that this process has synced, or seen while it was suspended."""
        self._then: str | None = None
        """What the ledger said then."""
        self._full_at: float | None = None
        """When every row was last read by this process (monotonic)."""

    def sync(self, reason: str) -> Report:
        """Sync once. What raises is a signal, or a mistake on the command line (code ``USAGE``, `Setup.is_final`)."""
        started = time.monotonic()
        facts = _Facts()
        error: WfsyncError | None = None
        status: Status
        try:
            status = self._sync(facts)
        except _StandBy:
            status = "standby"
        except WfsyncError as failure:
            if failure.code == "USAGE" or (not self._was_connected and self._setup.is_final(failure)):
                raise
            error, status = failure, status_of(failure)
        except Exception as failure:  # noqa: BLE001 - a service outlives its own defects, and says so
            self._setup.interrupted()
            error, status = _unexpected(failure), "failed"
        report = self._report(status, error, facts, reason, time.monotonic() - started)
        if report.is_transient or (self._session is not None and self._session.conn.closed):
            self.close()  # whoever cannot sync lets another instance try
        gc.collect()  # nothing collects in between: see wfsync.cli.main
        return report

    def close(self) -> None:
        """End the session, and with it the lead."""
        self._leader, self._session = False, None
        self._stack.close()

    # -- one sync ------------------------------------------------------------------------------------------------

    def _sync(self, facts: _Facts) -> Status:
        if self._session is not None:
            self._look_for_session()
        if self._session is not None:
            self._take_lead(self._session)  # a standby looks no further
        workspace = self._setup.workspace()
        options, full = self._setup.plan_options(workspace), self._is_full_due()
        if full:
            options = replace(options, reading="anew")

        def connect(loading: Loading) -> AbstractContextManager[Session]:
            return self._connected(self._setup.target(workspace), loading)

        comparison = comparing(workspace, self._setup.selection, options, connect, wishes=self._setup.wishes)
        with comparison as (session, planned):
            facts.plan, facts.commit = planned.plan, planned.plan.source.commit
            if full:
                self._full_at = time.monotonic()
            if workspace.config.suspend or self._setup.switch.suspended:
                self._last, self._then = facts.commit, last_applied(session, workspace.identity)
                return "suspended"
            return self._apply(workspace, session, planned, facts)

    def _is_full_due(self) -> bool:
        """Whether evidence has been believed for long enough: a fault of it must not live for ever."""
        return self._full_at is None or time.monotonic() - self._full_at >= self._setup.full_interval

    def _apply(self, workspace: Workspace, session: Session, planned: Planned, facts: _Facts) -> Status:
        require_consent(planned.plan)
        goes_back = self._refuse_rewind(workspace, session, facts)
        if not leads(session.conn, session.tenant):
            raise _StandBy  # a pooler gave the session to somebody else
        options = self._setup.apply_options(workspace)
        outcome = carry_out(session.conn, session.layout, session.tenant, planned, options)
        facts.outcome = outcome
        facts.notes += outcome.notes
        if goes_back and not outcome.applied:
            facts.notes += record_course(session.conn, session.tenant, planned.plan, options)
        self._last, self._then = facts.commit, last_applied(session, workspace.identity)
        return "applied" if outcome.applied else "in_sync"

    def _refuse_rewind(self, workspace: Workspace, session: Session, facts: _Facts) -> bool:
        """Whether the commit goes back, with consent."""
        if facts.commit is None or (facts.commit == self._last and (facts.plan is None or not facts.plan.changes)):
            return False  # what we synced ourselves, and nobody has applied a newer one: nothing differs
        base = last_applied(session, workspace.identity)
        if base is None or base == self._then:  # nobody has applied anything since
            base = self._last or base
        course = check_rewind(workspace, facts.commit, base, allowed=self._setup.allow_rewind)
        facts.notes += () if course.note is None else (course.note,)
        return course.goes_back

    @contextmanager
    def _connected(self, target: Target, loading: Loading) -> Iterator[Session]:
        """The session that leads, with the instance as it is now."""
        if self._session is not None and self._session.target != target:
            self.close()  # wfsync.yaml names another one by now
        if self._session is None:
            if lacks_tables(target):
                loading.finish()  # nothing is created for files that are wrong
            self._session = self._stack.enter_context(self._setup.connect(target))
            self._was_connected = True
            self._take_lead(self._session)
        else:
            self._session = renewed(self._session, for_write=True)
        yield self._session

    def _take_lead(self, session: Session) -> None:
        self._leader = try_lead(session.conn, session.tenant)
        if not self._leader:
            raise _StandBy

    def _look_for_session(self) -> None:
        """Forget a session that ended while nothing was done on it: a new one is as good."""
        if self._session is None:
            return
        try:
            leads(self._session.conn, self._session.tenant)
        except DatabaseError as error:
            if error.code != "CONNECTION_LOST":
                raise
            self.close()

    def _report(self, status: Status, error: WfsyncError | None, facts: _Facts, reason: str, seconds: float) -> Report:
        return Report(
            status=status,
            at=self._setup.clock(),
            seconds=seconds,
            leader=self._leader,
            reason=reason,
            error=error,
            **_found_out(facts),
        )


def _found_out(facts: _Facts) -> dict[str, Any]:
    """The fields of a report that a comparison fills."""
    plan, outcome = facts.plan, facts.outcome
    if plan is None:
        return {}
    changes = Counter(change.action for change in plan.changes)
    skipped = sum(1 for kept in plan.kept if kept.why == "skipped")
    written = (
        Counter(_ACTIONS[applied.action] for applied in outcome.applied) if outcome is not None else Counter[str]()
    )
    drifting = 0 if outcome is not None else sum(1 for change in plan.changes if change.drift)
    return {
        "commit": facts.commit,
        "pending": dict(changes) if outcome is None else {},
        "written": dict(written),
        "unchanged": plan.unchanged,
        "drifted": skipped + drifting,
        "held": len(plan.kept) - skipped,
        "notes": (*(w for w in plan.warnings if w.severity == "warning"), *facts.notes),
    }


def _unexpected(error: Exception) -> WfsyncError:
    if isinstance(error, OSError):
        return RepositoryError(f"a file or stream cannot be used: {error.strerror or error}", code="REPOSITORY")
    return WfsyncError(
        f"{type(error).__name__}: {str(error)[:500]}", code="INTERNAL", hint="this is a defect of wfsync"
    )
