"""``INVALID_CRON`` and ``INVALID_TIMEZONE``, and which triggers a definition has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal

from wfsync.bundle.model import JsonObject
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.subject import Subject
from wfsync.runtime.schedule_times import InvalidSchedule, checked_cron, moment_of, zone_of

__all__ = ["check_schedule", "triggers_of"]


def triggers_of(subject: Subject) -> Iterator[tuple[Literal["definition", "metadata"], JsonObject]]:
    """The definition's trigger, and the workflow's own where that is another one."""
    own, outer = subject.definition.get("trigger"), subject.metadata.get("trigger")
    if isinstance(own, dict):
        yield "definition", own
    if isinstance(outer, dict) and outer != own:
        yield "metadata", outer


def check_schedule(subject: Subject) -> Iterator[Finding]:
    """A trigger of time that can never fire."""
    for document, trigger in triggers_of(subject):
        for member, check in _CHECKS.get(str(trigger.get("type")), ()):
            value = trigger.get(member)
            if not isinstance(value, str):
                continue  # which the structure says
            try:
                check(value)
            except InvalidSchedule as fault:
                found = finding_at(
                    subject.definition,
                    ("trigger", member),
                    fault.code,
                    f"trigger.{member}: {fault.message}",
                    fault.suggestion,
                )
                yield found if document == "definition" else replace(found, document="metadata")


_CHECKS: Final[Mapping[str, tuple[tuple[str, Callable[[str], object]], ...]]] = {
    "recurring": (("cron", checked_cron), ("timezone", zone_of)),
    "schedule": (("runAt", moment_of),),
}
