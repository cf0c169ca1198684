"""Moments as text: how the runtime writes and reads them. UTC, milliseconds, ``Z``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["LATEST", "delayed", "later", "moment_from", "moment_text"]

LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No wait is longer."""

_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?)((?<=:\d{2}:\d{2})\.\d+)?([Zz]|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def moment_text(at: datetime) -> str:
    """``at`` as ``2026-01-25T00:00:00.000Z``; what is finer than a millisecond is dropped."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_from(text: str) -> datetime:
    """The moment that ``text`` says: an ISO 8601 date or date-time; without an offset it is UTC.

    Raises ValueError when it says none.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:60]!r} is no date-time such as 2026-01-25T00:00:00Z")
    day, time, fraction, offset = match.groups()
    # Python reads at most six digits of a second; more are dropped.
    parts = f"{day}T{time or '00:00'}" + (f"{fraction[:7]:0<7}" if fraction else "")
    parts += "+00:00" if offset is None or offset in "Zz" else offset
    try:
        return datetime.fromisoformat(parts).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:60]!r} is no date-time: {error}") from None


def later(at: datetime, span: timedelta) -> datetime:
    """``at`` and ``span`` later, at most `LATEST`."""
    try:
        return min(at + span, LATEST)
    except OverflowError:
        return LATEST


def delayed(at: datetime, milliseconds: float) -> datetime:
    """``at`` and that much later, at most `LATEST`, in whole milliseconds: what stores a moment may know no finer."""
    if not milliseconds < 1e15:  # also infinity and what is no number
        return LATEST
    try:
        due = at + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return LATEST
    due += timedelta(microseconds=-due.microsecond % 1000) if due < LATEST else timedelta()
    return min(due, LATEST)
