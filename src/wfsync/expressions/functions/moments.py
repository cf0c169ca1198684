"""Functions on moments: milliseconds since 1970 ⇄ text.

``$toMillis`` with a picture is written anew: the library's fills in what the text leaves out from the machine's clock,
where a replay must give the same, and puts the picture's own text into a pattern that backtracks.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import re2
from jsonata.datetimeutils import DateTimeUtils

from wfsync.expressions.calls import Builtin
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.functions.numbers import check_picture
from wfsync.expressions.limits import Run

__all__ = ["MOMENTS"]

_WIDE: Final = re.compile(r",[^\]]*[0-9]{3}")
"""A width of three digits or more: numbers would be made that long."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR: Final = re.compile(r"[0-9]{4}", re.ASCII)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PARTS: Final = "YMDHmsf"
_SMALLEST: Final = {"M": 1, "D": 1}


def _to_millis(run: Run, text: str | None, picture: str | None) -> int | None:
    if text is None:
        return None
    check_picture(text)
    if picture is not None:
        check_picture(picture)
        return _parsed(run, text, picture)
    try:
        moment = datetime(int(text), 1, 1, tzinfo=UTC) if _YEAR.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        raise EvaluationFailed("$toMillis: this is no timestamp of ISO 8601", "D3110") from None
    return _millis(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def _from_millis(_run: Run, millis: float | None, picture: str | None, zone: str | None) -> Any:
    if millis is None:
        return None
    check_picture(picture)
    if picture is not None and _WIDE.search(picture):
        raise EvaluationFailed("$fromMillis: a width has one or two digits", "BAD_ARGUMENT")
    try:
        return DateTimeUtils.format_datetime(int(millis), picture, zone)
    except (ValueError, OverflowError, OSError):
        raise EvaluationFailed("$fromMillis: there is no such moment, or no such picture", "D3110") from None


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _parsed(run: Run, text: str, picture: str) -> int | None:
    """``text`` read by ``picture``; None when it does not fit. What the picture has not before its largest part is
    taken from the run's moment, what it has not after it is the smallest there is.
    """
    if _WIDE.search(picture):
        raise EvaluationFailed("$toMillis: a width has one or two digits", "BAD_ARGUMENT")
    spec = DateTimeUtils._analyse_datetime_picture(picture)  # noqa: SLF001 - as pinned; there is no public name
    matcher = DateTimeUtils._generate_regex(spec)  # noqa: SLF001 - the same
    whole = ""
    for part, reader in zip(spec.parts, matcher.parts, strict=True):
        whole += f"({re2.escape(part.value) if part.type == 'literal' else reader.regex})"
    found = re2.compile(f"(?i){whole}").fullmatch(text)
    if found is None:
        return None
    values: dict[str, int] = {}
    for part, reader, piece in zip(spec.parts, matcher.parts, found.groups(), strict=True):
        if part.type != "literal":
            values[part.component] = reader.parse(piece)
    return _composed(run, values)


def _composed(run: Run, values: dict[str, int]) -> int | None:
    zone = values.pop("Z", None)
    offset = values.pop("z", 0) if zone is None else zone
    if not values:
        return None
    if "h" in values:
        values["H"] = values.pop("h") % 12 + (12 if values.pop("P", 0) == 1 else 0)
    day_of_year = values.pop("d", None)
    if unknown := set(values) - set(_PARTS):
        raise EvaluationFailed(f"$toMillis: [{min(unknown)}] cannot be read", "D3136")
    if day_of_year is not None:
        values |= {"M": 1, "D": 1}
    now = run.now.astimezone(UTC)
    defaults = {"Y": now.year, "M": now.month, "D": now.day, "H": now.hour, "m": now.minute, "s": now.second, "f": 0}
    has_begun = has_ended = False
    for part in _PARTS:
        if part in values:
            if has_ended:
                raise EvaluationFailed(f"$toMillis: the picture has [{part}] but not what is larger", "D3136")
            has_begun = True
        else:
            values[part] = _SMALLEST.get(part, 0) if has_begun else defaults[part]
            has_ended = has_begun
    moment = datetime(
        values["Y"], values["M"], values["D"], values["H"], values["m"], values["s"], values["f"] * 1000, tzinfo=UTC
    )
    moment += timedelta(days=0 if day_of_year is None else day_of_year - 1, minutes=-offset)
    return _millis(moment)


MOMENTS: Final = (
    Builtin("toMillis", "<s-s?:n>", _to_millis),
    Builtin("fromMillis", "<n-s?s?:s>", _from_millis),
)
