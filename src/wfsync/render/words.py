"""The sentences that several renderers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from wfsync.apply.outcome import Outcome
from wfsync.plan.change import Action, CascadeCount, Change, FieldChange, Kept, Missing, last_update
from wfsync.plan.model import SourceRef, Summary, TargetRef
from wfsync.render.escape import plain
from wfsync.render.shorten import value_pair, value_text

__all__ = [
    "FIELD_SYMBOLS",
    "SYMBOLS",
    "VERBS",
    "applied_line",
    "cascade_lines",
    "drift_line",
    "field_line",
    "kept_line",
    "plan_line",
    "runs_line",
    "source_line",
    "target_line",
]

SYMBOLS: Final[Mapping[Action, str]] = {
    "create": "+",
    "overwrite": "~",
    "relink": "~",
    "delete": "-",
    "unchanged": "=",
}
FIELD_SYMBOLS: Final = {"add": "+", "remove": "-", "change": "~", "move": "~"}
VERBS: Final[Mapping[Action, str]] = {
    "create": "create",
    "overwrite": "overwrite",
    "relink": "relink",
    "delete": "delete",
    "unchanged": "unchanged",
}
_EFFECTS: Final = {"deleted": "deletes", "detached": "detaches", "blocked": "is blocked by"}


def plan_line(summary: Summary) -> str:
    """The line to grep: the last one of a plan."""
    return (
        f"Plan: {summary.create} to create, {summary.overwrite} to overwrite, {summary.delete} to delete, "
        f"{summary.relink} to relink, {summary.unchanged} unchanged."
    )


def applied_line(outcome: Outcome) -> str:
    """The line to grep: the last one of an apply."""
    totals = outcome.plan.summary()
    return (
        f"Applied: {outcome.count('created')} created, {outcome.count('overwritten')} overwritten, "
        f"{outcome.count('deleted')} deleted, {outcome.count('relinked')} relinked, {totals.unchanged} unchanged."
    )


def kept_line(kept: Kept) -> str:
    """``billing  held  was rolled back behind this file; …``"""
    return f"{plain(kept.key)}  {kept.why}  {plain(kept.reason)}"


def target_line(target: TargetRef) -> str:
    """``embedded (db …), tenant …, layout A``"""
    tenant = "no tenant" if target.tenant is None else f"tenant {plain(target.tenant)}"
    environment = "" if target.environment is None else f", environment {plain(target.environment)}"
    return f"{plain(target.display)}, {tenant}{environment}, layout {plain(target.layout)}"


def source_line(source: SourceRef) -> str:
    """``/repo, folder workflows, branch main at 1a2b3c4d5e6f, with uncommitted changes``"""
    if source.root and not source.directory:  # no repository: what a rollback was made from
        return plain(source.root)
    parts = [plain(source.root), f"folder {plain(source.directory)}"]
    if source.rev is not None:
        parts.append(f"revision {plain(source.rev)}")
    if source.commit is None:
        parts.append("no commit yet" if source.dirty else "not in git")
    else:
        branch = "" if source.branch is None else f"branch {plain(source.branch)} at "
        parts.append(f"{branch}{plain(source.commit)[:12]}")
    if source.dirty:
        parts.append("with uncommitted changes")
    return ", ".join(parts)


def field_line(change: FieldChange, limit: int, *, full: bool = False) -> str:
    """``draft.steps[notify].config.inputMapping.body: "a" → "b"``; values in about ``limit`` characters each.

    Where a note says it in words, values stand beside it only when ``full``.
    """
    place = plain(change.path)
    if change.note is not None:
        place = f"{place}: {plain(change.note)}"
        if not full or change.op == "move":
            return place
    if isinstance(change.old, Missing):
        return f"{place}: {value_text(change.new, limit)}"
    if isinstance(change.new, Missing):
        return f"{place}: {value_text(change.old, limit)}"
    old, new = value_pair(change.old, change.new, limit)
    hidden = " (the hidden values differ)" if change.masked and old == new else ""
    return f"{place}: {old} → {new}{hidden}"


def cascade_lines(cascades: Iterable[CascadeCount]) -> list[str]:
    """``deletes 3 workflow_runs, 41 workflow_run_steps``: a line for each effect, tables in the order given."""
    by_effect: dict[str, list[str]] = {}
    for cascade in cascades:
        rows = f"more than {cascade.rows}" if cascade.capped else str(cascade.rows)
        by_effect.setdefault(cascade.effect, []).append(f"{rows} {plain(cascade.table)}")
    return [f"{words} {', '.join(by_effect[effect])}" for effect, words in _EFFECTS.items() if effect in by_effect]


def drift_line(change: Change) -> str | None:
    """``loses what was changed in the database (the row was last updated at 2026-…)``; None where nothing was."""
    if not change.drift:
        return None
    if change.later is not None:
        return f"loses what {plain(change.later)} did, and what came after it"
    return f"loses what was changed in the database{plain(last_update(change.updated_by, change.updated_at))}"


def runs_line(active_runs: Mapping[str, int]) -> str | None:
    """``2 RUNNING and 1 WAITING runs``, or None when there are none."""
    counts = [f"{number} {plain(status)}" for status, number in sorted(active_runs.items()) if number]
    if not counts:
        return None
    listed = counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} and {counts[-1]}"
    return f"{listed} run{'' if sum(active_runs.values()) == 1 else 's'}"
