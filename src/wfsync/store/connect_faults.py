"""Why no session could be opened, in words for people.

While connecting, libpq keeps the server's SQLSTATE to itself, so its message is matched. A server that speaks another
language than English ends as ``CONNECTION_FAILED`` with its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg

from wfsync.errors import ConfigError, DatabaseError, WfsyncError
from wfsync.store.faults import one_line, place, user_of
from wfsync.store.target import Target

__all__ = ["explain_refusal", "opening"]


@contextmanager
def opening(target: Target) -> Iterator[None]:
    """Turn every psycopg error of a block that opens a session into an error of ours; the driver's is not chained."""
    try:
        yield
    except psycopg.Error as error:
        raise explain_refusal(error, target) from None


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    code: str
    message: str
    hint: str


# The first match wins. Several addresses may have failed in several ways, so what a server said (it was reached) stands
# before what the network said.
_RULES: Final = (
    _Rule(
        r"password authentication failed|no password supplied|authentication failed|\bSCRAM\b|authentication method"
        r"|is not permitted to log in|role \S+ does not exist|pg_hba\.conf rejects|channel binding",
        "AUTHENTICATION_FAILED",
        "{place} does not accept the user {user} or the password",
        "Check user and password: in the URL, in PGPASSWORD, or in ~/.pgpass.",
    ),
    _Rule(
        r"^(?!.*\bSSL encryption)(?=.*no pg_hba\.conf entry).*(?:no encryption|SSL off)",
        "AUTHENTICATION_FAILED",
        "{place} has no rule that lets the user {user} in without encryption",
        "Add sslmode=require to the URL, or a line for this machine to the server's pg_hba.conf.",
    ),
    _Rule(
        r"no pg_hba\.conf entry",
        "AUTHENTICATION_FAILED",
        "{place} has no rule that lets the user {user} in from this machine",
        "Add a line for this machine, user and database to the server's pg_hba.conf.",
    ),
    _Rule(
        r"\bSSL\b|\bTLS\b|certificate|private key|GSSAPI",
        "TLS_FAILED",
        "no encrypted connection to {place}: {reason}",
        "Check sslmode and sslrootcert in the URL and `ssl` on the server.",
    ),
    _Rule(
        r"database \S+ does not exist",
        "DATABASE_MISSING",
        "there is no such database: {place}",
        "Create it with CREATE DATABASE, or correct its name in the URL.",
    ),
    _Rule(
        r"too many clients|too many connections|remaining connection slots|no more connections allowed",
        "TOO_MANY_CONNECTIONS",
        "{place} has no free connection",
        "Try again later, or raise max_connections (or the CONNECTION LIMIT of the role or the database).",
    ),
    _Rule(
        r"permission denied for database",
        "PERMISSION_DENIED",
        "the user {user} may not connect to {place}",
        "Let the database's owner run: GRANT CONNECT ON DATABASE {database} TO {user};",
    ),
    _Rule(
        r"database system is|not currently accepting connections|recovery mode",
        "SERVER_SHUTDOWN",
        "{place} is starting up, shutting down, or closed to connections",
        "Try again in a moment; if it stays so, look into the server's log.",
    ),
    _Rule(
        r"session is (?:not )?read-only|hot standby mode|server is (?:not )?in",
        "READ_ONLY_SERVER",
        "{place} does not offer the kind of session that target_session_attrs asks for",
        "Name the primary server, or leave target_session_attrs out.",
    ),
    _Rule(
        r"definition of service|service file",
        "INVALID_DATABASE_URL",
        "the connection service of {place} is not defined",
        "Check its name, and PGSERVICEFILE or ~/.pg_service.conf.",
    ),
    _Rule(
        r"configuration parameter|invalid value for parameter|invalid command-line argument for server process",
        "INVALID_DATABASE_URL",
        "{place} does not take a setting in the options of the database URL: {reason}",
        "Correct options=-c name=value in the URL (or PGOPTIONS).",
    ),
    _Rule(
        r"^(?:connection failed: |connection is bad: |error connecting: )?invalid ",
        "INVALID_DATABASE_URL",
        "the database URL of {place} has an option with a value that libpq does not know: {reason}",
        'See "Connection Strings" in PostgreSQL\'s documentation of libpq.',
    ),
    _Rule(
        r"could not translate host name|failed to resolve host|name or service not known|name resolution",
        "HOST_UNKNOWN",
        "the host name of {place} cannot be resolved",
        "Check the host in the URL, and the name service of this machine.",
    ),
    _Rule(
        r"timeout expired|timed out",
        "CONNECTION_TIMEOUT",
        "{place} does not answer",
        "Check host, port and firewall. connect_timeout in the URL (10 seconds unless given) says how long to wait.",
    ),
    _Rule(
        r"connection refused|no such file or directory|permission denied|no route to host|unreachable",
        "CONNECTION_REFUSED",
        "nothing accepts connections at {place}",
        "Check that PostgreSQL runs there, and that host and port are right.",
    ),
    _Rule(
        r"closed the connection|connection reset|expected authentication request|invalid response|broken pipe",
        "CONNECTION_LOST",
        "{place} ended the connection before a session was open",
        "Check that it is a PostgreSQL server and look into its log.",
    ),
)


def explain_refusal(error: psycopg.Error, target: Target) -> WfsyncError:
    """What a failed attempt to open a session on ``target`` means: an error with code and hint, without a secret."""
    raw = "timeout expired" if isinstance(error, psycopg.errors.ConnectionTimeout) else " ".join(str(error).split())
    text = one_line(raw, target.secrets())
    # Names that people choose must not be taken for words of the message: a host may be called ssl.example.com. And the
    # words are sought in the raw text: a password may be a word of the message too.
    words = re.sub(r"\"[^\"]*\"|'[^']*'", "…", raw)
    names = {
        "place": place(target),
        "user": user_of(target),
        "database": target.parameters().get("dbname", "…"),
        "reason": re.split(r"(?:failed|bad): (?:FATAL: +)?", text)[-1],
    }
    for rule in _RULES:
        if re.search(rule.pattern, words, re.IGNORECASE):
            kind = ConfigError if rule.code == "INVALID_DATABASE_URL" else DatabaseError
            return kind(rule.message.format(**names), code=rule.code, hint=rule.hint.format(**names))
    return DatabaseError(
        f"no session on {names['place']}: {names['reason']}", code="CONNECTION_FAILED", hint="See the server's log."
    )
