"""What came of a publish: values for renderers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wfsync.errors import Problem
from wfsync.runtime.publish_checks import Finding

__all__ = ["Action", "Finds", "Report"]

Action = Literal["published", "unchanged", "checked", "refused"]


@dataclass(frozen=True, slots=True)
class Finds:
    """The findings on one draft."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    """The same, each at its place in a file where there is one."""

    @property
    def has_errors(self) -> bool:
        """Whether the draft may not be published."""
        return any(finding.is_error for finding in self.findings)

    def count(self, severity: str) -> int:
        """How many have ``severity``."""
        return sum(finding.severity == severity for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Report:
    """One publish, however it ended."""

    key: str
    action: Action
    version: int | None
    """That was published; of an unchanged draft, the one that it equals; that it would become, where only checked."""
    where: str
    """The file, or the database without its password."""
    in_database: bool
    finds: Finds
    notes: tuple[Problem, ...] = ()
    """Warnings beside the findings."""
    apply_id: str | None = None
    """The row of the ledger."""

    @property
    def failed(self) -> bool:
        """Whether the command ends with an error."""
        return self.action == "refused" or (self.action == "checked" and self.finds.has_errors)
