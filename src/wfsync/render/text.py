"""A plan as text for a person; the last line is the one to grep (spec: cli.md "Output", "Consent")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wfsync.plan.change import Blocked, Change, FieldChange
from wfsync.plan.model import Plan
from wfsync.render.escape import plain
from wfsync.render.problems import problem_lines
from wfsync.render.shorten import shorten
from wfsync.render.style import Paint, Style
from wfsync.render.words import (
    FIELD_SYMBOLS,
    SYMBOLS,
    VERBS,
    cascade_lines,
    drift_line,
    field_line,
    kept_line,
    plan_line,
    runs_line,
    source_line,
    target_line,
)

__all__ = ["differences_text", "plan_text"]

_STYLES: Final[dict[str, Style]] = {"+": "green", "-": "red", "~": "yellow", "!": "red", "=": "dim"}
_NO_LIMIT: Final = 1 << 62
_DEFAULT_WIDTH: Final = 120


def plan_text(plan: Plan, *, width: int | None = None, color: bool = False, verbose: int = 0) -> str:
    """``plan`` as text that ends with one newline; without colour it depends on nothing but the arguments.

    ``width`` is the terminal's; None (no terminal) gives the same text everywhere. ``verbose`` from 1 on shows values
    in full, the digests and the ids.
    """
    paint = Paint(color)
    columns = _columns(width)
    lines = [
        f"Target: {target_line(plan.target)}",
        f"Source: {source_line(plan.source)}",
        f"Overwrite: {plan.overwrite}{', with prune' if plan.prune else ''}",
        "",
    ]
    pad = max((len(plain(change.key)) for change in plan.changes), default=0)
    pad = min(pad, columns // 2)
    for change in plan.changes:
        lines += _change_lines(change, paint, columns, pad, verbose)
    if plan.changes:
        lines.append("")
    if plan.kept:
        lines += ["Left alone:", *(f"{paint('dim', '=')} {kept_line(kept)}" for kept in plan.kept), ""]
    if plan.warnings:
        for warning in plan.warnings:
            lines += problem_lines(warning, paint)
        lines.append("")
    if plan.blocks:
        lines += ["Apply would refuse this plan:", *_block_lines(plan.blocks, paint), ""]
    lines += [f"Digest: {plan.digest}", plan_line(plan.summary())]
    return "\n".join(lines) + "\n"


def differences_text(
    paths: Sequence[FieldChange], *, width: int | None = None, color: bool = False, verbose: int = 0
) -> str:
    """The differences of one workflow, a line each, as ``wfsync diff`` shows them; empty for none."""
    lines = _field_lines(paths, Paint(color), _columns(width), verbose)
    return "".join(f"{line}\n" for line in lines)


def _columns(width: int | None) -> int:
    return _DEFAULT_WIDTH if width is None else max(width, 40)


def _change_lines(change: Change, paint: Paint, columns: int, pad: int, verbose: int) -> Iterator[str]:
    symbol = SYMBOLS[change.action]
    head = f"{plain(change.key):<{pad}}  {VERBS[change.action]:<9}"
    reason = plain(change.reason)
    if not verbose:
        reason = shorten(reason, max(columns - len(head) - 4, 24))
    yield f"{paint(_STYLES[symbol], symbol)} {paint('bold', head)}  {reason}".rstrip()
    if verbose:
        yield from _particulars(change)
    for line in _field_lines(change.paths, paint, columns, verbose):
        yield f"    {line}"
    drift = drift_line(change)
    if drift is not None:
        yield f"    {paint('red', '!')} {drift}"
    for line in cascade_lines(change.cascades):
        yield f"    {paint('red', '!')} {line}"
    runs = runs_line(change.active_runs)
    if runs is not None:
        yield f"    {paint('red', '!')} {runs}"


def _field_lines(paths: Sequence[FieldChange], paint: Paint, columns: int, verbose: int) -> Iterator[str]:
    for path in paths:
        mark = FIELD_SYMBOLS[path.op]
        limit = _NO_LIMIT if verbose else max((columns - len(path.path) - 14) // 2, 32)
        yield f"{paint(_STYLES[mark], mark)} {field_line(path, limit, full=bool(verbose))}"


def _particulars(change: Change) -> Iterator[str]:
    facts = {
        "file": change.file,
        "workflow_id": change.workflow_id,
        "versions": ", ".join(map(str, change.versions)) or None,
        "before": change.before_digest,
        "after": change.after_digest,
        "updated": change.updated_at if change.updated_by is None else f"{change.updated_at} by {change.updated_by}",
    }
    for name, fact in facts.items():
        if fact is not None:
            yield f"      {name}: {plain(fact)}"


def _block_lines(blocks: Sequence[Blocked], paint: Paint) -> Iterator[str]:
    """Each refusal; a hint that several in a row share stands once, below the last."""
    for position, block in enumerate(blocks):
        about = "" if block.key is None else f"{plain(block.key)}: "
        yield f"{paint('red', '!')} {plain(block.code)}: {about}{plain(block.message)}"
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        repeated = following is not None and (following.code, following.hint) == (block.code, block.hint)
        if block.hint is not None and not repeated:
            yield f"    {plain(block.hint)}"
