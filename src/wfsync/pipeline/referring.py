"""Who calls whom, according to the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wfsync.bundle.load import Desired
from wfsync.bundle.steps import step_path_text
from wfsync.plan.resolve import resolution

__all__ = ["Edge", "edges"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One call."""

    caller: str
    callee: str
    """A key; a UUID where nobody in the files is meant."""
    version: int | None
    """The called version."""
    caller_version: int | None
    """The published version that calls; None: the draft."""
    step_path: str
    known: bool
    """Whether a file holds the callee."""


def edges(desired: Mapping[str, Desired]) -> tuple[Edge, ...]:
    """Every call of every workflow, in order of caller, then as it stands in the file."""
    known = resolution(desired.values(), {})
    return tuple(
        Edge(key, callee, call.version or None, call.in_version, step_path_text(call.path), callee in desired)
        for key, item in sorted(desired.items())
        for call in item.calls
        for callee in (known.key_of(call.target),)
    )
