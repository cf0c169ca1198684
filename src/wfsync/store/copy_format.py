"""Rows in PostgreSQL's COPY formats: binary where every column has the type that `database.md` gives it, else text.

Binary COPY saves the server the unescaping and the client the escaping of every document (about 8 % of an insert); text
lets the server convert to whatever type a column really has. Values are those that `writer` collects: text, int, bool,
jsonb as canonical bytes, uuid as text, numbers of ``numeric`` as int, float or text, times as microseconds (`moment`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from psycopg.types.numeric import DecimalBinaryDumper

from wfsync.bundle.numbers import canonical_number
from wfsync.store.moment import to_datetime

__all__ = ["Column", "Kind", "RowFormat", "as_text"]

Kind: TypeAlias = Literal["uuid", "text", "int", "bool", "numeric", "jsonb", "time"]

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_INT32: Final = struct.Struct(">i").pack
_NUMERIC: Final = DecimalBinaryDumper(Decimal)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a COPY: its name, what kind of value it is given, and the type that the table says."""

    name: str
    kind: Kind
    type: str


def _sized(data: bytes) -> bytes:
    return _INT32(len(data)) + data


def _numeric(value: Any) -> bytes:
    return _sized(bytes(_NUMERIC.dump(Decimal(value if isinstance(value, str) else canonical_number(value))) or b""))


_BINARY: Final[Mapping[Kind, Callable[[Any], bytes]]] = {
    "uuid": lambda v: b"\0\0\0\x10" + bytes.fromhex(v.replace("-", "")),
    "text": lambda v: _sized(v.encode()),
    "int": partial(struct.Struct(">ii").pack, 4),
    "bool": {False: b"\0\0\0\1\0", True: b"\0\0\0\1\1"}.__getitem__,
    "numeric": _numeric,
    "jsonb": lambda v: _INT32(len(v) + 1) + b"\1" + v,
    "time": partial(struct.Struct(">iq").pack, 8),
}
"""Whole fields: the length, then the value."""

_EXPECTED: Final[Mapping[Kind, frozenset[str]]] = {
    "uuid": frozenset({"uuid"}),
    "text": frozenset({"text", "character varying"}),
    "int": frozenset({"integer"}),
    "bool": frozenset({"boolean"}),
    "numeric": frozenset({"numeric"}),
    "jsonb": frozenset({"jsonb"}),
    "time": frozenset({"timestamp with time zone"}),
}


def as_text(value: Any, kind: Kind) -> str | None:
    """``value`` as the server's input functions read it; None is NULL."""
    if value is None:
        return None
    match kind:
        case "jsonb":
            return str(value, "utf-8")
        case "bool":
            return "t" if value else "f"
        case "numeric":
            return value if isinstance(value, str) else canonical_number(value)
        case "time":
            when = to_datetime(value)
            return None if when is None else when.isoformat()
        case _:
            return str(value)


class RowFormat:
    """How rows of one table are written; the first ``len(constants)`` columns have the same value in every row."""

    def __init__(self, columns: Sequence[Column], constants: Sequence[Any]) -> None:
        """``columns`` in the order of the COPY, ``constants`` the values of the leading ones."""
        self.binary = all(c.type in _EXPECTED[c.kind] for c in columns)
        self.columns = tuple(columns)
        self.constants = tuple(constants)
        leading = list(zip(columns, constants, strict=False))
        varying = columns[len(constants) :]
        if self.binary:
            self._encoders = [_BINARY[c.kind] for c in varying]
            head = struct.pack(">h", len(columns))
            self._prefix = head + b"".join(_NULL if v is None else _BINARY[c.kind](v) for c, v in leading)
        else:
            self._kinds = [c.kind for c in varying]
            self._prefix = b"".join(_escaped(as_text(v, c.kind)) + b"\t" for c, v in leading)

    @property
    def options(self) -> str:
        """What follows ``COPY … FROM STDIN``."""
        return "(FORMAT binary)" if self.binary else "(FORMAT text)"

    @property
    def header(self) -> bytes:
        """What comes before the rows."""
        return _HEADER if self.binary else b""

    @property
    def trailer(self) -> bytes:
        """What comes after the rows."""
        return _TRAILER if self.binary else b""

    def row(self, values: Sequence[Any]) -> bytes:
        """One row; ``values`` are those of the columns after the constants, None is NULL."""
        if not self.binary:
            fields = [_escaped(as_text(v, k)) for v, k in zip(values, self._kinds, strict=True)]
            return self._prefix + b"\t".join(fields) + b"\n"
        fields = [_NULL if v is None else encode(v) for v, encode in zip(values, self._encoders, strict=True)]
        return self._prefix + b"".join(fields)


def _escaped(text: str | None) -> bytes:
    if text is None:
        return b"\\N"
    data = text.encode()
    if b"\\" in data:
        data = data.replace(b"\\", b"\\\\")
    if b"\n" in data or b"\t" in data or b"\r" in data:
        data = data.replace(b"\n", b"\\n").replace(b"\t", b"\\t").replace(b"\r", b"\\r")
    return data
