"""``workflow_secrets``: rows of secrets as they are stored, encrypted. Nothing here can read one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from wfsync.store.faults import translate
from wfsync.store.instance import quoted
from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection, target_of

__all__ = ["Sealed", "StoredSecret", "listed", "lock_all", "put", "remove", "sealed"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """One encrypted value, and which key opens it."""

    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What may be shown of a stored secret."""

    name: str
    key_id: str
    created_at: datetime
    updated_at: datetime


def listed(conn: Connection, place: Place) -> tuple[StoredSecret, ...]:
    """Every secret of the tenant, by name."""
    with translate(target_of(conn), "reading the secrets"):
        rows = conn.execute(
            f"SELECT name, key_id, created_at, updated_at FROM {_table(place)} WHERE tenant = %s ORDER BY name",  # noqa: S608 - quoted
            [place.tenant],
        ).fetchall()
    return tuple(StoredSecret(*row) for row in rows)


def sealed(conn: Connection, place: Place, names: Collection[str]) -> dict[str, Sealed]:
    """Those of ``names`` that are stored."""
    return _sealed(conn, place, "AND name = ANY (%s)", [list(names)]) if names else {}


def lock_all(conn: Connection, place: Place) -> dict[str, Sealed]:
    """Every secret of the tenant; nobody else changes them before the transaction ends."""
    return _sealed(conn, place, "ORDER BY name FOR UPDATE", [])


def _sealed(conn: Connection, place: Place, which: str, params: list[object]) -> dict[str, Sealed]:
    with translate(target_of(conn), "reading the secrets"):
        rows = conn.execute(
            f"SELECT name, key_id, nonce, ciphertext FROM {_table(place)} WHERE tenant = %s {which}",  # noqa: S608 - as above
            [place.tenant, *params],
        ).fetchall()
    return {name: Sealed(key_id, bytes(nonce), bytes(ciphertext)) for name, key_id, nonce, ciphertext in rows}


def put(conn: Connection, place: Place, secrets: Iterable[tuple[str, Sealed]]) -> None:
    """Insert or replace secrets."""
    for name, value in secrets:
        conn.execute(
            f"INSERT INTO {_table(place)} AS old (tenant, name, key_id, nonce, ciphertext) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608 - as above
            " ON CONFLICT (tenant, name) DO UPDATE SET key_id = excluded.key_id, nonce = excluded.nonce,"
            " ciphertext = excluded.ciphertext, updated_at = pg_catalog.now()",
            [place.tenant, name, value.key_id, value.nonce, value.ciphertext],
        )


def remove(conn: Connection, place: Place, names: Collection[str]) -> frozenset[str]:
    """Delete secrets; those that were there."""
    rows = conn.execute(
        f"DELETE FROM {_table(place)} WHERE tenant = %s AND name = ANY (%s) RETURNING name",  # noqa: S608 - as above
        [place.tenant, list(names)],
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _table(place: Place) -> str:
    return f"{quoted(place.schema)}.workflow_secrets"
