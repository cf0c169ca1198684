"""Documents as the server's own bytes: jsonb is parsed by whoever needs it, not by the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.adapt import Loader
from psycopg.pq import Format

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer

__all__ = ["raw_json"]


class _RawJson(Loader):
    """json and jsonb in text format: the server's bytes, not parsed."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class _RawJsonbBinary(Loader):
    """jsonb in binary format: a version byte, then the text."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)[1:]


class _RawJsonBinary(_RawJson):
    format = Format.BINARY


def raw_json(context: AdaptContext) -> None:
    """Make ``context`` (a connection or a cursor) return json and jsonb values as the server's bytes."""
    context.adapters.register_loader("json", _RawJson)
    context.adapters.register_loader("json", _RawJsonBinary)
    context.adapters.register_loader("jsonb", _RawJson)
    context.adapters.register_loader("jsonb", _RawJsonbBinary)
