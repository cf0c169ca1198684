"""Durations and moments as test files write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["duration", "duration_text", "moment", "moment_text"]

_PART: Final = re.compile("([0-9]+)(ms|s|m|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNITS: Final = tuple(reversed(_MILLISECONDS.items()))


def duration(value: int | str) -> timedelta:
    """Milliseconds, or text such as ``1h30m``, which the schema has checked. Raises `OverflowError` beyond 10⁹ days."""
    if isinstance(value, int):
        return timedelta(milliseconds=value)
    return timedelta(milliseconds=sum(int(n) * _MILLISECONDS[unit] for n, unit in _PART.findall(value)))


def duration_text(span: timedelta) -> str:
    """``1h30m`` for people; what is shorter than a millisecond is left out."""
    left = span // timedelta(milliseconds=1)
    text = "-" * (left < 0)
    left = abs(left)
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" * bool(count)
    return text if text.strip("-") else "0s"


def moment(text: str) -> datetime:
    """An RFC 3339 date-time, which the schema has checked, in UTC. Raises `ValueError` where no calendar has it."""
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def moment_text(at: datetime) -> str:
    """``2026-01-25T09:00:00Z``, with milliseconds where there are any."""
    form = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(UTC).isoformat(timespec=form).replace("+00:00", "Z")
