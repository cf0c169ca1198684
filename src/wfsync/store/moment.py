"""Times as the server keeps them: microseconds since 2000-01-01 UTC, with room for infinity (`database.md`, *Reading*).

Rows carry this number; only what is shown or written becomes a `datetime`, and what Python cannot hold becomes None.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

__all__ = ["Moment", "rfc3339", "to_datetime"]

Moment: TypeAlias = int
"""Microseconds since 2000-01-01 UTC; ±(2^63 - 1 or 2^63) are the infinities."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def to_datetime(moment: Moment | None) -> datetime | None:
    """``moment`` in UTC; None for NULL, the infinities and years outside 1 to 9999."""
    if moment is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=moment)
    except OverflowError:
        return None


def rfc3339(when: datetime) -> str:
    """``2026-01-02T03:04:05.678Z``: UTC, milliseconds (cut off, not rounded), ``Z``.

    Raises `ValueError` for a ``when`` without a time zone: nobody can tell what it means.
    """
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    return when.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
