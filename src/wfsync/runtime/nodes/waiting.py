"""Nodes that wait: for an event, for a time, for a person.

Decisions where the specification is silent: ``vars.timeWait`` is ``{mode, dueAt, resumedAt}``. A task's answer comes
to ``vars.event``, as an event's payload does, and ``vars.eventName`` is left alone. ``until`` without an offset is UTC,
and one that is past fires at once. A correlation key that is null never matches: only its timeout ends the wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import Write
from wfsync.runtime.filters import filter_faults
from wfsync.runtime.moments import delayed, moment_from, moment_text
from wfsync.runtime.nodes.fields import Assigns, kind, number, templates, text
from wfsync.runtime.nodes.node import Asked, Done, Parked, Standing
from wfsync.runtime.protocol import Answered, Arrived, Event, Failure, Fired, OpenTask, WaitEvent, WaitUntil
from wfsync.runtime.step_failure import StepFailed, invalid

__all__ = ["EventWait", "HumanTask", "TimeWait"]

EVENT: Final = ("vars", "event")
EVENT_NAME: Final = ("vars", "eventName")
TIME_WAIT: Final = ("vars", "timeWait")
MOST_BYTES: Final = 1000
"""Of an event's name and of a correlation key: waits are found by an index, which takes no more of both."""


def _assigned(here: Standing, first: tuple[Write, ...], assigns: Assigns) -> tuple[Write, ...]:
    """``first``, and what ``assign`` says of an envelope that has it."""
    return (*first, *assigns(here.after(first)))


class EventWait:
    """``event.wait``: parks the run until an event of that name, key and filters comes, or the time is over."""

    __slots__ = ("_assigns", "_fields")

    def __init__(self, config: JsonObject) -> None:
        self._fields = templates(config, ("eventName", "correlationKey", "filters", "timeoutMs"))
        self._assigns = Assigns(config.get("assign"))

    def enter(self, here: Standing) -> Done | Parked:
        """Ask for the event."""
        name = text(here, self._fields, "eventName")
        key = self._key(here)
        for what, said in (("eventName", name), ("correlationKey", key)):
            if said is not None and len(said.encode("utf-8", "replace")) > MOST_BYTES:
                raise invalid(f"config.{what} is longer than {MOST_BYTES} bytes", code="INVALID_CONFIG")
        filters = self._filters(here)
        timeout = number(here, self._fields, "timeoutMs", optional=True)
        until = None if timeout is None else delayed(here.at, timeout)
        shown: JsonObject = {"eventName": name, "correlationKey": key}
        if filters:
            shown["filters"] = list(filters)
        if until is not None:
            shown["timeoutAt"] = moment_text(until)
        return Parked(WaitEvent(here.pos, name, key, filters, until), input=shown)

    def _key(self, here: Standing) -> str | None:
        template = self._fields.get("correlationKey")
        if template is None:
            raise invalid("config.correlationKey is missing", code="INVALID_CONFIG")
        key = here.resolve(template)
        if key is None or isinstance(key, str):
            return key
        if isinstance(key, int | float) and not isinstance(key, bool):
            return str(key)
        raise invalid(f"config.correlationKey must be text or a number, not {kind(key)}", code="INVALID_CONFIG")

    def _filters(self, here: Standing) -> tuple[Mapping[str, Json], ...]:
        template = self._fields.get("filters")
        filters = None if template is None else here.resolve(template)
        if filters is None:
            return ()
        faults = filter_faults(filters)
        if faults:
            raise invalid(f"config.filters: {faults[0]}", code="INVALID_CONFIG")
        return tuple(filters)

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:
        """Take the event in."""
        if isinstance(event, Fired):
            name = cast("WaitEvent", command).name
            raise StepFailed(Failure("TimeoutError", f"no event {name} came in time", "EVENT_WAIT_TIMEOUT"))
        event = cast("Arrived", event)
        first = ((EVENT, event.payload), (EVENT_NAME, event.name))
        return Done(_assigned(here, first, self._assigns), output={"eventName": event.name, "payload": event.payload})


class TimeWait:
    """``time.wait``: a durable sleep, for a duration or until a moment."""

    __slots__ = ("_assigns", "_fields")

    def __init__(self, config: JsonObject) -> None:
        self._fields = templates(config, ("mode", "durationMs", "until"))
        self._assigns = Assigns(config.get("assign"))

    def enter(self, here: Standing) -> Done | Parked:
        """Ask to be woken."""
        mode = text(here, self._fields, "mode")
        if mode == "duration":
            due = delayed(here.at, number(here, self._fields, "durationMs"))
        elif mode == "until":
            due = self._until(here)
        else:
            raise invalid(f"config.mode must be duration or until, not {mode[:40]!r}", code="INVALID_CONFIG")
        return Parked(WaitUntil(here.pos, due), input={"mode": mode, "dueAt": moment_text(due)})

    def _until(self, here: Standing) -> datetime:
        until = text(here, self._fields, "until")
        try:
            return moment_from(until)
        except ValueError as error:
            raise invalid(f"config.until: {error}", code="INVALID_CONFIG") from None

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:
        """Note how long it was."""
        mode = self._fields["mode"]
        waited = {
            "mode": mode.literal if mode.constant else here.resolve(mode),
            "dueAt": moment_text(cast("WaitUntil", command).due),
            "resumedAt": moment_text(event.at),
        }
        return Done(_assigned(here, ((TIME_WAIT, waited),), self._assigns), output=waited)


class HumanTask:
    """``human.task``: opens a task in the inbox and waits for its answer."""

    __slots__ = ("_assigns", "_fields")

    def __init__(self, config: JsonObject) -> None:
        self._fields = templates(config, ("taskType", "title", "description", "contextData"))
        self._assigns = Assigns(config.get("assign"))

    def enter(self, here: Standing) -> Done | Parked:
        """Ask for the task."""
        task_type = text(here, self._fields, "taskType")
        title = text(here, self._fields, "title")
        description = text(here, self._fields, "description", optional=True)
        template = self._fields.get("contextData")
        context = None if template is None else here.resolve(template)
        shown: JsonObject = {"taskType": task_type, "title": title}
        if description is not None:
            shown["description"] = description
        if context is not None:
            shown["contextData"] = context
        return Parked(OpenTask(here.pos, task_type, title, description, context), input=shown)

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:  # noqa: ARG002 — the signature of `Node`
        """Take the answer in."""
        answer = cast("Answered", event).answer
        return Done(_assigned(here, ((EVENT, answer),), self._assigns), output=answer)
