"""Brakes and consent: why apply would refuse a plan (spec: cli.md "Consent"). Pure; every reason at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wfsync.plan.change import Blocked, CascadeCount, Change

__all__ = ["Consent", "refusals"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the caller agreed to; everything is False unless a flag says otherwise."""

    force: bool = False
    """Existing workflows may be overwritten."""
    allow_running: bool = False
    """Also those with runs in QUEUED, RUNNING or WAITING."""
    create_only: bool = False
    """Without ``force`` a key that exists is a conflict even if nothing differs: what `import` promises."""


def refusals(
    changes: tuple[Change, ...],
    ambiguous: Mapping[str, tuple[str, ...]],
    consent: Consent,
    *,
    equal: Mapping[str, str] | None = None,
    rows_may_be_hidden: bool = False,
) -> tuple[Blocked, ...]:
    """Every reason why ``changes`` may not be applied with ``consent``; empty when they may.

    ``equal`` are the ids of workflows that exist and do not differ, by key.
    """
    blocks = list(_refusals(changes, ambiguous, consent, rows_may_be_hidden=rows_may_be_hidden))
    if consent.create_only and not consent.force:
        blocks += [_conflict(key, workflow_id, "exists already") for key, workflow_id in sorted((equal or {}).items())]
    return tuple(blocks)


def _conflict(key: str, workflow_id: str | None, message: str) -> Blocked:
    return Blocked(
        "WORKFLOW_KEY_CONFLICT",
        message,
        key=key,
        hint="look at the changes, then run the command with --force",
        details={"workflowKey": key, "existingWorkflowId": workflow_id},
    )


def _rows(cascade: CascadeCount) -> str:
    number = f"{'more than ' * cascade.capped}{cascade.rows}"
    return f"{number} row{'s' * (cascade.rows != 1)}"


def _refusals(
    changes: tuple[Change, ...],
    ambiguous: Mapping[str, tuple[str, ...]],
    consent: Consent,
    *,
    rows_may_be_hidden: bool,
) -> Iterator[Blocked]:
    for key, ids in sorted(ambiguous.items()):
        yield Blocked(
            "AMBIGUOUS_KEY",
            f"{len(ids)} rows have this key: {', '.join(ids)}",
            key=key,
            hint="give all rows but one another key (or NULL), or leave the key out with --exclude",
            details={"workflowKey": key, "workflowIds": list(ids)},
        )
    for change in changes:
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
        for cascade in change.cascades:
            if cascade.effect == "blocked":
                yield Blocked(
                    "CASCADE_BLOCKED",
                    f"a foreign key of {cascade.table} ({_rows(cascade)}) forbids deleting it or a version of it",
                    key=change.key,
                    hint="remove the referring rows first, or use --overwrite update, which keeps the row and every"
                    " version that the file has",
                    details={"workflowKey": change.key, "table": cascade.table, "rows": cascade.rows},
                )
