"""Numbers that must fit the database's columns: 32-bit integers and numeric(5,2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.numbers import canonical_number
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.rules.versions import INT32_MAX

__all__ = ["check"]

_INTEGERS: Final = (("metadata", "concurrencyLimit"), ("metadata", "failureRateMinRuns"), ("draft", "draftVersion"))
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST: Final = 24
"""Characters; no sensible spelling of a percentage is longer, and Decimal is exact to 28 digits."""
_MAXIMUM: Final = Decimal("999.99")
_DECIMALS: Final = 2


def check(workflow: JsonObject) -> Iterator[Fault]:
    """Faults of the metadata's numbers and of the draft's version."""
    for section, name in _INTEGERS:
        value = workflow[section][name]
        if value is not None and not -INT32_MAX - 1 <= value <= INT32_MAX:
            yield Fault(
                code="INVALID_VALUE",
                path=(section, name),
                message=f"{name} must fit 32 bits ({-INT32_MAX - 1} to {INT32_MAX}), not {value}",
            )
    threshold = workflow["metadata"]["failureRateThreshold"]
    if threshold is not None and not _fits(threshold):
        shown = repr(threshold) if isinstance(threshold, str) else canonical_number(threshold)
        yield Fault(
            code="INVALID_VALUE",
            path=("metadata", "failureRateThreshold"),
            message=f"failureRateThreshold must be 0 to 999.99 with at most two decimals, not {shown[:40]}",
            hint="the value is never rounded: write the number that you mean",
        )


def _fits(threshold: Json) -> bool:
    if type(threshold) is float:  # a plain one, as most are: exact, because round() rounds the decimal that it denotes
        return 0 <= threshold <= float(_MAXIMUM) and round(threshold, _DECIMALS) == threshold
    text = threshold if isinstance(threshold, str) else canonical_number(threshold)
    if len(text) > _LONGEST or _NUMBER.fullmatch(text) is None:
        return False
    value = Decimal(text)
    if not 0 <= value <= _MAXIMUM:
        return False
    exponent = value.normalize().as_tuple().exponent
    return value == 0 or (isinstance(exponent, int) and exponent >= -_DECIMALS)
