"""A before-image read again: the rows of one workflow as JSON → what `mapping` makes a portable workflow of. Pure.

An image has the columns that the tables had then, `layout` says which they have now: a column that has gone is left
out, one that has come since is what a reader takes for a missing one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from wfsync.bundle.model import METADATA_FIELDS, ColumnKind
from wfsync.store.reader import DEFAULTS, StoredVersion, StoredWorkflow

__all__ = ["RowImage", "read_image"]

_NULL: Final = b"null"
Columns = Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class RowImage:
    """The rows of one workflow as they were."""

    stored: StoredWorkflow
    """As a reader would have read them; without times."""
    definition: Columns
    """Every column of the definition's row, as JSON text."""
    versions: Mapping[int, Columns]
    """Of every published version's row, by its number."""


class _Image(msgspec.Struct):
    definition: dict[str, msgspec.Raw]
    versions: list[dict[str, msgspec.Raw]]


_decode = msgspec.json.Decoder(_Image).decode


def read_image(text: bytes, key: str) -> RowImage:
    """The rows of the workflow ``key``: ``text`` as `wfsync.store.ledger.images.expand` gives it.

    Raises `ValueError` when it is no image: it was damaged, or written by somebody else.
    """
    image = _decode(text)
    row = image.definition
    published = {number: version for version in image.versions if (number := _scalar(version, "version")) is not None}
    versions = [
        StoredVersion(
            str(_scalar(version, "version_id") or ""),
            _integer(version, "version"),
            _document(version, "definition_json") or _NULL,
            _document(version, "payload_schema_json"),
            None,
        )
        for version in image.versions
    ]
    if _scalar(row, "key") != key:
        raise ValueError("it is not one of this workflow")
    metadata = {
        field.name: _value(row, field.column, field.kind) if field.column in row else DEFAULTS.get(field.name)
        for field in METADATA_FIELDS
    }
    stored = StoredWorkflow(
        str(_scalar(row, "workflow_id") or ""),
        key,
        metadata,
        _scalar(row, "draft_version"),
        _document(row, "draft_definition") or _NULL,
        str(_scalar(row, "status") or ""),
        None,
        None,
        tuple(sorted(versions, key=lambda version: version.version)),
    )
    return RowImage(stored, row, published)


def _scalar(row: Columns, column: str) -> Any:
    return msgspec.json.decode(row[column]) if column in row else None


def _integer(row: Columns, column: str) -> int:
    value = _scalar(row, column)
    return value if isinstance(value, int) else 0  # as a reader takes a NULL


def _document(row: Columns, column: str) -> bytes | None:
    """A document's text; None for NULL. A column of text holds it as a text."""
    data = bytes(row[column]) if column in row else _NULL
    if data.startswith(b'"'):
        data = str(msgspec.json.decode(data)).encode()
    return None if data == _NULL else data


def _value(row: Columns, column: str, kind: ColumnKind) -> Any:
    match kind:
        case "jsonb":
            return _document(row, column)
        case "numeric":
            text = bytes(row[column]).decode().strip('"')
            try:
                return None if text == "null" else Decimal(text)
            except InvalidOperation:
                raise ValueError(f"{column} is no number") from None
        case _:
            return _scalar(row, column)
