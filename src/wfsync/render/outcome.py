"""What an apply did, as text for a person; the last line is the one to grep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.apply.outcome import Applied, AppliedAction, Outcome
from wfsync.plan.change import Change
from wfsync.render.escape import plain
from wfsync.render.problems import problem_lines
from wfsync.render.style import Paint, Style
from wfsync.render.text import differences_text
from wfsync.render.words import applied_line, cascade_lines, kept_line, source_line, target_line

__all__ = ["outcome_text"]

_SYMBOLS: Final[dict[AppliedAction, tuple[str, Style]]] = {
    "created": ("+", "green"),
    "overwritten": ("~", "yellow"),
    "deleted": ("-", "red"),
    "relinked": ("~", "yellow"),
}
_DONE: Final = {"deletes": "deleted", "detaches": "detached"}


def outcome_text(outcome: Outcome, *, width: int | None = None, color: bool = False, verbose: int = 0) -> str:
    """``outcome`` as text that ends with one newline: what was written, what changed in it, and what went along.

    ``width`` and ``verbose`` as for a plan.
    """
    paint = Paint(color)
    lines = [f"Target: {target_line(outcome.plan.target)}", f"Source: {source_line(outcome.plan.source)}", ""]
    changes = {change.workflow_id or change.key: change for change in outcome.plan.changes}
    for applied in outcome.applied:
        change = changes.get(applied.previous_id or applied.workflow_id) or changes.get(applied.key)
        lines += _applied_lines(applied, change, paint)
        if change is not None:
            differences = differences_text(change.paths, width=width, color=color, verbose=verbose)
            lines += [f"    {line}" for line in differences.splitlines()]
    if outcome.applied:
        lines.append("")
    if outcome.plan.kept:
        lines += ["Left alone:", *(f"{paint('dim', '=')} {kept_line(kept)}" for kept in outcome.plan.kept), ""]
    warnings = (*outcome.plan.warnings, *outcome.notes)
    for warning in warnings:
        lines += problem_lines(warning, paint)
    if warnings:
        lines.append("")
    if outcome.apply_id is not None:
        lines.append(f"Apply: {outcome.apply_id}")
    count = outcome.versions_written
    lines.append(f"{count} published version{'' if count == 1 else 's'} written in {outcome.seconds:.2f} s.")
    lines.append(applied_line(outcome))
    return "\n".join(lines) + "\n"


def _applied_lines(applied: Applied, change: Change | None, paint: Paint) -> Iterator[str]:
    symbol, style = _SYMBOLS[applied.action]
    versions = ", ".join(map(str, applied.versions)) or "none"
    key = paint("bold", plain(applied.key))
    if applied.action == "deleted":
        yield f"{paint(style, symbol)} {key}  deleted, id {plain(applied.workflow_id)}"
    else:
        yield f"{paint(style, symbol)} {key}  {applied.action}, id {plain(applied.workflow_id)}, versions {versions}"
    if applied.previous_id not in (None, applied.workflow_id):
        yield f"    {paint('red', '-')} deleted id {plain(applied.previous_id or '')}"
    for line in () if change is None else cascade_lines(change.cascades):
        verb, _, rest = line.partition(" ")
        yield f"    {paint('red', '!')} {_DONE.get(verb, verb)} {rest}"
