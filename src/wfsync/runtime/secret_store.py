"""Setting, listing, removing and re-encrypting the secrets of one tenant in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from wfsync.errors import ConfigError, InputError, Problem, WfsyncError
from wfsync.runtime.secret_keys import Keys, SecretUnreadable
from wfsync.runtime.secrets import is_secret_name
from wfsync.store.connection import write_transaction
from wfsync.store.runtime import secrets as rows
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.secrets import StoredSecret
from wfsync.store.session import Connection

__all__ = ["MAX_VALUE_BYTES", "Rotated", "listed", "remove", "require_name", "rotate", "set_value"]

MAX_VALUE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rotated:
    """What `rotate` did: which secrets were re-encrypted, which were under the first key already."""

    key_id: str
    renewed: tuple[str, ...]
    kept: tuple[str, ...]


def require_name(name: str) -> None:
    """Raise `InputError` (``INVALID_SECRET_NAME``) unless ``name`` may be a secret's."""
    if not is_secret_name(name):
        said = name[:200].partition("=")  # NAME=VALUE was meant: the value is not said again
        raise InputError(
            f"{said[0] + said[1] + '…' * bool(said[1])!r} cannot be the name of a secret",
            code="INVALID_SECRET_NAME",
            hint="capitals, digits and underscores, a capital first, at most 128 characters: MAIL_API_KEY",
        )


def set_value(conn: Connection, place: Place, keys: Keys, name: str, value: str, *, lock_timeout: float) -> None:
    """Store ``value`` as the secret ``name``, replacing what was there.

    Raises `InputError`: ``INVALID_SECRET_NAME``, ``INVALID_SECRET_VALUE`` (empty, too long, a character 0).
    """
    require_name(name)
    if fault := _fault_of(value):
        raise InputError(
            f"the value for {name} {fault}",
            code="INVALID_SECRET_VALUE",
            hint="give the value on stdin or with --from-file",
        )
    sealed = keys.seal(place.tenant, name, value)
    with write_transaction(conn, lock_timeout):
        rows.put(conn, place, [(name, sealed)])


def _fault_of(value: str) -> str | None:
    if not value:
        return "is empty"
    if "\0" in value:
        return "has a character 0"
    return f"is longer than {MAX_VALUE_BYTES} bytes" if len(value.encode()) > MAX_VALUE_BYTES else None


def listed(conn: Connection, place: Place) -> tuple[StoredSecret, ...]:
    """Every stored secret by name: ids of keys and times, never a value."""
    return rows.listed(conn, place)


def remove(conn: Connection, place: Place, names: Collection[str], *, lock_timeout: float) -> None:
    """Delete secrets, all or none. Raises `ConfigError` (``SECRET_NOT_FOUND``) when one is not stored."""
    with write_transaction(conn, lock_timeout):
        missing = sorted(set(names) - rows.remove(conn, place, names))
        if missing:
            raise ConfigError(
                f"the database has no secret {', '.join(missing)}",
                code="SECRET_NOT_FOUND",
                hint="`wfsync secrets list` shows those that there are; nothing was removed",
                details={"names": missing},
            )


def rotate(conn: Connection, place: Place, keys: Keys, *, lock_timeout: float) -> Rotated:
    """Re-encrypt every secret that is not under the first key, in one transaction.

    Raises `SecretUnreadable` with a problem for each secret that does not open; then nothing was changed. Those under
    the first key are opened as well: a rotation that succeeds has read everything.
    """
    first = keys.ids[0]
    renewed, kept = [], []
    problems: list[Problem] = []
    with write_transaction(conn, lock_timeout):
        for name, sealed in rows.lock_all(conn, place).items():
            try:
                value = keys.open(place.tenant, name, sealed)
            except SecretUnreadable as fault:
                problems.append(Problem(code=fault.code, message=fault.message, hint=fault.hint, details=fault.details))
                continue
            if sealed.key_id == first:
                kept.append(name)
            else:
                renewed.append(name)
                rows.put(conn, place, [(name, keys.seal(place.tenant, name, value))])
        if problems:
            raise _nothing_rotated(problems)
    return Rotated(first, tuple(renewed), tuple(kept))


def _nothing_rotated(problems: list[Problem]) -> WfsyncError:
    return SecretUnreadable(
        f"{len(problems)} secret{'' if len(problems) == 1 else 's'} cannot be read; nothing was re-encrypted",
        hint="give the missing keys, or set or remove these secrets",
        problems=problems,
    )
