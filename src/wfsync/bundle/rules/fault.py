"""What a rule finds: a value with a path, not yet a place in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wfsync.bundle.source_map import Path
from wfsync.errors import Severity

__all__ = ["Fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One broken rule. Paths start at the ``workflows[]`` entry."""

    code: str
    path: Path
    message: str
    hint: str | None = None
    severity: Severity = "error"
    member: str | None = None
    """A member name of the object at ``path`` whose own position is the better place to show."""
    inside: tuple[str, int] | None = None
    """The text at ``path`` and a place in it, in characters, that is the better place to show."""
    related: tuple[Path, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
