"""The two sides of a comparison, reduced to what a decision needs: values without documents.

The wanted side is `wfsync.bundle.load.Desired`; the live side is `Live`. Both are small, so that tens of thousands fit
where their documents would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from wfsync.bundle.references import Call

__all__ = ["Live", "LiveState", "live_state"]


class Live(Struct, frozen=True, gc=False):
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
    others: tuple[Live, ...] = ()
    """Rows that no file can mean, because their key is NULL, invalid or not theirs alone. Nothing is written to them
    but new ids of workflows that they call."""

    def rows(self) -> Iterator[Live]:
        """Every row."""
        yield from self.by_key.values()
        yield from self.others


def live_state(rows: Iterable[Live], keyless: Iterable[Live], keys_by_id: Mapping[str, str]) -> LiveState:
    """Sort ``rows`` (all with sound keys) by key, setting aside those whose key is not theirs alone."""
    by_key: dict[str, Live] = {}
    ambiguous: dict[str, list[Live]] = {}
    for row in rows:
        if row.key in ambiguous:
            ambiguous[row.key].append(row)
        elif row.key in by_key:
            ambiguous[row.key] = [by_key.pop(row.key), row]
        else:
            by_key[row.key] = row
    ids = {key: tuple(sorted(row.workflow_id for row in several)) for key, several in ambiguous.items()}
    others = (*keyless, *(row for several in ambiguous.values() for row in several))
    return LiveState(by_key, ids, keys_by_id, others)
