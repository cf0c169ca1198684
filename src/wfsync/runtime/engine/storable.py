"""Values as the database will give them back: a live machine and one that is folded again must see the same.

PostgreSQL's jsonb keeps numbers as decimals: it knows no negative zero, writes a large float as an integer, and what is
read of an integer beyond 64 bits is a float.
"""

from __future__ import annotations

from typing import Any, Final

from wfsync.bundle.model import Json
from wfsync.runtime.protocol import Failed, Failure, Succeeded

__all__ = ["storable", "storable_event"]

_INTEGERS: Final = range(-(2**63), 2**64)
_EXACT: Final = 2.0**53


def storable(value: Json) -> Json:
    """``value`` as it comes back from a jsonb column; the same object where nothing differs."""
    match value:
        case bool():
            return value
        case int():
            return value if value in _INTEGERS else float(value)
        case float():
            return _number(value)
        case list():
            items = [storable(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        case dict():
            members = {name: storable(member) for name, member in value.items()}
            return value if all(members[name] is value[name] for name in value) else members
        case _:
            return value


def _number(value: float) -> Any:
    if value == 0:
        return 0.0
    if abs(value) >= _EXACT and value.is_integer() and int(value) in _INTEGERS:
        return int(value)
    return value


def storable_event(event: Succeeded | Failed) -> Succeeded | Failed:
    """``event`` with a storable output, or storable details."""
    if isinstance(event, Succeeded):
        return Succeeded(event.at, event.pos, storable(event.output))
    failure = event.failure
    kept = Failure(failure.category, failure.message, failure.code, storable(failure.details), failure.retryable)
    return Failed(event.at, event.pos, kept)
