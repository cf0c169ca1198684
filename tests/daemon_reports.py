"""Reports of syncs that nobody ran."""

from __future__ import annotations

from typing import Any

from wfsync.daemon.report import Report, Status
from wfsync.errors import WfsyncError

__all__ = ["report"]


def report(status: Status, error: WfsyncError | None = None, **more: Any) -> Report:
    """A sync that ended like this; it was compared unless it failed."""
    known: dict[str, Any] = {"at": 1_000.5, "seconds": 0.25, "leader": status != "standby", "error": error}
    if status not in ("failed", "standby"):
        known |= {"commit": "c" * 40, "unchanged": 3, "drifted": 0, "held": 0}
    return Report(status=status, **(known | more))
