"""A plan as a pull-request comment (spec: cli.md "Output").

It begins with a marker line, so that a bot finds its comment and updates it in place, and stays below GitHub's limit of
65 536 characters: whole sections are left out from the end, then whole rows, and it says how many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.errors import Problem
from wfsync.plan.change import Blocked, Change
from wfsync.plan.model import Plan
from wfsync.render.escape import code_span, fence_for, html_text, markdown_text
from wfsync.render.shorten import shorten
from wfsync.render.words import (
    SYMBOLS,
    VERBS,
    cascade_lines,
    field_line,
    plan_line,
    runs_line,
    source_line,
    target_line,
)

__all__ = ["MARKER", "MAX_COMMENT", "plan_markdown"]

MARKER: Final = "<!-- wfsync:plan"
"""How the first line of every such comment begins."""
MAX_COMMENT: Final = 65_536
"""GitHub's limit. What is written stays below it in characters, in UTF-16 units and therefore in code points."""

_VALUE_LIMIT: Final = 160
_REASON_LIMIT: Final = 160
_DIFF_SYMBOLS: Final = {"add": "+", "remove": "-", "change": "!", "move": "!"}
_RESERVE: Final = 1024
"""Room for the sentences that say what was left out, and for the end."""


def plan_markdown(plan: Plan, *, limit: int = MAX_COMMENT) -> str:
    """``plan`` as a comment shorter than ``limit``, one newline at the end.

    The order of importance: totals, what apply would refuse, the table of changes, warnings, the folded differences.
    """
    summary = plan.summary()
    tail = f"\nDigest: {code_span(plan.digest)}\n\n{plan_line(summary)}\n"
    page = _Page(limit - _units(tail))
    page.add(
        f"{MARKER} target={_marker_word(plan.target.display)} tenant={_marker_word(plan.target.tenant or '-')} -->\n"
        f"### wfsync plan\n\n"
        f"**Target:** {markdown_text(shorten(target_line(plan.target), 400))}  \n"
        f"**Source:** {markdown_text(shorten(source_line(plan.source), 400))}  \n"
        f"**Overwrite:** {plan.overwrite}\n\n"
        "| create | overwrite | delete | relink | unchanged |\n| ---: | ---: | ---: | ---: | ---: |\n"
        f"| {summary.create} | {summary.overwrite} | {summary.delete} | {summary.relink} | {summary.unchanged} |\n"
    )
    page.section("\n**Apply would refuse this plan:**\n\n", [_block_row(b) for b in plan.blocks], "refusals")
    header = "\n| | workflow | action | why |\n| --- | --- | --- | --- |\n"
    page.section(header, [_change_row(change) for change in plan.changes], "changes")
    page.section("\n**Warnings:**\n\n", [_warning_row(w) for w in plan.warnings], "warnings")
    page.section("\n", [details for change in plan.changes for details in _details(change)], "differences")
    return page.text() + tail


class _Page:
    """Text that grows up to a limit, in whole rows; local to one call."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        self._parts.append(part)
        self._used += _units(part)

    def section(self, header: str, rows: list[str], what: str) -> None:
        """A header and as many whole rows as fit; if not all do, a sentence that says how many are missing."""
        if not rows:
            return
        room = self._limit - _RESERVE
        shown: list[str] = []
        used = self._used + _units(header)
        for row in rows:
            used += _units(row)
            if used >= room:
                break
            shown.append(row)
        if shown:
            self.add(header + "".join(shown))
        if len(shown) < len(rows):
            self.add(
                f"\n*{len(rows) - len(shown)} of {len(rows)} {what} are not shown: the comment would be too long.*\n"
            )

    def text(self) -> str:
        return "".join(self._parts)


def _change_row(change: Change) -> str:
    facts = [markdown_text(shorten(change.reason, _REASON_LIMIT))]
    facts += [markdown_text(line) for line in _effects(change)]
    return f"| `{SYMBOLS[change.action]}` | {code_span(change.key)} | {VERBS[change.action]} | {'<br>'.join(facts)} |\n"


def _block_row(block: Blocked) -> str:
    about = "" if block.key is None else f"{code_span(block.key)}: "
    hint = "" if block.hint is None else f" {markdown_text(shorten(block.hint, 400))}"
    return f"- {code_span(block.code)} {about}{markdown_text(shorten(block.message, 400))}{hint}\n"


def _warning_row(problem: Problem) -> str:
    where = "" if problem.place is None else f" {code_span(str(problem.place))}"
    about = "" if problem.key is None else f" {code_span(shorten(problem.key, 200))}:"
    return f"- {code_span(problem.code)}{where}{about} {markdown_text(shorten(problem.message, 400))}\n"


def _details(change: Change) -> Iterator[str]:
    """The folded difference of one workflow, if there is anything to fold."""
    if not change.paths:
        return
    rows = [f"{_DIFF_SYMBOLS[path.op]} {field_line(path, _VALUE_LIMIT)}" for path in change.paths]
    # One workflow may not fill the comment: its own rows are cut first.
    kept: list[str] = []
    used = 0
    for row in rows:
        used += _units(row) + 1
        if used > MAX_COMMENT // 4:
            kept.append(f"# {len(rows) - len(kept)} more")
            break
        kept.append(row)
    body = "\n".join(kept)
    fence = fence_for(body)
    count = f"{len(rows)} change{'' if len(rows) == 1 else 's'}"
    yield (
        f"<details><summary><code>{html_text(change.key)}</code>: {count}</summary>\n\n"
        f"{fence}diff\n{body}\n{fence}\n\n</details>\n"
    )


def _effects(change: Change) -> Iterator[str]:
    yield from cascade_lines(change.cascades)
    runs = runs_line(change.active_runs)
    if runs is not None:
        yield runs


def _marker_word(text: str) -> str:
    """One word for the marker line: nothing in it can end the comment."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._:/@-") else "_" for c in text)[:200].replace("--", "-_")


def _units(text: str) -> int:
    """How many UTF-16 units ``text`` has: at least its number of characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
