"""Driver errors end here: what leaves the store is one line, a hint and a stable code, without a secret.

`explain` is a pure function from a psycopg error to an error of ours; `translate` applies it to a block. Texts are made
from what we know (host, user, table, constraint); the server's own words appear where no code fits, scrubbed. A DETAIL
is never shown: it quotes rows. Faults of opening a session are in `connect_faults`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg

from wfsync.errors import ConfigError, DatabaseError, LockTimeout, WfsyncError
from wfsync.store.instance import DEFINITIONS, RUNS, VERSIONS
from wfsync.store.target import Target

__all__ = ["as_identifier", "explain", "is_lost", "one_line", "place", "read_only_server", "translate", "user_of"]


@contextmanager
def translate(target: Target | None, doing: str) -> Iterator[None]:
    """Turn every psycopg error of the block into a `DatabaseError` (or `LockTimeout`).

    ``target`` is named in the error; ``doing`` is a participle (``"reading the catalog"``) that completes
    the sentence. The driver's error is not chained: its text may quote rows.
    """
    try:
        yield
    except psycopg.Error as error:
        raise explain(error, target, doing) from None


def is_lost(error: BaseException) -> bool:
    """True if ``error`` says that the session is gone, whoever ended it."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:  # the driver's own: the session broke, or was closed before
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith("08") or error.sqlstate in _LOST_STATES


def explain(error: psycopg.Error, target: Target | None, doing: str) -> WfsyncError:
    """What ``error``, raised on an open session, means for people; repeats no secret, no DETAIL and no value."""
    secrets = target.secrets() if target else ()
    raw = one_line(error.diag.message_primary or str(error), ())
    fault = _Fault(error, raw, one_line(raw, secrets), target, doing)
    if is_lost(error):
        return _connection_lost(fault)
    state = error.sqlstate or ""
    for prefix, make in _BY_STATE:
        if state.startswith(prefix):
            return make(fault)
    return _other(fault)


@dataclass(frozen=True, slots=True)
class _Fault:
    error: psycopg.Error
    raw: str
    """The server's sentence, to be matched and never shown: a password may be a word of it."""
    text: str
    """The same without secrets."""
    target: Target | None
    doing: str


def one_line(text: str, secrets: Iterable[str]) -> str:
    """``text`` on one line, without ``secrets``."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(text.split())


def place(target: Target | None) -> str:
    """The target for a sentence; never fails and never shows a secret."""
    if target is None:
        return "the database"
    try:
        return target.display()
    except ConfigError:
        return "the database"


def as_identifier(name: str) -> str:
    """``name`` as it must be written in SQL for people to run; a placeholder stays one."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*|<role>", name) else '"' + name.replace('"', '""') + '"'


def user_of(target: Target | None) -> str:
    """The role that ``target`` names, else a placeholder for a sentence or a GRANT."""
    return (target.parameters().get("user") if target else None) or "<role>"


def read_only_server(target: Target | None) -> DatabaseError:
    """The error for a server or a role that only reads: a standby, or ``default_transaction_read_only``."""
    return DatabaseError(
        f"{place(target)} only allows reading (a standby, or default_transaction_read_only is on)",
        code="READ_ONLY_SERVER",
        hint="Name the primary server, or a role that may write. plan, status and export work here.",
    )


_LOST_STATES: Final = frozenset({"57P01", "57P02", "57P05", "25P03", "25P04"})
"""The server ended the session: terminated, crashed, idle too long, transaction too long."""


def _connection_lost(fault: _Fault) -> WfsyncError:
    reasons = {
        "57P01": "an administrator or a shutdown ended it",
        "57P02": "the server crashed",
        "57P05": "idle_session_timeout passed",
        "25P03": "idle_in_transaction_session_timeout passed",
        "25P04": "transaction_timeout passed",
    }
    reason = reasons.get(fault.error.sqlstate or "", "the network or the server broke it")
    return DatabaseError(
        f"the connection to {place(fault.target)} was lost while {fault.doing}: {reason}",
        code="CONNECTION_LOST",
        hint="Nothing was committed. Try again; if it happens again, look into the server's log.",
    )


_TABLES: Final = (DEFINITIONS, VERSIONS, RUNS)
_DENIED: Final = re.compile(r"permission denied for (?P<kind>[a-z ]+?) (?P<name>\S+)$")


def _permission_denied(fault: _Fault) -> WfsyncError:
    user = user_of(fault.target)
    if "row-level security" in fault.raw:
        return DatabaseError(
            f"{fault.text}: the user {user} may not write this row",
            code="PERMISSION_DENIED",
            hint="Let the table's owner add a policy for this role, or use a role with BYPASSRLS.",
        )
    found = _DENIED.search(fault.raw)
    kind, name = (found["kind"], found["name"].strip('"')) if found else ("", "")
    what, role = as_identifier(name), as_identifier(user)
    written = f"{DEFINITIONS}, {VERSIONS}"
    tables = f"{written}, {RUNS}" if name in _TABLES else what
    grants = {
        "schema": f"GRANT USAGE ON SCHEMA {what} TO {role};",
        "database": f"GRANT CREATE ON DATABASE {what} TO {role};",
        "function": f"GRANT EXECUTE ON FUNCTION {what} TO {role};",
        "sequence": f"GRANT USAGE ON SEQUENCE {what} TO {role};",
    }
    # All that an apply needs at once: else one would be told of one table after the other.
    table = (
        f"GRANT SELECT ON {tables} TO {role}; and, for apply and import,"
        f" GRANT INSERT, UPDATE, DELETE ON {written if name in _TABLES else what} TO {role};"
    )
    grant = grants.get(kind, table if kind in {"table", "relation", "view"} else None)
    return DatabaseError(
        f"the user {user} is not allowed to do this on {place(fault.target)}: {fault.text}",
        code="PERMISSION_DENIED",
        hint=f"Let the owner run: {grant}" if grant else "Ask the owner of the database for the missing privilege.",
        details={"kind": kind, "name": name},
    )


def _canceled(fault: _Fault) -> WfsyncError:
    if "user request" in fault.raw:
        return DatabaseError(
            f"somebody canceled the statement while {fault.doing}", code="QUERY_CANCELED", hint="Try again."
        )
    return DatabaseError(
        f"the server's statement_timeout passed while {fault.doing}",
        code="STATEMENT_TIMEOUT",
        hint="Raise it with ALTER ROLE … SET statement_timeout, or in the URL: ?options=-c%20statement_timeout%3D0",
    )


def _lock_timeout(fault: _Fault) -> WfsyncError:
    return LockTimeout(
        f"another session held a lock for too long while {fault.doing}",
        hint="Nothing was written. Try again, or wait longer with --lock-timeout SECONDS.",
    )


def _deadlock(fault: _Fault) -> WfsyncError:
    return LockTimeout(
        f"the server ended a deadlock with another session while {fault.doing}",
        code="DEADLOCK",
        hint="Nothing was written. Try again.",
    )


def _serialization(fault: _Fault) -> WfsyncError:
    return LockTimeout(
        f"another session changed the same rows while {fault.doing}, or a standby had to catch up",
        code="SERIALIZATION_FAILURE",
        hint="Nothing was written. Try again.",
    )


_CONSTRAINTS: Final = {
    "23502": "a value is missing",
    "23001": "a row is referred to",
    "23503": "a row refers to another that does not exist, or is referred to",
    "23505": "such a row exists already",
    "23514": "a value is not allowed",
    "23P01": "rows exclude each other",
}


def _constraint(fault: _Fault) -> WfsyncError:
    diag = fault.error.diag
    what = f"the constraint {diag.constraint_name}" if diag.constraint_name else "a constraint"
    if diag.column_name:
        what = f"the NOT NULL of the column {diag.column_name}"
    table = f" of the table {diag.table_name}" if diag.table_name else ""
    why = _CONSTRAINTS.get(fault.error.sqlstate or "", "the rows do not fit together")
    return DatabaseError(
        f"{what}{table} forbids the change: {why}",
        code="CONSTRAINT_VIOLATION",
        hint="Nothing was written. The instance has a rule that the files break, or somebody changed it meanwhile.",
        details={"constraint": diag.constraint_name, "table": diag.table_name, "column": diag.column_name},
    )


def _full(fault: _Fault) -> WfsyncError:
    return DatabaseError(
        f"the disk of {place(fault.target)} is full",
        code="DISK_FULL",
        hint="Nothing was written. Make room on the server.",
    )


def _busy(fault: _Fault) -> WfsyncError:
    return DatabaseError(
        f"{place(fault.target)} has no free connection", code="TOO_MANY_CONNECTIONS", hint="Try again later."
    )


def _starting(fault: _Fault) -> WfsyncError:
    return DatabaseError(
        f"{place(fault.target)} is starting up or shutting down", code="SERVER_SHUTDOWN", hint="Try again in a moment."
    )


def _read_only(fault: _Fault) -> WfsyncError:
    return read_only_server(fault.target)


_UNTRANSLATABLE: Final = re.compile(
    r'byte sequence (?P<bytes>(?:0x[0-9a-f]{2} ?)+) in encoding "UTF8"'
    r' has no equivalent in encoding "(?P<encoding>\w+)"'
)


def _encoding(fault: _Fault) -> WfsyncError:
    found = _UNTRANSLATABLE.search(fault.raw)
    if found:
        text = bytes.fromhex(found["bytes"].replace("0x", "")).decode(errors="replace")
        shown = ", ".join(f"{character} (U+{ord(character):04X})" for character in text)
        return DatabaseError(
            f"the database's encoding {found['encoding']} has no character {shown}, which a workflow contains",
            code="DATABASE_ENCODING",
            hint="Nothing was written. Use a database with the encoding UTF8, or other words in the workflow.",
            details={"encoding": found["encoding"], "character": text},
        )
    return DatabaseError(
        f"a text cannot be converted between UTF-8 and the database's encoding while {fault.doing}: {_unquoted(fault)}",
        code="DATABASE_ENCODING",
        hint="The database holds bytes that are no UTF-8 (its encoding may be SQL_ASCII): correct the row in the"
        " instance.",
    )


def _vanished(fault: _Fault) -> WfsyncError:
    return DatabaseError(
        f"the tables are not as they were when wfsync looked, while {fault.doing}: {fault.text}",
        code="TABLES_CHANGED",
        hint="Nothing was written. Somebody changes them right now, an upgrade of the instance perhaps. Try again.",
    )


_COLUMN: Final = re.compile(r"^COPY (?P<table>[^,]+), line \d+, column (?P<column>[^:]+)", re.MULTILINE)


def _data(fault: _Fault) -> WfsyncError:
    """A value that a column does not take; the value itself is not shown."""
    found = _COLUMN.search(fault.error.diag.context or "")
    where = f" into the column {found['column']} of {found['table']}" if found else ""
    return DatabaseError(
        f"the database refused a value while {fault.doing}{where}: {_unquoted(fault)}"
        f" (SQLSTATE {fault.error.sqlstate})",
        hint="Nothing was written. The instance's column takes less than a file may say.",
        details={"sqlstate": fault.error.sqlstate, **({"column": found["column"]} if found else {})},
    )


def _unquoted(fault: _Fault) -> str:
    """The server's sentence without the values that it quotes."""
    return re.sub(r'"[^"]*"', "…", fault.text)


def _other(fault: _Fault) -> WfsyncError:
    state = fault.error.sqlstate
    text = _unquoted(fault) if state is None else fault.text  # what the driver says may quote a value
    if state == "0A000" and "recovery" in fault.raw:
        return read_only_server(fault.target)
    return DatabaseError(
        f"the database failed while {fault.doing}: {text}" + (f" (SQLSTATE {state})" if state else ""),
        hint="Nothing was written. The code is explained in PostgreSQL's documentation, appendix A." if state else None,
        details={"sqlstate": state} if state else None,
    )


_Maker: TypeAlias = Callable[[_Fault], WfsyncError]

_BY_STATE: Final[tuple[tuple[str, _Maker], ...]] = (
    ("42501", _permission_denied),
    ("25006", _read_only),
    ("57014", _canceled),
    ("57P03", _starting),
    ("55P03", _lock_timeout),
    ("40P01", _deadlock),
    ("40001", _serialization),
    ("22021", _encoding),
    ("22P05", _encoding),
    ("22", _data),
    ("23", _constraint),
    ("42P01", _vanished),
    ("42703", _vanished),
    ("53100", _full),
    ("53300", _busy),
)
