"""Which server and which database this is: what tells a copy, a restore or a namesake from the one that was meant.

The system identifier is made once, when a cluster is; a physical copy shares it until it is made anew, a dump that is
restored elsewhere does not. ``pg_control_system()`` may be forbidden (some managed services); then the oid of the
database remains, which two servers may share: what depends on it says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from wfsync.store.faults import translate
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["DatabaseIdentity", "read_identity"]

_FORBIDDEN: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.FeatureNotSupported,
)


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """One database of one cluster."""

    system: str | None
    """The cluster's system identifier; None where this role may not ask for it."""
    oid: int

    def derived_key(self) -> bytes | None:
        """A key that only who knows the identity can make; None where the system identifier is unknown.

        An identifier has some fifty bits that cannot be guessed, so each guess is made expensive (scrypt, 16 MB and
        50 ms): good enough until there is a ledger with a random key.
        """
        if self.system is None:
            return None
        identity = f"{self.system}/{self.oid}".encode()
        return hashlib.scrypt(identity, salt=b"wfsync identity key 1", n=2**14, r=8, p=1, dklen=32)


def read_identity(conn: Connection) -> DatabaseIdentity:
    """Ask the server who it is. Outside of any transaction: being refused would end one."""
    with translate(target_of(conn), "asking which database this is"):
        row = conn.execute(
            "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
        ).fetchone()
        assert row is not None  # noqa: S101 - this database is in its own catalog
        try:
            system = conn.execute("SELECT system_identifier::text FROM pg_catalog.pg_control_system()").fetchone()
        except _FORBIDDEN:
            system = None
    return DatabaseIdentity(None if system is None else system[0], int(row[0]))
