"""What a run of a test is given: its payload, or that of the event which starts it (spec: runtime.md "Events")."""

from __future__ import annotations

from datetime import datetime

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json
from wfsync.expressions import EvaluationAborted, ExpressionFault
from wfsync.runtime.in_process.world import CannotGoOn
from wfsync.runtime.payloads import schema_faults
from wfsync.runtime.registry import Registry
from wfsync.runtime.step_failure import StepFailed
from wfsync.runtime.template import compile_template
from wfsync.testing.model import Case, StartingEvent
from wfsync.testing.workflows import Prepared

__all__ = ["payload_faults", "starting_payload"]


def starting_payload(case: Case, prepared: Prepared, registry: Registry) -> Json:
    """The payload of the run. Raises `CannotGoOn` where the event starts nothing or the payload breaks its schema."""
    payload = case.payload if case.event is None else _mapped(case.event, case.now, prepared)
    faults = payload_faults(prepared, payload, registry)
    if faults:
        ref = prepared.definition["payloadSchemaRef"]
        raise CannotGoOn(
            f"the payload does not fit {ref}, so that no run of {prepared.name} would begin: {'; '.join(faults)}",
            "correct `payload`" if case.event is None else "correct the event's payload, or the trigger's mapping",
        )
    return payload


def payload_faults(prepared: Prepared, payload: Json, registry: Registry) -> tuple[str, ...]:
    """Why ``payload`` does not fit the workflow: by its own pinned schema, else by the registry's."""
    schema: Schema | None = prepared.payload_schema
    if schema is None:
        entry = registry.schemas.get(prepared.definition["payloadSchemaRef"])
        schema = None if entry is None else entry.schema
    return () if schema is None else schema_faults(schema, payload)


def _mapped(event: StartingEvent, now: datetime, prepared: Prepared) -> Json:
    trigger = prepared.definition.get("trigger") or {}
    if trigger.get("type") != "event" or trigger.get("eventName") != event.name:
        starts = f"the event {trigger['eventName']}" if trigger.get("type") == "event" else "no event"
        raise CannotGoOn(
            f"the event {event.name} does not start {prepared.name}: {starts} does",
            "correct `event.name`, or give the run a `payload`",
        )
    mapping = trigger.get("payloadMapping")
    if mapping is None:
        return event.payload
    scope = {"event": {"name": event.name, "payload": event.payload}}
    try:
        return compile_template(mapping).resolve(scope, now)
    except StepFailed as error:
        raise CannotGoOn(
            f"the trigger's mapping fails, so that no run of {prepared.name} would begin: {error.failure.message}",
            "correct the event's payload, or guard the expression with coalesce(…)",
        ) from None
    except ExpressionFault as error:
        raise CannotGoOn(f"the trigger's mapping of {prepared.name} does not compile: {error.message}") from None
    except EvaluationAborted:
        raise CannotGoOn("the trigger's mapping takes longer than a second") from None
