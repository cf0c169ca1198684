"""Errors → exit codes (spec: cli.md "Exit codes"). The only place that knows both."""

from __future__ import annotations

from typing import Final

from wfsync.errors import Conflict, LockTimeout, Refused, WfsyncError

__all__ = ["CONFLICT", "ERROR", "INTERRUPTED", "LOCKED", "OK", "PENDING", "REFUSED", "TERMINATED", "USAGE", "of"]

OK: Final = 0
ERROR: Final = 1
PENDING: Final = 2
CONFLICT: Final = 3
REFUSED: Final = 4
LOCKED: Final = 5
USAGE: Final = 64
INTERRUPTED: Final = 130
TERMINATED: Final = 143


def of(error: WfsyncError) -> int:
    """The exit code of ``error``."""
    match error:
        case Conflict():
            return CONFLICT
        case Refused():
            return REFUSED
        case LockTimeout():
            return LOCKED
        case _:
            return USAGE if error.code == "USAGE" else ERROR
