"""Which types the instance's columns may have for wfsync to read and write them (`database.md`). Pure.

A column that is required must be there; any other may be missing, but where it is there it must be able to hold what
wfsync puts into it. Better a layout that is refused with the column's name than an apply that fails half-way or a
difference that no apply removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wfsync.bundle.model import METADATA_FIELDS, ColumnKind
from wfsync.store.instance import DEFINITIONS, RUNS, VERSIONS, Table, TenantColumn

__all__ = ["MAKES_IDS", "TIMES", "column_faults", "generated_faults"]

_ANY: Final = frozenset[str]()
_TEXT: Final = frozenset({"text", "character varying", "bpchar", "citext"})
_NUMBER: Final = frozenset({"smallint", "integer", "bigint"})
_JSON: Final = frozenset({"json", "jsonb"})
_UUID: Final = frozenset({"uuid"})

TIMES: Final = frozenset({"timestamp with time zone", "timestamp without time zone", "date"}) | _TEXT
"""Types of a time that wfsync writes; a column of another type (a number of milliseconds) keeps its default."""
MAKES_IDS: Final = _UUID | _TEXT
"""Types of ``version_id`` for which wfsync makes the value; a serial or identity column makes its own."""

_REQUIRED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    DEFINITIONS: {
        "workflow_id": _UUID,
        "key": _TEXT,
        "name": _TEXT,
        "draft_definition": _JSON,
        "draft_version": _NUMBER,
    },
    VERSIONS: {"workflow_id": _UUID, "version": _NUMBER, "definition_json": _JSON},
    RUNS: {"workflow_id": _UUID, "status": _ANY},
}
"""Columns without which a row cannot be read or written, and their types."""

_OF_KIND: Final[Mapping[ColumnKind, frozenset[str]]] = {
    "text": _ANY,  # an enum is read and written as text
    "bool": frozenset({"boolean"}),
    "int": _NUMBER,
    "numeric": frozenset({"numeric", "double precision", "real"}),
    "jsonb": _JSON | _TEXT,
}
_OPTIONAL: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    DEFINITIONS: {field.column: _OF_KIND[field.kind] for field in METADATA_FIELDS},
    VERSIONS: {"payload_schema_json": _OF_KIND["jsonb"]},
}


def column_faults(table: Table, tenant: TenantColumn | None) -> list[str]:
    """Why ``table`` (one of the instance's) cannot be used: what is missing, and what has a type that does not fit."""
    required = dict(_REQUIRED.get(table.name, {}))
    if tenant is not None:
        required[tenant.name] = _TEXT if tenant.type in _TEXT else frozenset({tenant.type})
    wanted = {**_OPTIONAL.get(table.name, {}), **required}
    missing = [f"{table.name} has no column {column}" for column in required if column not in table.columns]
    wrong = [
        f"the column {column} of {table.name} is {table.columns[column]}, not {' or '.join(sorted(types))}"
        for column, types in wanted.items()
        if types and column in table.columns and table.columns[column].rpartition(".")[2] not in types
    ]
    return missing + wrong


def generated_faults(table: Table, tenant: TenantColumn | None) -> list[str]:
    """Why ``table`` can be read and not be written: the server makes up a value that wfsync must decide."""
    decided = {*_REQUIRED.get(table.name, {}), *([tenant.name] if tenant else [])}
    return [f"the column {column} of {table.name} is generated" for column in sorted(decided & table.generated)]
