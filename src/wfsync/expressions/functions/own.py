"""What runtime.md adds to JSONata: nowIso, coalesce, len, toString; and append, which JSONata has under the same name.

Decisions where the specification is silent: ``append`` is JSONata's, so an array is added element by element, but it
always gives an array, also when one of the two is missing; ``toString`` is JSONata's ``$string``; ``coalesce`` of
nothing but nulls and missing values is missing; the moment is in UTC with milliseconds.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from wfsync.expressions.calls import Builtin
from wfsync.expressions.gathering import extend
from wfsync.expressions.limits import Run
from wfsync.expressions.values import NULL, Array, text_of

__all__ = ["BARE", "OWN"]

_TWO_BYTES: Final = 0xFFFF


def _now_iso(run: Run) -> str:
    return run.now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _coalesce(_run: Run, *values: Any) -> Any:
    return next((value for value in values if value is not None and value is not NULL), None)


def _len(_run: Run, value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else sum(2 if ord(c) > _TWO_BYTES else 1 for c in value)
    return len(value) if isinstance(value, list) else 0


def _to_string(run: Run, value: Any) -> str | None:
    return None if value is None else text_of(value, run)


def _append(run: Run, left: Any, right: Any) -> Array | None:
    if left is None and right is None:
        return None
    result = Array()
    for part in (left, right):
        if isinstance(part, list):
            extend(result, part, run)
        elif part is not None:
            result.append(part)
    return result


OWN: Final = (
    Builtin("nowIso", "<:s>", _now_iso),
    Builtin("coalesce", None, _coalesce, is_cheap=True),
    Builtin("len", "<x?:n>", _len),
    Builtin("toString", "<x?:s>", _to_string),
    Builtin("append", "<xx:a>", _append, is_cheap=True),
)
BARE: Final = frozenset(function.name for function in OWN)
"""Those that may be called without ``$``."""
