"""The two sides of a comparison, reduced to what a decision needs: values without documents.

The wanted side is `wfsync.bundle.load.Desired`; the live side is `Live`. Both are small, so that tens of thousands fit
where their documents would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wfsync.bundle.references import Call

__all__ = ["Live", "LiveState", "live_state"]


@dataclass(frozen=True, slots=True)
class Live:
    """One workflow as the database holds it."""

    key: str
    workflow_id: str
    digest: str
    """Of the portable form: references as keys."""
    calls: tuple[Call, ...]
    """With targets as they are stored: ids."""
    versions: tuple[int, ...]
    updated_at: str | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """The database's workflows of one tenant, at one moment."""

    by_key: Mapping[str, Live] = field(default_factory=dict)
    """One row a key; a key with several rows is in ``ambiguous`` and not here."""
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys with more than one row, and the rows' ids."""
    keys_by_id: Mapping[str, str] = field(default_factory=dict)
    """Every sound key, also the ambiguous ones, by ``workflow_id``."""
    keyless: tuple[Live, ...] = ()
    """Rows with a NULL or invalid key: never touched, but their calls may need relinking."""


def live_state(rows: Iterable[Live], keyless: Iterable[Live], keys_by_id: Mapping[str, str]) -> LiveState:
    """Sort ``rows`` (all with sound keys) by key, setting aside those whose key is not theirs alone."""
    by_key: dict[str, Live] = {}
    ambiguous: dict[str, list[str]] = {}
    for row in rows:
        if row.key in ambiguous:
            ambiguous[row.key].append(row.workflow_id)
        elif row.key in by_key:
            ambiguous[row.key] = [by_key.pop(row.key).workflow_id, row.workflow_id]
        else:
            by_key[row.key] = row
    return LiveState(by_key, {k: tuple(sorted(ids)) for k, ids in ambiguous.items()}, keys_by_id, tuple(keyless))
