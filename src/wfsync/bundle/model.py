"""What one workflow is, apart from any file or database: frozen values.

Documents (definitions, triggers, payload schemas) stay plain JSON trees; what wfsync reasons about has a name here.
The field table is the one place that relates a bundle's metadata names to the columns of ``workflow_definitions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int (any integral number, exact), float (never integral; near zero a `SmallNumber`), str,
list, or dict with str keys."""

JsonObject: TypeAlias = dict[str, Any]

FORMAT: Final = "alga-psa.workflow-bundle"
FORMAT_VERSION: Final = 1
MAX_KEY_LENGTH: Final = 200
MAX_WORKFLOW_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 200

ColumnKind = Literal["text", "bool", "int", "numeric", "jsonb"]


@dataclass(frozen=True, slots=True)
class MetadataField:
    """One field of ``metadata``: its name in a file, its column in ``workflow_definitions``, its kind."""

    name: str
    column: str
    kind: ColumnKind


METADATA_FIELDS: Final[tuple[MetadataField, ...]] = (
    MetadataField("name", "name", "text"),
    MetadataField("description", "description", "text"),
    MetadataField("payloadSchemaRef", "payload_schema_ref", "text"),
    MetadataField("payloadSchemaMode", "payload_schema_mode", "text"),
    MetadataField("pinnedPayloadSchemaRef", "pinned_payload_schema_ref", "text"),
    MetadataField("trigger", "trigger", "jsonb"),
    MetadataField("isSystem", "is_system", "bool"),
    MetadataField("isVisible", "is_visible", "bool"),
    MetadataField("isPaused", "is_paused", "bool"),
    MetadataField("concurrencyLimit", "concurrency_limit", "int"),
    MetadataField("autoPauseOnFailure", "auto_pause_on_failure", "bool"),
    MetadataField("failureRateThreshold", "failure_rate_threshold", "numeric"),
    MetadataField("failureRateMinRuns", "failure_rate_min_runs", "int"),
    MetadataField("retentionPolicyOverride", "retention_policy_override", "jsonb"),
)


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One immutable published version."""

    version: int
    definition: JsonObject
    payload_schema: JsonObject | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow in portable form: references are keys, ``definition.id`` is absent from every definition.

    ``metadata`` has exactly the names of `METADATA_FIELDS`, values normalised (threshold a number, mode never null).
    ``versions`` are in ascending order of their number. Dependencies are not stored: they are derived
    (`wfsync.bundle.dependencies`).
    """

    key: str
    metadata: Mapping[str, Json]
    draft_version: int
    draft: JsonObject
    versions: tuple[PublishedVersion, ...]

    def definitions(self) -> tuple[JsonObject, ...]:
        """The draft's definition, then each published one, in order of version."""
        return (self.draft, *(v.definition for v in self.versions))
