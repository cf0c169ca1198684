"""Draft → version: pure.

Decisions where the specification is silent:

* A version gets the number after the newest one; its definition is the draft's, with that number as ``version``.
* The draft stays as it is, but its numbers never lag behind: where ``draftVersion`` is below the new version, it and
  the ``version`` in the draft's definition become that number. A draft that equals the newest version thus has its
  number, as in files that instances export.
* The payload schema that is kept with a version is what the registry says of the draft's ``payloadSchemaRef``. Where it
  knows no schema, the one that the newest version of the same reference kept is kept again: a reference names one
  schema.
* A draft that equals the newest version, apart from ``version``, is nothing to publish.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wfsync.bundle.canonical import canonical_bytes, compact_bytes
from wfsync.bundle.json_schema import Schema
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.model import JsonObject, PublishedVersion, Workflow
from wfsync.bundle.rules.versions import INT32_MAX
from wfsync.bundle.structure import bundle_tree
from wfsync.errors import InputError
from wfsync.runtime.registry import Registry

__all__ = ["is_published", "kept_schema", "require_portable", "with_kept_schema", "with_version"]


def is_published(workflow: Workflow) -> bool:
    """Whether the newest version says what the draft says."""
    if not workflow.versions:
        return False
    return _content(workflow.draft) == _content(workflow.versions[-1].definition)


def with_version(workflow: Workflow, registry: Registry) -> Workflow:
    """``workflow`` with its draft as one version more. Raises `InputError` when no number is left."""
    number = workflow.versions[-1].version + 1 if workflow.versions else 1
    if number > INT32_MAX:
        raise InputError(
            f"{workflow.key} has a version {INT32_MAX} already, and no database holds a larger number",
            code="INVALID_VALUE",
            hint="give its last version another number",
        )
    schema = kept_schema(workflow, registry)
    version = PublishedVersion(
        number, {**workflow.draft, "version": number}, schema if isinstance(schema, dict) else None
    )
    workflow = replace(workflow, versions=(*workflow.versions, version))
    if workflow.draft_version >= number:
        return workflow
    return replace(workflow, draft_version=number, draft={**workflow.draft, "version": number})


def require_portable(after: Workflow) -> None:
    """Raise `InputError` when no file could hold ``after``: with one version more it may be too large, or too deep."""
    text = canonical_bytes(bundle_tree([after], _ANY_MOMENT))
    problems = load(text, "json", after.key, LoadOptions(definitions="warn", digests=False)).problems
    errors = [problem for problem in problems if problem.is_error]
    if errors:
        raise InputError(
            f"nothing was published: with one version more, no file could hold {after.key}: {errors[0].message}",
            code=errors[0].code,
            hint="remove versions that nobody calls or runs any more, or make the draft smaller",
        )


_ANY_MOMENT: Final = "2000-01-01T00:00:00.000Z"


def kept_schema(workflow: Workflow, registry: Registry) -> Schema | None:
    """The schema of the payload that the draft takes; None when nobody knows it."""
    ref = workflow.draft.get("payloadSchemaRef")
    known = registry.schemas.get(ref) if isinstance(ref, str) else None
    if known is not None and known.schema is not None:
        return known.schema
    same = (v for v in reversed(workflow.versions) if v.definition.get("payloadSchemaRef") == ref)
    return next((version.payload_schema for version in same if version.payload_schema is not None), None)


def with_kept_schema(workflow: Workflow, registry: Registry) -> Registry:
    """``registry`` with the payload schema that the draft will have, where it is known by its name only."""
    ref, schema = workflow.draft.get("payloadSchemaRef"), kept_schema(workflow, registry)
    if not isinstance(ref, str) or schema is None or ref not in registry.schemas:
        return registry
    return Registry.of(schemas=[replace(registry.schemas[ref], schema=schema)]).over(registry)


def _content(definition: JsonObject) -> bytes:
    return compact_bytes({name: value for name, value in definition.items() if name not in ("id", "version")})
