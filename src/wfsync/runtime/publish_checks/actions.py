"""``UNKNOWN_ACTION`` and ``MISSING_REQUIRED_MAPPING``: what steps call, and what they give it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.references import CALL_STEP
from wfsync.bundle.source_map import Path
from wfsync.runtime.publish_checks.conformity import certain_faults
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.nodes import place_text
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean

__all__ = ["check_actions", "check_calls"]


def check_actions(subject: Subject) -> Iterator[Finding]:
    """``action.call`` steps: the action must be there in that version, and get what its input schema requires."""
    for path, step in subject.steps:
        config = step.get("config")
        if step.get("type") != "action.call" or not isinstance(config, dict):
            continue
        action, version = config.get("actionId"), config.get("version")
        if not isinstance(action, str) or not action:
            continue  # what the schema of the node type says
        known = subject.registry.actions.get((action, version)) if type(version) is int else None
        if known is not None:
            if known.input_schema is not None:
                what = f"action {action} {version}"
                yield from _input(subject, known.input_schema, config, (*path, "config"), what)
            continue
        versions = subject.registry.versions(action)
        if not versions:
            names = {name for name, _ in subject.registry.actions}
            yield finding_at(
                subject.definition,
                (*path, "config", "actionId"),
                "UNKNOWN_ACTION",
                f"there is no action {action!r}",
                did_you_mean(action, names) or "install the plugin that has it, or declare it in registry.yaml",
            )
        elif type(version) is int:
            yield finding_at(
                subject.definition,
                (*path, "config", "version"),
                "UNKNOWN_ACTION",
                f"action {action} has no version {version}",
                f"it has {_versions(versions)}",
            )


def check_calls(subject: Subject) -> Iterator[Finding]:
    """``control.callWorkflow`` steps: the version must be there, and get what its payload schema requires."""
    if subject.callees is None:
        return
    for path, step in subject.steps:
        key, version = step.get("workflowId"), step.get("workflowVersion")
        if step.get("type") != CALL_STEP or not isinstance(key, str) or type(version) is not int:
            continue
        versions = subject.callees(key)
        if versions is None:
            continue  # perhaps in the database: a plan looks there
        if version not in versions:
            yield finding_at(
                subject.definition,
                (*path, "workflowVersion"),
                "MISSING_REFERENCE",
                f"workflow {key} has no published version {version}",
                f"it has {_versions(sorted(versions))}" if versions else "publish it first",
            )
        elif (schema := versions[version]) is not None:
            yield from _input(subject, schema, step, path, f"workflow {key} version {version}")


def _input(subject: Subject, schema: Schema, holder: JsonObject, path: Path, what: str) -> Iterator[Finding]:
    """Faults of the ``inputMapping`` of ``holder`` (at ``path``)."""
    mapping: Json = holder.get("inputMapping")
    if mapping is None:
        mapping = {}
    if not isinstance(mapping, dict):
        return
    for located in certain_faults(schema, mapping):
        at = (*path, "inputMapping", *located.fault.path)
        if located.missing is not None:
            name = place_text((*located.fault.path, located.missing))
            yield finding_at(
                subject.definition,
                at,
                "MISSING_REQUIRED_MAPPING",
                f"{what} requires {name}, which inputMapping does not give",
                f'add "{located.missing}" to {place_text(("inputMapping", *located.fault.path))}',
            )
        else:
            yield finding_at(
                subject.definition,
                at,
                "INVALID_CONFIG",
                f"{place_text(('inputMapping', *located.fault.path))}: {located.fault.message}",
            )


def _versions(versions: Sequence[int]) -> str:
    if len(versions) == 1:
        return f"version {versions[0]}"
    return f"the versions {', '.join(map(str, versions[:-1]))} and {versions[-1]}"
