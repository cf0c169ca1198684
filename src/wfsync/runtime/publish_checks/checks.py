"""Every check, run on one definition."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.publish_checks.actions import check_actions, check_calls
from wfsync.runtime.publish_checks.assignments import check_assignments
from wfsync.runtime.publish_checks.expressions import check_expression
from wfsync.runtime.publish_checks.finding import Finding, in_order
from wfsync.runtime.publish_checks.nodes import check_nodes
from wfsync.runtime.publish_checks.payload import check_payload_refs, check_trigger_mapping
from wfsync.runtime.publish_checks.secrets import check_secret, check_unknown
from wfsync.runtime.publish_checks.structure import check_step_ids, check_structure
from wfsync.runtime.publish_checks.subject import Callees, Subject
from wfsync.runtime.publish_checks.triggers import check_schedule
from wfsync.runtime.publish_checks.values import specials_of
from wfsync.runtime.registry import Registry

__all__ = ["check"]


def check(
    definition: JsonObject,
    *,
    metadata: Mapping[str, Json],
    registry: Registry,
    secrets: Collection[str] | None = None,
    workflows: Callees | Mapping[str, Mapping[int, Schema | None]] | None = None,
) -> tuple[Finding, ...]:
    """All that keeps ``definition`` from being published, and what is worth a warning, in the document's order.

    ``metadata`` is the workflow's; ``registry`` what can be executed. ``secrets`` are the names of those that there
    are, None when nobody can tell (then none is missed). ``workflows`` gives, for a key, its published versions with
    their payload schemas, and None for a key that nobody knows. Never raises for a bad definition; needs the
    libraries of ``wfsync[runtime]``.
    """
    return in_order(_findings(Subject.of(definition, metadata, registry, secrets, workflows)))


def _findings(subject: Subject) -> Iterator[Finding]:
    yield from check_structure(subject)
    yield from check_step_ids(subject)
    yield from check_payload_refs(subject)
    yield from check_trigger_mapping(subject)
    yield from check_schedule(subject)
    yield from check_nodes(subject)
    yield from check_actions(subject)
    yield from check_calls(subject)
    yield from check_assignments(subject)
    for special in specials_of(subject):
        match special.kind:
            case "expression":
                yield from check_expression(subject, special)
            case "secret":
                yield from check_secret(subject, special)
            case "unknown":
                yield from check_unknown(subject, special)
