"""Whose a field of the metadata is: git's, or the database's (spec: cli.md "wfsync.yaml", ``fields``).

A field that the database owns, and one that git sets once (*create only*), are written when a workflow is created and
then left alone: no difference, never overwritten, whichever way the rest is overwritten. Both are digested as null on
both sides, so that nothing they hold can matter. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from wfsync.bundle import fingerprint
from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.model import METADATA_FIELDS, Json, Workflow

__all__ = ["GIT_OWNS_ALL", "NAMED_DEFAULT", "PREFIX", "Policies", "field_names"]

PREFIX: Final = "metadata."
"""How a setting names a field: ``metadata.isPaused``."""
NAMED_DEFAULT: Final = ("metadata.isPaused",)
"""What a named database owns unless ``fields.database`` says otherwise: a sync must not un-pause what was stopped."""

_DEPENDED_ON: Final = frozenset({"payloadSchemaRef", "pinnedPayloadSchemaRef", "trigger"})
"""Fields from which dependencies are derived."""


def field_names() -> tuple[str, ...]:
    """Every field that a policy may be about, as settings name it."""
    return tuple(PREFIX + field.name for field in METADATA_FIELDS)


@dataclass(frozen=True, slots=True)
class Policies:
    """Fields of the metadata, by their names in a file, that are not git's after the creation; sorted."""

    database: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()

    @classmethod
    def of(cls, database: Iterable[str], create_only: Iterable[str]) -> Policies:
        """From the names that settings use (``metadata.isPaused``); of a field in both lists the database is owner."""
        owned = {name.removeprefix(PREFIX) for name in database}
        once = {name.removeprefix(PREFIX) for name in create_only} - owned
        return cls(tuple(sorted(owned)), tuple(sorted(once)))

    @property
    def kept(self) -> frozenset[str]:
        """The fields that an existing row keeps."""
        return frozenset((*self.database, *self.create_only))

    def neutral(self, workflow: Workflow) -> Workflow:
        """``workflow`` with every kept field null: what is left can differ; itself when no field is kept."""
        kept = self.kept
        if not kept:
            return workflow
        return replace(workflow, metadata={**workflow.metadata, **dict.fromkeys(kept)})

    def keep(self, metadata: Mapping[str, Json], existing: Mapping[str, Json]) -> Mapping[str, Json]:
        """``metadata`` with the kept fields of ``existing``, as far as that has them."""
        kept = {name: existing[name] for name in self.kept if name in existing}
        return {**metadata, **kept} if kept else metadata

    def digest(self, workflow: Workflow, dependencies: Dependencies | None = None) -> str:
        """The digest of what may differ. ``dependencies`` are those of ``workflow``, for callers that have them."""
        kept = self.kept
        if not kept:
            return fingerprint.digest(workflow, dependencies)
        return fingerprint.digest(self.neutral(workflow), None if kept & _DEPENDED_ON else dependencies)

    def fingerprint(self, overlay: Mapping[str, Any] | None = None) -> str:
        """SHA-256 (hex) of what decides how digests are made: which fields are neutral, and one key's overlay.

        Digests that were made under different fingerprints say nothing about each other. What a field's owner is
        called makes no difference, so it is not in it. ``overlay`` is what `wfsync.bundle.overlay.Overlay.of` gives.
        """
        text = json.dumps(["wfsync policies 1", sorted(self.kept), dict(overlay or {})], sort_keys=True, default=str)
        return sha256(text.encode()).hexdigest()


GIT_OWNS_ALL: Final = Policies()
"""No field is anybody else's."""
