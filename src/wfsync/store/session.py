"""Opening a session on a target: what libpq is told, what it must not hear from the environment, what is pinned."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from wfsync import __version__
from wfsync.errors import DatabaseError
from wfsync.store.connect_faults import opening
from wfsync.store.faults import translate
from wfsync.store.target import PLACE_VARIABLES, Target

__all__ = ["Connection", "connect", "milliseconds", "require_version", "target_of"]

Connection: TypeAlias = psycopg.Connection[TupleRow]

MINIMUM_VERSION: Final = 14
CONNECT_TIMEOUT: Final = 10
LOCK_TIMEOUT: Final = 30.0
_LONGEST_LOCK_TIMEOUT: Final = 2**31 - 1

_PINS: Final = """
    SET TIME ZONE 'UTC';
    SET DateStyle = 'ISO, YMD';
    SET IntervalStyle = 'postgres';
    SET extra_float_digits = 1;
    SET bytea_output = 'hex';
    SET standard_conforming_strings = on;
    SET quote_all_identifiers = off;
"""
"""What a role or a database may have set otherwise and texts of values depend on; ``search_path`` stays the role's."""

_READ_ONLY_PINS: Final = _PINS + "SET default_transaction_read_only = on;"

_environment_lock = threading.Lock()

# What the driver has to say on its way down stands beside the error that says it better.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class _Session(psycopg.Connection[TupleRow]):
    """A connection that remembers its target, so that a lost COMMIT can be asked about on a new one."""

    target: Target


def connect(target: Target, *, read_only: bool = False, lock_timeout: float = LOCK_TIMEOUT) -> Connection:
    """Open a session on ``target`` in autocommit mode; transactions are explicit (`snapshot`, `write_transaction`).

    ``read_only`` makes every transaction of the session read-only. ``lock_timeout`` (seconds) bounds every wait for a
    lock, that of a reader too: a table that is being altered must not let a plan hang. Raises `DatabaseError` with a
    stable code for whatever goes wrong, `ConfigError` for a malformed target, and refuses servers older than
    PostgreSQL 14.
    """
    parameters = _parameters(target)
    with opening(target), _without(_ignored_variables(target)):
        conn = _Session.connect(make_conninfo("", **parameters), autocommit=True, prepare_threshold=None)
    conn.target = target
    try:
        require_version(conn.info.server_version)
        with translate(target, "preparing the session"):
            conn.execute(_READ_ONLY_PINS if read_only else _PINS)
            conn.execute(f"SET lock_timeout = {milliseconds(lock_timeout)}")
    except BaseException:
        conn.close()
        raise
    return conn


def milliseconds(lock_timeout: float) -> int:
    """``lock_timeout`` as the server wants it. 0 would mean to wait for ever: the shortest wait is a millisecond."""
    return min(max(round(lock_timeout * 1000), 1), _LONGEST_LOCK_TIMEOUT)


def require_version(version: int) -> None:
    """Raise `DatabaseError` (``UNSUPPORTED_SERVER``) below PostgreSQL 14; ``version`` is libpq's number for it."""
    if version < MINIMUM_VERSION * 10000:
        raise DatabaseError(
            f"the server is PostgreSQL {version // 10000}; wfsync needs {MINIMUM_VERSION} or newer",
            code="UNSUPPORTED_SERVER",
            hint="Upgrade the server, or name another one with --database.",
        )


def target_of(conn: Connection) -> Target | None:
    """The target that ``conn`` was opened on, if `connect` opened it."""
    return getattr(conn, "target", None)


def _parameters(target: Target) -> dict[str, Any]:
    """What libpq is told: the target's own parameters win over our defaults, ours win over the environment."""
    given = target.parameters()
    defaults: dict[str, Any] = {
        "application_name": f"wfsync/{__version__}",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    if target.kind == "embedded":
        # A password that nobody asks for keeps libpq from opening (and complaining about) the user's ~/.pgpass.
        defaults |= {"sslmode": "disable", "gssencmode": "disable", "password": "-"}
    if target.kind == "embedded" or not os.environ.get("PGCONNECT_TIMEOUT"):
        defaults["connect_timeout"] = CONNECT_TIMEOUT
    return defaults | given | {"client_encoding": "UTF8"}


def _ignored_variables(target: Target) -> tuple[str, ...]:
    """The variables of libpq that must not reach this connection.

    All of them for the embedded server; else those that could redirect a connection whose place is given (`cli.md`: a
    stray variable never redirects ``-e production``).
    """
    if target.kind == "embedded":
        return tuple(name for name in os.environ if name.startswith("PG"))
    return PLACE_VARIABLES if target.parameters() else ()


@contextmanager
def _without(variables: Iterable[str]) -> Iterator[None]:
    """Take variables out of the process's environment for a moment, one thread at a time.

    libpq reads the environment itself, and nothing in a connection text overrides PGSERVICE.
    """
    with _environment_lock:
        saved = {name: os.environ.pop(name) for name in variables if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(saved)
