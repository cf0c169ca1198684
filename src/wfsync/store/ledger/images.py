"""Before-images: the rows of a workflow as they were, every column of them, also those that wfsync does not know.

The server writes a row as JSON (``to_json``, which fails for no value and keeps numbers as they are: digits, scale);
compressed, it goes back into the ledger. What is a text in it that is none in the table (times, uuid, bytea, ranges) is
what ``json_populate_record`` reads. A jsonb column that holds JSON's null reads as null, as one that is NULL does.
"""
# ruff: noqa: S608 - names come quoted from the catalog, values are parameters

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.raw_json import raw_json
from wfsync.store.scope import Scope

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["expand", "read_images"]

_LEVEL: Final = 3
_ROWS_AT_ONCE: Final = 20
_CURSOR: Final = "wfsync_images"


def read_images(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, ids: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """``(workflow_id, compressed image)`` of each definition of ``ids`` that exists, in no promised order.

    For a write transaction that holds the rows' locks. A cursor of the server holds the rows: the client has some of
    them at a time, and may use the connection between two items. Driver errors pass through.
    """
    definitions, versions = layout.require_writable()
    scope = Scope.of(layout, tenant)
    statement = (
        "SELECT i.id, i.row FROM ("
        f" SELECT d.workflow_id::text AS id, 0::bigint AS version, to_json(d.*) AS row"
        f" FROM {definitions.qualified} d WHERE {scope.where('d')} AND {scope.ids(definitions, 'd')}"
        f" UNION ALL SELECT v.workflow_id::text, coalesce(v.version, 0)::bigint + 1, to_json(v.*)"
        f" FROM {versions.qualified} v WHERE {scope.where('v')} AND {scope.ids(versions, 'v')}"
        ") i ORDER BY i.id, i.version"
    )
    with conn.cursor(_CURSOR) as cursor:
        raw_json(cursor)
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(statement, scope.params(ids=list(ids)))
        for workflow_id, rows in groupby(cursor, itemgetter(0)):
            yield workflow_id, _compressed(row for _, row in rows)


def _compressed(rows: Iterator[bytes]) -> bytes:
    """``{"definition": row, "versions": [row]}``; the definition comes first."""
    deflate = zlib.compressobj(_LEVEL)
    parts = [deflate.compress(b'{"definition":'), deflate.compress(next(rows)), deflate.compress(b',"versions":[')]
    for position, row in enumerate(rows):
        if position:
            parts.append(deflate.compress(b","))
        parts.append(deflate.compress(row))
    parts += [deflate.compress(b"]}"), deflate.flush()]
    return b"".join(parts)


def expand(image: bytes) -> bytes:
    """The JSON text of an image: ``{"definition": {column: value}, "versions": [{column: value}]}``."""
    return zlib.decompress(image)
