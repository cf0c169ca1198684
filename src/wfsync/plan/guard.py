"""Brakes and consent: why apply would refuse a plan (spec: cli.md "Consent"). Pure; every reason at once.

Decisions where the specification is silent: ``policy.protected`` keeps what exists, so a protected key is neither
overwritten nor deleted, but may be created, and relinked (which only keeps its calls alive). The brake on changes
counts creates, overwrites and deletes; a relink is a consequence. A percentage is one of the workflows that this source
manages or that its files name in the database; where there are none yet, it brakes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from wfsync.errors import Problem
from wfsync.plan.change import Blocked, CascadeCount, Change, last_update
from wfsync.plan.limits import Limit, default_deletes
from wfsync.plan.ownership import OnDrift, is_weak

__all__ = ["Brakes", "Consent", "Measure", "refusals"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the caller agreed to; everything is False unless a flag says otherwise."""

    force: bool = False
    """Existing workflows may be overwritten."""
    allow_running: bool = False
    """Also those with runs in QUEUED, RUNNING or WAITING."""
    create_only: bool = False
    """Without ``force`` a key that exists is a conflict even if nothing differs: what `import` promises."""


@dataclass(frozen=True, slots=True)
class Brakes:
    """What ``policy`` in ``wfsync.yaml`` and options say; no flag of consent lifts it."""

    protected: tuple[str, ...] = ()
    """Globs of keys."""
    max_changes: Limit | None = None
    """None: no limit."""
    max_deletes: Limit | None = None
    """None: the larger of 3 and 30 % of the managed workflows."""
    on_drift: OnDrift = "overwrite"
    """What happens to what somebody changed in the database; ``skip`` leaves no such change in a plan."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a plan's changes are held against."""

    managed: int = 0
    """Workflows of the database that this source manages."""
    known: int = 0
    """Those, and the others that its files name in the database."""
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key that would be deleted → keys that call it and stay."""
    unread: tuple[str, ...] = ()
    """Places of the repository that are not read, where a workflow may have gone to that is missed."""
    blind: Problem | None = None
    """Why the ledger that there is could not be read: then nobody can tell what somebody changed in the database."""


_NO_BRAKES = Brakes()
_NO_MEASURE = Measure()


def refusals(
    changes: tuple[Change, ...],
    ambiguous: Mapping[str, tuple[str, ...]],
    consent: Consent,
    *,
    equal: Mapping[str, str] | None = None,
    rows_may_be_hidden: bool = False,
    brakes: Brakes = _NO_BRAKES,
    measure: Measure = _NO_MEASURE,
) -> tuple[Blocked, ...]:
    """Every reason why ``changes`` may not be applied with ``consent``; empty when they may.

    ``equal`` are the ids of workflows that exist and do not differ, by key.
    """
    blocks = list(_ambiguous(ambiguous))
    for change in changes:
        blocks += _consent(change, consent, rows_may_be_hidden=rows_may_be_hidden)
        blocks += _ownership(change, consent, brakes.on_drift)
        blocks += _blind(change, brakes.on_drift, measure.blind)
        blocks += _policy(change, brakes, measure)
        blocks += _cascades(change)
    if consent.create_only and not consent.force:
        blocks += [_conflict(key, workflow_id, "exists already") for key, workflow_id in sorted((equal or {}).items())]
    blocks += _limits(changes, brakes, measure)
    return tuple(blocks)


def _ambiguous(ambiguous: Mapping[str, tuple[str, ...]]) -> Iterator[Blocked]:
    for key, ids in sorted(ambiguous.items()):
        yield Blocked(
            "AMBIGUOUS_KEY",
            f"{len(ids)} rows have this key: {', '.join(ids)}",
            key=key,
            hint="give all rows but one another key (or NULL), or leave the key out with --exclude",
            details={"workflowKey": key, "workflowIds": list(ids)},
        )


def _conflict(key: str, workflow_id: str | None, message: str) -> Blocked:
    return Blocked(
        "WORKFLOW_KEY_CONFLICT",
        message,
        key=key,
        hint="look at the changes, then run the command with --force",
        details={"workflowKey": key, "existingWorkflowId": workflow_id},
    )


def _consent(change: Change, consent: Consent, *, rows_may_be_hidden: bool) -> Iterator[Blocked]:
    """What a flag or another role would allow."""
    if change.action == "create" and rows_may_be_hidden:
        yield Blocked(
            "ROW_SECURITY",
            "row-level security may hide an existing row from this role, so nothing may be created",
            key=change.key,
            hint="connect as a role that sees every row (BYPASSRLS, or the owner without FORCE)",
        )
    if change.action == "overwrite" and not consent.force:
        yield _conflict(change.key, change.workflow_id, "exists and differs; overwriting needs --force")
    if change.action in ("overwrite", "delete") and change.active_runs and not consent.allow_running:
        runs = ", ".join(f"{count} {status}" for status, count in sorted(change.active_runs.items()))
        yield Blocked(
            "ACTIVE_RUNS",
            f"has runs that are not finished: {runs}",
            key=change.key,
            hint="wait for them, cancel them, or consent with --allow-running",
            details={"workflowKey": change.key, "activeRuns": dict(change.active_runs)},
        )


def _ownership(change: Change, consent: Consent, on_drift: OnDrift) -> Iterator[Blocked]:
    """What somebody changed in the database, and what somebody else manages."""
    if change.drift and on_drift == "fail":
        done = "deleting" if change.action == "delete" else "overwriting"
        yield Blocked(
            "DRIFT",
            f"was changed in the database since the last apply{last_update(change.updated_by, change.updated_at)};"
            f" {done} it loses that",
            key=change.key,
            hint="take it into git with `wfsync export KEY`, or give --on-drift overwrite to lose it or --on-drift skip"
            " to leave it",
            details={
                "workflowKey": change.key,
                "state": change.state,
                "updatedAt": change.updated_at,
                "updatedBy": change.updated_by,
            },
        )
    other = change.managed_by
    written = change.action in ("create", "overwrite", "delete")
    if other is not None and written and not (consent.force and is_weak(other)):
        weak = " (which is only a folder's name: --force takes it over)" if is_weak(other) else ""
        yield Blocked(
            "MANAGED_ELSEWHERE",
            f"is managed by another source, {other}{weak}",
            key=change.key,
            hint="remove it from one of the two repositories, or take it over with `wfsync adopt KEY`",
            details={"workflowKey": change.key, "source": other},
        )


def _blind(change: Change, on_drift: OnDrift, blind: Problem | None) -> Iterator[Blocked]:
    """What the ledger would have said of a row that is there, and this role may not read it."""
    if blind is not None and on_drift != "overwrite" and change.action in ("overwrite", "delete"):
        yield Blocked(
            "LEDGER_UNREADABLE",
            "exists, and whether it was changed in the database or is managed by another source cannot be told: the"
            " ledger cannot be read",
            key=change.key,
            hint=f"{blind.hint} Or give --on-drift overwrite to lose what somebody may have changed.",
            details={"workflowKey": change.key, **blind.details},
        )


def _policy(change: Change, brakes: Brakes, measure: Measure) -> Iterator[Blocked]:
    if change.action in ("overwrite", "delete"):
        patterns = [pattern for pattern in brakes.protected if fnmatchcase(change.key, pattern)]
        if patterns:
            yield Blocked(
                "PROTECTED",
                f"is protected by {', '.join(patterns)} and may not be {_DONE[change.action]}",
                key=change.key,
                hint="leave it out with --exclude, or change policy.protected in wfsync.yaml",
                details={"workflowKey": change.key, "patterns": patterns},
            )
    callers = measure.callers.get(change.key, ())
    if change.action == "delete" and callers:
        shown = ", ".join(callers[:5]) + (f" and {len(callers) - 5} more" if len(callers) > 5 else "")
        yield Blocked(
            "STILL_CALLED",
            f"is called by {shown}, which would be left without it",
            key=change.key,
            hint="change or delete the callers first, or leave it out with --exclude",
            details={"workflowKey": change.key, "callers": list(callers)},
        )


_DONE: Final = {"overwrite": "overwritten", "delete": "deleted"}


def _rows(cascade: CascadeCount) -> str:
    number = f"{'more than ' * cascade.capped}{cascade.rows}"
    return f"{number} row{'s' * (cascade.rows != 1)}"


def _cascades(change: Change) -> Iterator[Blocked]:
    other_way = (
        "remove the referring rows first, or leave the workflow out with --exclude"
        if change.action == "delete"
        else "remove the referring rows first, or use --overwrite update, which keeps the row and every version that"
        " the file has"
    )
    for cascade in change.cascades:
        if cascade.effect == "blocked":
            yield Blocked(
                "CASCADE_BLOCKED",
                f"a foreign key of {cascade.table} ({_rows(cascade)}) forbids deleting it or a version of it",
                key=change.key,
                hint=other_way,
                details={"workflowKey": change.key, "table": cascade.table, "rows": cascade.rows},
            )


def _limits(changes: tuple[Change, ...], brakes: Brakes, measure: Measure) -> Iterator[Blocked]:
    deletes = sum(1 for change in changes if change.action == "delete")
    changed = sum(1 for change in changes if change.action in ("create", "overwrite", "delete"))
    limit = brakes.max_changes
    if limit is not None and not (limit.percent and measure.known == 0) and changed > limit.of(measure.known):
        part = f" ({limit} of {measure.known})" if limit.percent else ""
        yield Blocked(
            "MAX_CHANGES",
            _too_many(changed, "changed", f"{limit.of(measure.known)}{part}"),
            hint=f"{_PART}, or raise the brake with --max-changes",
            details={"count": changed, "limit": limit.of(measure.known)},
        )
    if deletes:
        given = brakes.max_deletes
        most = default_deletes(measure.managed) if given is None else given.of(measure.managed)
        if deletes > most:
            part = f" ({given} of {measure.managed})" if given is not None and given.percent else ""
            if given is None:
                part = f" (the larger of 3 and 30% of {measure.managed} managed workflows)"
            yield Blocked(
                "MAX_DELETES",
                _too_many(deletes, "deleted", f"{most}{part}"),
                hint=f"{_PART}, or raise the brake with --max-deletes",
                details={"count": deletes, "limit": most},
            )
        if measure.unread:
            yield Blocked(
                "PRUNE_INCOMPLETE",
                f"what is gone from git cannot be told: {', '.join(measure.unread)} "
                f"{'is' if len(measure.unread) == 1 else 'are'} not read and may hold it",
                hint="mend what the warnings name, then prune",
                details={"unread": list(measure.unread)},
            )


_PART: Final = "look at the plan; apply a part of it with --select"


def _too_many(count: int, done: str, most: str) -> str:
    return f"{count} workflow{'s' * (count != 1)} would be {done}; the brake is at {most}"
