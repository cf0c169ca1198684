"""When a trigger of time fires: pure (spec: runtime.md "Events and triggers").

``{type: schedule, runAt}`` fires once. ``{type: recurring, cron, timezone}`` fires by the wall clock of its zone. Of
what was missed only the latest counts (`due`).

Decisions where the specification is silent:

* cron has five fields, as everywhere; a sixth for seconds and names such as ``@daily`` are refused. Of day and weekday
  both must match when one of them begins with ``*``, else either, as in Debian's cron; ``L``, ``LW`` and ``MON#2`` are
  known.
* A time that a clock change skips fires at the first valid moment after it, and once however many were skipped. A time
  that a clock change doubles fires the first time.
* A schedule of every hour (``*/15 * * * *``) is a rhythm: where an hour is doubled it goes on, and where one is skipped
  nothing is missing. Anything else would leave a probe silent for an hour, once a year.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from wfsync.runtime.moments import moment_from

__all__ = [
    "InvalidSchedule",
    "Once",
    "Recurring",
    "Schedule",
    "checked_cron",
    "due",
    "moment_of",
    "next_fire",
    "schedule_of",
    "zone_of",
]

_SECOND: Final = timedelta(seconds=1)
_LONGEST_OVERLAP: Final = timedelta(days=1)
"""No zone ever set its clock back by more (Alaska, Manila: a day, when they crossed the date line)."""
_FIELDS: Final = 5
_NO_ZONES: Final = ("posix/", "right/", "posixrules", "localtime", "Factory")
"""In the folder of time zones on some machines; no names that mean the same everywhere."""


class InvalidSchedule(ValueError):
    """A trigger of time that cannot fire: which rule of publish validation it breaks, where, and what to do."""

    def __init__(self, code: str, member: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        """``INVALID_CRON``, ``INVALID_TIMEZONE``, ``INVALID_WORKFLOW_DEFINITION`` for ``runAt``."""
        self.member = member
        """The trigger's member that is wrong."""
        self.message = message
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Once:
    """Fires at one moment."""

    at: datetime

    def after(self, moment: datetime) -> datetime | None:
        """The first time it fires after ``moment``, UTC."""
        return self.at if self.at > moment else None

    def until(self, moment: datetime) -> datetime | None:
        """The last time it fires up to ``moment``, itself included, UTC."""
        return self.at if self.at <= moment else None


@dataclass(frozen=True, slots=True)
class Recurring:
    """Fires whenever the wall clock of ``zone`` shows what ``cron`` says; made by `schedule_of`."""

    cron: str
    zone: ZoneInfo
    is_rhythm: bool
    """Of every hour."""

    def after(self, moment: datetime) -> datetime | None:
        """The first time it fires after ``moment``, UTC; None when it never does (in 50 years)."""
        local = moment.astimezone(self.zone)
        shown = local.replace(tzinfo=None, fold=0)
        # A rhythm in the first of two equal hours goes on in the second, where the clock shows earlier times again
        doubled = self.is_rhythm and local.fold == 0 and local.replace(fold=1).utcoffset() != local.utcoffset()
        best: datetime | None = None
        for wall in self._walls(shown - _LONGEST_OVERLAP if doubled else shown, reverse=False):
            for instant in self._instants(wall):
                if instant > moment and (best is None or instant < best):
                    best = instant
            if best is not None and wall > shown:
                break
        return best

    def until(self, moment: datetime) -> datetime | None:
        """The last time it fires up to ``moment``, itself included, UTC; None when it never did (in 50 years)."""
        local = moment.astimezone(self.zone)
        shown = local.replace(tzinfo=None, fold=0, microsecond=0)
        start = shown + (_LONGEST_OVERLAP if local.fold else _SECOND)
        best: datetime | None = None
        for wall in self._walls(start, reverse=True):
            for instant in self._instants(wall):
                if instant <= moment and (best is None or instant > best):
                    best = instant
            if best is not None and wall <= shown:
                break
        return best

    def _walls(self, start: datetime, *, reverse: bool) -> Iterator[datetime]:
        """What the clock shows, in order, after (or before) ``start``: without any zone, so without clock changes."""
        from cronsim import CronSim

        return iter(CronSim(self.cron, start, reverse=reverse))

    def _instants(self, wall: datetime) -> tuple[datetime, ...]:
        """When the clock shows ``wall`` and it counts: once, for a rhythm never or twice where the clock is changed."""
        first = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if first == second:
            return (first,)
        if first < second:  # doubled
            return (first, second) if self.is_rhythm else (first,)
        return () if self.is_rhythm else (_change(self.zone, second, first),)


Schedule = Once | Recurring


def next_fire(trigger: Mapping[str, Any], after: datetime) -> datetime | None:
    """The first time ``trigger`` fires after ``after``, UTC; None when it never does. Raises `InvalidSchedule`."""
    schedule = schedule_of(trigger)
    return None if schedule is None else schedule.after(after)


def due(trigger: Mapping[str, Any], after: datetime, now: datetime) -> datetime | None:
    """The latest time at which ``trigger`` should have fired after ``after``, up to ``now``; None when it should not.

    What was missed before it is never made up for. Raises `InvalidSchedule`.
    """
    schedule = schedule_of(trigger)
    last = None if schedule is None else schedule.until(now)
    return last if last is not None and last > after else None


def schedule_of(trigger: Mapping[str, Any]) -> Schedule | None:
    """What a trigger of time says; None for one of another type. Raises `InvalidSchedule`."""
    kind = trigger.get("type")
    if kind == "schedule":
        return Once(moment_of(trigger.get("runAt")))
    if kind == "recurring":
        cron = trigger.get("cron")
        is_rhythm = checked_cron(cron if isinstance(cron, str) else "")
        return Recurring(str(cron), zone_of(trigger.get("timezone")), is_rhythm)
    return None


def zone_of(name: object) -> ZoneInfo:
    """The time zone called ``name``, such as ``Europe/Berlin``. Raises `InvalidSchedule` (``INVALID_TIMEZONE``)."""
    text = name if isinstance(name, str) else ""
    if text and not text.startswith(_NO_ZONES):
        try:
            return ZoneInfo(text)
        except (ValueError, OSError, KeyError):  # unknown, a path, the name of a folder
            pass
    raise InvalidSchedule(
        "INVALID_TIMEZONE", "timezone", f"{text[:60]!r} is no time zone of the IANA database", _nearest_zone(text)
    )


def _nearest_zone(text: str) -> str | None:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    zones = sorted(available_timezones())
    by_name = {zone.lower(): zone for zone in zones}
    # An abbreviation is near to many: CEST is not meant to be EST
    found = get_close_matches(text.lower().replace(" ", "_"), by_name, n=1, cutoff=0.7) if len(text) > 4 else []
    cities = [zone for zone in zones if zone.lower().endswith("/" + text.lower().replace(" ", "_"))] if text else []
    if not found and not cities:
        return "name a zone such as Europe/Berlin or UTC"
    return f'did you mean "{cities[0] if cities else by_name[found[0]]}"?'


@lru_cache(maxsize=1024)
def checked_cron(cron: str) -> bool:
    """Whether a sound ``cron`` is a rhythm. Raises `InvalidSchedule` (``INVALID_CRON``) for any other one."""
    from cronsim import CronSim, CronSimError

    fields = cron.split()
    if len(fields) != _FIELDS:
        hint = "seconds are not supported: leave the first field out" if len(fields) == _FIELDS + 1 else None
        raise InvalidSchedule(
            "INVALID_CRON",
            "cron",
            f"{cron[:60]!r} has {len(fields)} fields; cron has {_FIELDS}: minute, hour, day, month, weekday",
            hint or _PRESETS.get(cron.strip().lower(), 'write it like "30 1 * * *": half past one every night'),
        )
    try:
        simulated = CronSim(cron, datetime(2000, 1, 1))  # noqa: DTZ001 - a wall clock without a zone
        next(simulated)
    except (CronSimError, AssertionError, TypeError, ValueError) as error:
        raise InvalidSchedule("INVALID_CRON", "cron", f"{cron[:60]!r} is no cron expression: {error}") from None
    except StopIteration:
        raise InvalidSchedule("INVALID_CRON", "cron", f"{cron[:60]!r} never fires: no day is like that") from None
    return len(simulated.hours) == 24


_PRESETS: Final = {
    "@hourly": 'write "0 * * * *"',
    "@daily": 'write "0 0 * * *"',
    "@midnight": 'write "0 0 * * *"',
    "@weekly": 'write "0 0 * * 0"',
    "@monthly": 'write "0 0 1 * *"',
    "@yearly": 'write "0 0 1 1 *"',
    "@annually": 'write "0 0 1 1 *"',
}


def moment_of(text: object) -> datetime:
    """What ``runAt`` says, as `wfsync.runtime.moments` reads it. Raises `InvalidSchedule`."""
    try:
        return moment_from(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InvalidSchedule(
            "INVALID_WORKFLOW_DEFINITION",
            "runAt",
            str(error),
            "write it with its offset, like 2026-03-29T01:30:00Z or 2026-03-29T02:30:00+01:00",
        ) from None


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The moment at which ``zone`` changes its clock, after ``before`` and not after ``after``."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)
