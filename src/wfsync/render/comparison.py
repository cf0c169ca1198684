"""``diff KEY``, for people and machines."""

from __future__ import annotations

from wfsync.pipeline.comparing import Comparison
from wfsync.plan.codec import PLAN_FORMAT_VERSION, field_change_value
from wfsync.render.escape import json_document, plain
from wfsync.render.text import differences_text

__all__ = ["comparison_json", "comparison_text"]


def comparison_text(comparison: Comparison, *, width: int | None = None, color: bool = False, verbose: int = 0) -> str:
    """What differs, a line each; the last line counts."""
    head = f"{plain(comparison.key)}: {plain(comparison.before)} → {plain(comparison.after)}\n"
    if comparison.missing is not None:
        return f"{head}Diff: {plain(comparison.missing)} has no such workflow.\n"
    body = differences_text(comparison.paths, width=width, color=color, verbose=verbose)
    count = len(comparison.paths)
    return f"{head}{body}Diff: {count or 'no'} difference{'s' * (count != 1)}.\n"


def comparison_json(comparison: Comparison) -> str:
    """One document: the two sides and ``paths``, as in a plan."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "key": comparison.key,
            "before": comparison.before,
            "after": comparison.after,
            "missing": comparison.missing,
            "paths": [field_change_value(path) for path in comparison.paths],
        }
    )
