"""How the embedded server says that it cannot help: one code for "did not start", one for "is not here"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wfsync.errors import DatabaseError

START_FAILED: Final = "EMBEDDED_START_FAILED"
UNAVAILABLE: Final = "EMBEDDED_UNAVAILABLE"
NAME_A_DATABASE: Final = "name a database with --database URL or WFSYNC_DATABASE_URL"


def start_failed(reason: str, *, hint: str = "", log: Path | None = None, lines: tuple[str, ...] = ()) -> DatabaseError:
    """The error for an embedded server that could not be started (or stopped): why, and how to do without it.

    ``hint`` comes before the general advice; ``lines`` are the last lines of the server's log.
    """
    parts = [part for part in (hint, f"see {log}" if log else "", NAME_A_DATABASE) if part]
    details: dict[str, object] = {}
    if log is not None:
        details["log"] = str(log)
    if lines:
        details["log_lines"] = list(lines)
    return DatabaseError(
        f"the embedded PostgreSQL cannot be used: {reason}", code=START_FAILED, hint="; ".join(parts), details=details
    )


def unavailable(reason: str, *, hint: str, details: dict[str, object] | None = None) -> DatabaseError:
    """The error for a machine without the server programs that are needed."""
    return DatabaseError(reason, code=UNAVAILABLE, hint=f"{hint}, or {NAME_A_DATABASE}", details=details)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns an operating system's refusal inside the block into `start_failed`, with the file that it was about."""
    try:
        yield
    except OSError as error:
        about = f" ({error.filename})" if error.filename else ""
        raise start_failed(f"{doing}: {error.strerror or error}{about}") from error
