"""Where a database is, and how to name it to people without its password.

A target is a libpq connection text: a URL, ``keyword=value`` pairs, or empty (then libpq's environment decides). It may
hold secrets; nothing here ever repeats a piece of a text that libpq could not parse, because what libpq takes for a
host or an option may be the middle of a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

from wfsync.errors import ConfigError

__all__ = ["PLACE_VARIABLES", "Target", "named"]

PLACE_VARIABLES: Final = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE")
"""libpq's variables that say where a database is; they count only when nothing else does (`cli.md`, global options)."""

_SECRET_WORD: Final = re.compile(r"pass(?:word|phrase)|secret|_key$", re.IGNORECASE)
_SCHEME: Final = re.compile(r"postgres(?:ql)?://")
_FOREIGN_SCHEME: Final = re.compile(r"([a-z][a-z0-9]*(?:\+[a-z0-9]+)?)://")
_EXAMPLE: Final = "Write postgresql://USER@HOST:5432/DATABASE, or host=HOST dbname=DATABASE user=USER."
_ENCODE: Final = (
    "Percent-encode special characters in user name and password: %40 is @, %2F is /, %3A is :, %23 is #, %25 is %."
)


@dataclass(frozen=True, slots=True)
class Target:
    """A database to connect to: the embedded one, or one that somebody named."""

    kind: Literal["embedded", "named"]
    conninfo: str = field(repr=False)
    """libpq's connection text; may hold a password, so it is in no ``repr``."""
    environment: str | None = None
    """Under which name of ``wfsync.yaml`` it was asked for."""
    tenant: str | None = None
    """Whose rows are meant there, where that was said: as text, cast by the database."""

    def parameters(self) -> dict[str, str]:
        """The connection text as libpq reads it, without defaults and environment; `ConfigError` if it cannot."""
        return _parse(self.conninfo)

    def display(self) -> str:
        """The target for people, ``postgresql://user@host:5432/db``, without secrets; `ConfigError` if malformed."""
        parameters = self.parameters()
        if not parameters:
            parameters = _from_environment(os.environ)
        return _url(parameters)

    def secrets(self) -> tuple[str, ...]:
        """Every secret that the target or the environment holds, longest first; for scrubbing driver texts.

        A text that cannot be parsed is one secret as a whole.
        """
        found = {os.environ.get("PGPASSWORD", "")}
        try:
            found.update(value for name, value in self.parameters().items() if _SECRET_WORD.search(name))
        except ConfigError:
            found.add(self.conninfo)
        found.update([quote(value, safe="") for value in found])
        return tuple(sorted(filter(None, found), key=len, reverse=True))


def named(conninfo: str) -> Target:
    """The target that an option, ``wfsync.yaml`` or the environment names.

    Raises `ConfigError` (``INVALID_DATABASE_URL``) for a text that libpq cannot read or would read as something else
    than its author meant; the error repeats nothing of the text.
    """
    target = Target("named", conninfo)
    target.parameters()
    return target


def _parse(conninfo: str) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    if "\0" in conninfo:
        raise _malformed("it contains a NUL character")
    if _SCHEME.match(conninfo):
        _check_url(conninfo)
    elif scheme := _FOREIGN_SCHEME.match(conninfo):
        raise _malformed(f"its scheme is {scheme[1]}://, not postgresql://")
    try:
        parsed = conninfo_to_dict(conninfo)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        reason, hint = _reason(str(error))
    else:
        parameters = {name: str(value) for name, value in parsed.items() if value is not None}
        _check_values(parameters)
        return parameters
    raise _malformed(reason, hint)


def _check_url(url: str) -> None:
    """Refuse a URL whose password libpq would take for a host, a port or a database name."""
    rest = url.partition("://")[2]
    head, _, query = rest.partition("?")
    authority, _, path = head.partition("/")
    ambiguous = authority.count("@") > 1 or "@" in path or "#" in rest
    if ambiguous or ("@" in query and "/" not in head and "@" not in authority):
        raise _malformed("it is ambiguous where the password ends", _ENCODE)


def _check_values(parameters: Mapping[str, str]) -> None:
    for port in parameters.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise _malformed("its port is not a number between 1 and 65535", _ENCODE)


def _reason(text: str) -> tuple[str, str]:
    """The complaint of libpq in words that repeat nothing of the text."""
    known = (
        ("percent-encoded", "a % is not followed by two hexadecimal digits", _ENCODE),
        ("forbidden value %00", "it contains a NUL character", _EXAMPLE),
        ("invalid URI query parameter", "an option after the ? is not one that libpq knows", _ENCODE),
        ("in URI query parameter", "an option after the ? is not written as name=value", _ENCODE),
        ("invalid connection option", "it has an option that libpq does not know", _EXAMPLE),
        ("unterminated quoted string", "a quote is not closed", _EXAMPLE),
        ('matching "]"', "the bracket of an IPv6 address is not closed", _EXAMPLE),
        ('missing "="', "it is neither a URL nor name=value pairs", _EXAMPLE),
    )
    return next(((reason, hint) for mark, reason, hint in known if mark in text), ("libpq cannot read it", _EXAMPLE))


def _malformed(reason: str, hint: str = _EXAMPLE) -> ConfigError:
    return ConfigError(f"the database URL is malformed: {reason}", code="INVALID_DATABASE_URL", hint=hint)


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {"PGHOST": "host", "PGHOSTADDR": "hostaddr", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user"}
    names["PGSERVICE"] = "service"
    return {name: environment[variable] for variable, name in names.items() if environment.get(variable)}


def _url(parameters: Mapping[str, str]) -> str:
    user = parameters.get("user", "")
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = (parameters.get("port") or "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    query = []
    if any(host.startswith(("/", "@")) for host in hosts):
        query.append(f"host={quote(','.join(hosts), safe='/,@')}")
        if ports[0]:
            query.append(f"port={ports[0]}")
        place = ""
    else:
        place = ",".join(
            (f"[{host}]" if ":" in host else quote(host, safe="")) + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=False)
        )
    if service := parameters.get("service"):
        query.append(f"service={quote(service, safe='')}")
    options = f"?{'&'.join(query)}" if query else ""
    owner = quote(user, safe="") + "@" if user else ""
    return f"postgresql://{owner}{place}/{quote(parameters.get('dbname', ''), safe='')}{options}"
