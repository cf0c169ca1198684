"""Calls between workflows, for people and machines. A token that stands where a name should is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from wfsync.pipeline.referring import Edge
from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.plan.secrets import hide_text, hide_tokens
from wfsync.render.escape import json_document, plain

__all__ = ["references_json", "references_text"]


def references_text(edges: Sequence[Edge]) -> str:
    """A block for each caller, a line for each call; the last line counts."""
    lines = []
    for caller, calls in groupby(edges, key=lambda edge: edge.caller):
        lines.append(plain(hide_text(caller)))
        for edge in calls:
            version = "" if edge.version is None else f" version {edge.version}"
            owner = "draft" if edge.caller_version is None else f"version {edge.caller_version}"
            absent = "" if edge.known else "  (in no file)"
            lines.append(hide_text(f"  → {plain(edge.callee)}{version}  {owner}, {plain(edge.step_path)}{absent}"))
    callers, callees = len({e.caller for e in edges}), len({e.callee for e in edges})
    lines.append(f"References: {_count(len(edges), 'call')}, {_count(callers, 'caller')}, {_count(callees, 'callee')}.")
    return "\n".join(lines) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def references_json(edges: Sequence[Edge]) -> str:
    """One document: ``references``, each with all that is known of it."""
    return json_document(
        {"format_version": PLAN_FORMAT_VERSION, "references": [hide_tokens(asdict(edge)) for edge in edges]}
    )
