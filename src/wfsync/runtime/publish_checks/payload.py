"""``UNKNOWN_PAYLOAD_SCHEMA_REF`` and ``TRIGGER_MAPPING_*``: what a run starts with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wfsync.bundle.model import Json
from wfsync.runtime.publish_checks.conformity import certain_faults
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.nodes import place_text
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean
from wfsync.runtime.publish_checks.triggers import triggers_of

__all__ = ["check_payload_refs", "check_trigger_mapping"]


def check_payload_refs(subject: Subject) -> Iterator[Finding]:
    """References to payload schemas that nobody has. Where no schema at all is registered, nobody told: no fault."""
    if not subject.registry.schemas:
        return
    seen: set[str] = set()
    ref = subject.definition.get("payloadSchemaRef")
    yield from _unknown(subject, ref, seen, ("payloadSchemaRef",), "definition")
    for name in ("payloadSchemaRef", "pinnedPayloadSchemaRef"):
        yield from _unknown(subject, subject.metadata.get(name), seen, (name,), "metadata")
    for document, trigger in triggers_of(subject):
        if trigger.get("type") == "event":
            source = trigger.get("sourcePayloadSchemaRef")
            yield from _unknown(subject, source, seen, ("trigger", "sourcePayloadSchemaRef"), document)


def _unknown(subject: Subject, ref: Json, seen: set[str], path: tuple[str, ...], document: str) -> Iterator[Finding]:
    if not isinstance(ref, str) or not ref or ref in seen or ref in subject.registry.schemas:
        return
    seen.add(ref)
    found = finding_at(
        subject.definition,
        path,
        "UNKNOWN_PAYLOAD_SCHEMA_REF",
        f"{place_text(path)}: there is no payload schema {ref!r}",
        did_you_mean(ref, subject.registry.schemas),
    )
    yield found if document == "definition" else replace(found, document="metadata")


def check_trigger_mapping(subject: Subject) -> Iterator[Finding]:
    """An event whose payload is another thing than the workflow's must be mapped, to all that the schema requires."""
    for document, trigger in triggers_of(subject):
        if trigger.get("type") != "event":
            continue
        source, mapping = trigger.get("sourcePayloadSchemaRef"), trigger.get("payloadMapping")
        wanted = subject.definition.get("payloadSchemaRef")
        findings: list[Finding] = []
        if mapping is None:
            if isinstance(source, str) and source and isinstance(wanted, str) and source != wanted:
                message = f"the event brings {source}, the workflow takes {wanted}, and nothing maps one to the other"
                hint = "add a payloadMapping with what the workflow needs"
                found = finding_at(subject.definition, ("trigger",), "TRIGGER_MAPPING_REQUIRED", message, hint)
                findings.append(found)
        elif isinstance(mapping, dict) and subject.payload_schema is not None:
            findings.extend(_lacking(subject, mapping))
        yield from findings if document == "definition" else (replace(f, document="metadata") for f in findings)


def _lacking(subject: Subject, mapping: Json) -> Iterator[Finding]:
    assert subject.payload_schema is not None  # noqa: S101 - asked by the caller
    for located in certain_faults(subject.payload_schema, mapping):
        path = ("trigger", "payloadMapping", *located.fault.path)
        if located.missing is not None:
            name = place_text((*located.fault.path, located.missing))
            yield finding_at(
                subject.definition,
                path,
                "TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS",
                f"{subject.definition.get('payloadSchemaRef')} requires {name}, which payloadMapping does not give",
                f'add "{located.missing}" to {place_text(path[1:])}',
            )
