"""Plans, outcomes and failures as pull-request comments (spec: cli.md "Output").

A comment begins with a marker line, so that a bot finds it and updates it in place, and ends with the line to grep.
When it would be too long, differences go first, then warnings, then rows of the table, and it says how many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.apply.outcome import Outcome
from wfsync.errors import Problem, WfsyncError
from wfsync.plan.change import Blocked, Change, Kept
from wfsync.plan.model import Plan
from wfsync.plan.secrets import hide_message, hide_problem
from wfsync.render.comment import MAX_COMMENT, Comment, marker, units
from wfsync.render.escape import code_span, fence_for, html_text, markdown_text
from wfsync.render.shorten import shorten
from wfsync.render.words import (
    FIELD_SYMBOLS,
    SYMBOLS,
    VERBS,
    applied_line,
    cascade_lines,
    drift_line,
    field_line,
    plan_line,
    runs_line,
    source_line,
    target_line,
)

__all__ = ["failure_markdown", "outcome_markdown", "plan_markdown"]

_VALUE: Final = 160
_SENTENCE: Final = 400
_NAME: Final = 200
_DETAILS: Final = MAX_COMMENT // 4
"""One workflow's differences may not fill the comment."""


def plan_markdown(plan: Plan, *, limit: int = MAX_COMMENT) -> str:
    """``plan`` as a comment shorter than ``limit``; the last line is the one of the text."""
    totals = plan.summary()
    counts = {
        "create": totals.create,
        "overwrite": totals.overwrite,
        "delete": totals.delete,
        "relink": totals.relink,
        "unchanged": totals.unchanged,
    }
    tail = f"\nDigest: {code_span(plan.digest)}\n\n{plan_line(totals)}\n"
    comment = Comment(_head("plan", plan) + _table(counts), tail, limit)
    comment.section("\n**Apply would refuse this plan:**\n\n", [_block_row(b) for b in plan.blocks], "refusals")
    header = "\n| | workflow | action | why |\n| --- | --- | --- | --- |\n"
    comment.section(header, [_change_row(change) for change in plan.changes], "changes")
    comment.section("\n**Left alone:**\n\n", [_kept_row(kept) for kept in plan.kept], "workflows left alone")
    comment.section("\n**Warnings:**\n\n", [_problem_row(w) for w in plan.warnings], "warnings")
    comment.section("\n", [_details(change) for change in plan.changes if change.paths], "workflows' differences")
    return comment.text()


def outcome_markdown(outcome: Outcome, *, limit: int = MAX_COMMENT) -> str:
    """``outcome`` as a comment shorter than ``limit``; the last line is the one of the text."""
    totals = outcome.plan.summary()
    counts = {
        "created": outcome.count("created"),
        "overwritten": outcome.count("overwritten"),
        "deleted": outcome.count("deleted"),
        "relinked": outcome.count("relinked"),
        "unchanged": totals.unchanged,
    }
    comment = Comment(_head("apply", outcome.plan) + _table(counts), f"\n{applied_line(outcome)}\n", limit)
    rows = [f"| {code_span(a.key)} | {a.action} | {code_span(a.workflow_id)} |\n" for a in outcome.applied]
    comment.section("\n| workflow | action | id |\n| --- | --- | --- |\n", rows, "changes")
    comment.section("\n**Left alone:**\n\n", [_kept_row(k) for k in outcome.plan.kept], "workflows left alone")
    ids = [f"- {code_span(identity)}\n" for identity in outcome.deleted_ids]
    comment.section("\n**Deleted ids:**\n\n", ids, "deleted ids")
    warnings = [_problem_row(w) for w in (*outcome.plan.warnings, *outcome.notes)]
    comment.section("\n**Warnings:**\n\n", warnings, "warnings")
    return comment.text()


def failure_markdown(error: WfsyncError, *, limit: int = MAX_COMMENT) -> str:
    """A comment that says why there is no plan; its marker finds the plan's comment."""
    hint = "" if error.hint is None else f"\n{markdown_text(shorten(hide_message(error.hint), _SENTENCE))}\n"
    message = markdown_text(shorten(hide_message(error.message), _SENTENCE))
    head = f"{marker('plan', failed='true')}\n### wfsync failed\n\n{code_span(error.code)} {message}\n{hint}"
    comment = Comment(head, "", limit)
    comment.section("\n**Problems:**\n\n", [_problem_row(problem) for problem in error.problems], "problems")
    return comment.text()


def _head(kind: str, plan: Plan) -> str:
    line = marker(kind, target=plan.target.display, tenant=plan.target.tenant or "none")
    return (
        f"{line}\n### wfsync {kind}\n\n"
        f"**Target:** {markdown_text(shorten(target_line(plan.target), _SENTENCE))}  \n"
        f"**Source:** {markdown_text(shorten(source_line(plan.source), _SENTENCE))}  \n"
        f"**Overwrite:** {plan.overwrite}\n"
    )


def _table(counts: dict[str, int]) -> str:
    names, rule = " | ".join(counts), " | ".join(["---:"] * len(counts))
    return f"\n| {names} |\n| {rule} |\n| {' | '.join(map(str, counts.values()))} |\n"


def _change_row(change: Change) -> str:
    facts = [shorten(change.reason, _SENTENCE), *_effects(change)]
    why = "<br>".join(markdown_text(fact) for fact in facts)
    key = code_span(shorten(change.key, _NAME))
    return f"| `{SYMBOLS[change.action]}` | {key} | {VERBS[change.action]} | {why} |\n"


def _kept_row(kept: Kept) -> str:
    return f"- {code_span(shorten(kept.key, _NAME))} {kept.why}: {markdown_text(shorten(kept.reason, _SENTENCE))}\n"


def _effects(change: Change) -> Iterator[str]:
    drift = drift_line(change)
    if drift is not None:
        yield drift
    yield from cascade_lines(change.cascades)
    runs = runs_line(change.active_runs)
    if runs is not None:
        yield runs


def _block_row(block: Blocked) -> str:
    about = "" if block.key is None else f"{code_span(shorten(block.key, _NAME))}: "
    hint = "" if block.hint is None else f"; {markdown_text(shorten(block.hint, _SENTENCE))}"
    return f"- {code_span(block.code)} {about}{markdown_text(shorten(block.message, _SENTENCE))}{hint}\n"


def _problem_row(problem: Problem) -> str:
    problem = hide_problem(problem)
    where = "" if problem.place is None else f" {code_span(shorten(str(problem.place), _SENTENCE))}"
    about = "" if problem.key is None else f" {code_span(shorten(problem.key, _NAME))}:"
    return f"- {code_span(problem.code)}{where}{about} {markdown_text(shorten(problem.message, _SENTENCE))}\n"


def _details(change: Change) -> str:
    """The folded differences of one workflow, cut on a row boundary."""
    rows: list[str] = []
    used = 0
    for path in change.paths:
        # "!" is what a diff block paints like a change
        row = f"{FIELD_SYMBOLS[path.op].replace('~', '!')} {field_line(path, _VALUE)}"
        used += units(row) + 1
        if used > _DETAILS:
            rows.append(f"# and {len(change.paths) - len(rows)} more, left out here")
            break
        rows.append(row)
    body = "\n".join(rows)
    fence = fence_for(body)
    count = f"{len(change.paths)} change{'' if len(change.paths) == 1 else 's'}"
    key = html_text(shorten(change.key, _NAME))
    return f"<details><summary><code>{key}</code>: {count}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"
