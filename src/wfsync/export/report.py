"""What an export did, or with ``--check`` would do: values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wfsync.errors import Problem

__all__ = ["ExportItem", "ExportReport", "ExportState"]

ExportState = Literal["created", "updated", "unchanged", "kept", "overlaid", "no_row"]
"""``kept``: differs, but the file has comments that would be lost; ``overlaid``: differs only where an overlay lies on
the file, which cannot take that up; ``no_row``: a file whose key the database lacks."""


@dataclass(frozen=True, slots=True)
class ExportItem:
    """One workflow and its file."""

    key: str
    path: str
    """The file as messages name it."""
    state: ExportState


@dataclass(frozen=True, slots=True)
class ExportReport:
    """All of them, in order of key."""

    items: tuple[ExportItem, ...]
    problems: tuple[Problem, ...]
    """Rows and files that were left out, and why."""
    written: tuple[str, ...] = ()
    """Paths of the files that were written, relative to the destination's root."""
    commit: str | None = None
    """The commit that was made."""

    def count(self, *states: ExportState) -> int:
        """How many items are in one of ``states``."""
        return sum(1 for item in self.items if item.state in states)

    @property
    def differs(self) -> bool:
        """True when files and database do not agree."""
        return any(item.state != "unchanged" for item in self.items)
