"""What a rollback gives back beside content: ids that workflows had, and columns that no file holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from wfsync.errors import Problem
from wfsync.plan.change import Change
from wfsync.plan.model import Overwrite
from wfsync.plan.state import LiveState
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.restore import Lost, restore
from wfsync.store.row_images import RowImage

__all__ = ["Restoring"]


@dataclass(frozen=True, slots=True)
class Restoring:
    """The workflows of one rollback as they were."""

    ids: Mapping[str, str]
    """Key → the id that it had, where no row has it now."""
    images: Mapping[str, RowImage] = field(repr=False)
    """By key."""
    lost: Collection[str]
    """Keys whose rows the apply deleted, or replaced by others."""

    def restore(
        self,
        conn: Connection,
        layout: InstanceLayout,
        tenant: Tenant | None,
        changes: Collection[Change],
        overwrite: Overwrite,
        live: LiveState,
        ids: Mapping[str, str],
    ) -> tuple[Problem, ...]:
        """Write what the images of ``changes`` have beside content, in the apply's transaction, once content is there.

        Columns of rows that were never lost stay what they are: nothing of ours has changed them. Only the result of
        their validation comes back, with the content that it is about. Warnings: what could not be given back.
        """
        return restore(conn, layout, tenant, self._lost(changes, overwrite, live, ids))

    def _lost(
        self, changes: Collection[Change], overwrite: Overwrite, live: LiveState, ids: Mapping[str, str]
    ) -> Iterator[Lost]:
        for change in changes:
            image = self.images.get(change.key)
            if image is None or change.action not in ("create", "overwrite"):
                continue
            is_new = change.action == "create" or overwrite == "replace" or change.key in self.lost
            there = () if is_new or change.key not in live.by_key else live.by_key[change.key].versions
            versions = {number: columns for number, columns in image.versions.items() if number not in there}
            yield Lost(change.key, ids[change.key], image.definition, versions, is_new)
