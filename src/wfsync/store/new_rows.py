"""Rows that are to be written, as values: `mapping` makes them, `writer` and `rewrite` write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wfsync.bundle.model import Json

__all__ = ["NewVersion", "NewWorkflow"]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """One published version to write."""

    version: int
    definition: bytes
    """Canonical text; ``id`` is the ``workflow_id``, calls name ids."""
    payload_schema: bytes | None
    """Canonical text, or None for NULL."""


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """One workflow to write, under an id that the caller chose (so that cycles of references can be written)."""

    workflow_id: str
    key: str
    metadata: Mapping[str, Json]
    """As in `wfsync.bundle.model.Workflow`; documents may be given as canonical text in bytes."""
    draft_version: int
    draft: bytes
    """Canonical text; ``id`` is the ``workflow_id``, calls name ids."""
    versions: tuple[NewVersion, ...]
