"""What is checked, and against what: one value that every check is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.steps import Walked, walk
from wfsync.runtime.registry import Registry

__all__ = ["Callees", "Subject", "did_you_mean"]

Callees = Callable[[str], Mapping[int, Schema | None] | None]
"""Key → the published versions of that workflow, with their payload schemas; None: nobody here knows it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A definition that is to be published, and what there is around it."""

    definition: JsonObject
    metadata: Mapping[str, Json]
    registry: Registry
    secrets: Collection[str] | None
    """Names of the secrets that there are; None: nobody knows."""
    callees: Callees | None
    steps: Walked

    @classmethod
    def of(
        cls,
        definition: JsonObject,
        metadata: Mapping[str, Json],
        registry: Registry,
        secrets: Collection[str] | None,
        callees: Callees | Mapping[str, Mapping[int, Schema | None]] | None,
    ) -> Subject:
        """With its steps walked once."""
        find = callees.get if isinstance(callees, Mapping) else callees
        return cls(definition, metadata, registry, secrets, find, walk(definition))

    @property
    def payload_schema(self) -> Schema | None:
        """The schema of the workflow's payload; None when it is not known."""
        ref = self.definition.get("payloadSchemaRef")
        known = self.registry.schemas.get(ref) if isinstance(ref, str) else None
        return None if known is None else known.schema


def did_you_mean(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """A suggestion that names what is nearest to ``name``; None when nothing is as near as ``cutoff`` says."""
    folded = {candidate.lower(): candidate for candidate in sorted(known)}
    close = get_close_matches(name.lower(), folded, n=1, cutoff=cutoff)
    return f'did you mean "{folded[close[0]]}"?' if close else None
