"""Long values made short for a person, so that what differs can still be seen."""

from __future__ import annotations

from wfsync.bundle.model import Json
from wfsync.render.escape import raw_json, safe_json

__all__ = ["shorten", "value_pair", "value_text"]

_CONTEXT = 12
"""How much of the common text is shown before the first difference of two long values."""


def shorten(text: str, limit: int) -> str:
    """``text`` in at most about ``limit`` characters: its beginning and end, and how long it is."""
    if len(text) <= limit:
        return text
    note = f"… ({len(text)} characters) …"
    room = max(limit - len(note), 8)
    return text[: room - room // 3] + note + text[len(text) - room // 3 :]


def value_text(value: Json, limit: int) -> str:
    """One value as JSON, shortened."""
    return safe_json(shorten(raw_json(value), limit))


def value_pair(old: Json, new: Json, limit: int) -> tuple[str, str]:
    """Two different values as JSON, shortened around their first difference, so that they never read the same."""
    left, right = _shortened(raw_json(old), raw_json(new), limit)
    return safe_json(left), safe_json(right)


def _shortened(left: str, right: str, limit: int) -> tuple[str, str]:
    if len(left) <= limit and len(right) <= limit:
        return left, right
    short_left, short_right = shorten(left, limit), shorten(right, limit)
    common = _common_prefix(left, right)
    room = max(limit // 3, 8)
    if short_left != short_right and common < room:
        return short_left, short_right
    start = max(common - _CONTEXT, 0)
    return _window(left, start, limit), _window(right, start, limit)


def _window(text: str, start: int, limit: int) -> str:
    """The part of ``text`` from ``start`` on, marked where something is left out, and how long the whole is."""
    lead = "…" if start else ""
    part = text[start : start + limit]
    if start + limit >= len(text):
        return f"{lead}{part}" + (f" ({len(text)} characters)" if start else "")
    return f"{lead}{part}… ({len(text)} characters)"


def _common_prefix(left: str, right: str) -> int:
    low, high = 0, min(len(left), len(right))
    # Bisection compares slices in C: values may be megabytes.
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
