"""Whose a field of the metadata is: git's, or the database's (spec: cli.md "wfsync.yaml", ``fields``).

A field that the database owns, and one that git sets once (*create only*), are written when a workflow is created and
then left alone: no difference, never overwritten, whichever way the rest is overwritten. Both are digested as null on
both sides, so that nothing they hold can matter. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from itertools import combinations
from typing import Final

from wfsync.bundle import fingerprint
from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.model import METADATA_FIELDS, Json, Workflow
from wfsync.bundle.overlay import NO_OVERLAY, Overlay, merge, subtract

__all__ = ["GIT_OWNS_ALL", "NAMED_DEFAULT", "PREFIX", "Policies", "field_names", "has_overlay"]

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
    """What a target holds apart from what files say: fields that are not git's once a workflow exists, by their names
    in a file, sorted; and the overlay of its environment.
    """

    database: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()
    overlay: Overlay = NO_OVERLAY

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

    def lay(self, workflow: Workflow) -> Workflow:
        """``workflow`` as this target is to hold it: with the overlay; itself when that says nothing of it."""
        over = self.overlay.of(workflow.key) if self.overlay else None
        return replace(workflow, metadata=merge(dict(workflow.metadata), over)) if over else workflow

    def keep(self, metadata: Mapping[str, Json], existing: Mapping[str, Json]) -> Mapping[str, Json]:
        """``metadata`` with the kept fields of ``existing``, as far as that has them."""
        kept = {name: existing[name] for name in self.kept if name in existing}
        return {**metadata, **kept} if kept else metadata

    def take_out(self, stored: Workflow, base: Workflow) -> tuple[Workflow, tuple[str, ...]]:
        """What the file of ``base`` should say for a target that holds ``stored``: its own values of the fields that
        are not git's and of all that an overlay lies on; and the overlaid fields, by path, whose values in the target
        are not the overlay's any more.
        """
        metadata = self.keep(stored.metadata, self.lay(base).metadata)
        over = self.overlay.of(stored.key) if self.overlay else {}
        taken, moved = subtract(dict(metadata), over, dict(base.metadata))
        return replace(stored, metadata=taken), moved

    def digest(self, workflow: Workflow, dependencies: Dependencies | None = None) -> str:
        """The digest of what may differ: kept fields are null. The same for a row's workflow and for a file's, once the
        overlay lies on it. ``dependencies`` are those of ``workflow``, for callers that have them.
        """
        kept = self.kept
        if not kept:
            return fingerprint.digest(workflow, dependencies)
        neutral = replace(workflow, metadata={**workflow.metadata, **dict.fromkeys(kept)})
        return fingerprint.digest(neutral, None if kept & _DEPENDED_ON else dependencies)

    def initial(self, workflow: Workflow) -> str:
        """What stands for the values that the kept fields of ``workflow`` begin with (see `fingerprint.of_creation`):
        its digest says nothing of them, and who creates it writes them. ``""`` where no field is kept.
        """
        kept = self.kept
        if not kept:
            return ""
        return sha256(compact_bytes({name: workflow.metadata.get(name) for name in sorted(kept)})).hexdigest()

    def fingerprint(self, key: str) -> str:
        """SHA-256 (hex) of what decides how the digests of ``key`` are made: which fields are null, and its overlay.

        Digests that were made under different fingerprints say nothing about each other. Whose a field is called makes
        no difference, so it is not in it.
        """
        parts = ["wfsync policies 1", sorted(self.kept), self.overlay.of(key) if self.overlay else {}]
        return sha256(compact_bytes(parts)).hexdigest()

    def fingerprints(self) -> Callable[[str], str]:
        """`fingerprint`, made once for all keys where they have the same."""
        if self.overlay:
            return self.fingerprint
        same = self.fingerprint("")
        return lambda _key: same


def has_overlay(fingerprint: str) -> bool:
    """Whether an overlay is in a `Policies.fingerprint` of some key, whatever fields are kept under it."""
    return fingerprint not in _without_overlay()


@cache
def _without_overlay() -> frozenset[str]:
    # A hash does not say what is in it; but there are only some ten thousand sets of fields, so all of them are tried
    names = [field.name for field in METADATA_FIELDS]
    sets = (kept for size in range(len(names) + 1) for kept in combinations(names, size))
    return frozenset(Policies(database=kept).fingerprint("") for kept in sets)


GIT_OWNS_ALL: Final = Policies()
"""No field is anybody else's, and there is no overlay."""
