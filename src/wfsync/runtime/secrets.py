"""Secrets of workflows: what they may be called, and where their values come from (spec: runtime.md "Expressions").

A definition says ``{"$secret": NAME}``. The value is looked up at the moment of a call: the environment variable
``WFSYNC_SECRET_<NAME>`` wins over the store in the database. Values are never in a message, a history or an output.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from wfsync.errors import ConfigError

if TYPE_CHECKING:
    from wfsync.store.runtime.place import Place
    from wfsync.store.session import Connection

__all__ = ["VARIABLE_PREFIX", "is_secret_name", "known_names", "names_in_environment", "resolve"]

VARIABLE_PREFIX: Final = "WFSYNC_SECRET_"
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}", re.ASCII)


def is_secret_name(name: str) -> bool:
    """Whether ``name`` may be a secret's: capitals, digits and underscores, a capital first, at most 128."""
    return _NAME.fullmatch(name) is not None


def names_in_environment(environ: Mapping[str, str]) -> frozenset[str]:
    """The secrets that the environment has. An empty variable is none."""
    set_ = (name for name, value in environ.items() if value and name.startswith(VARIABLE_PREFIX))
    return frozenset(filter(is_secret_name, (name.removeprefix(VARIABLE_PREFIX) for name in set_)))


def known_names(
    environ: Mapping[str, str], conn: Connection | None = None, place: Place | None = None
) -> frozenset[str]:
    """Every secret that `resolve` would find, from the environment and, if there is one, the store. Reads no value."""
    names = names_in_environment(environ)
    if conn is None or place is None:
        return names
    from wfsync.store.runtime.secrets import listed

    return names | {secret.name for secret in listed(conn, place)}


def resolve(
    names: Collection[str], environ: Mapping[str, str], conn: Connection | None = None, place: Place | None = None
) -> dict[str, str]:
    """The values of ``names``: of the environment, else of the store of ``place``.

    The store is asked only for what the environment lacks, so that a machine whose secrets are all in the environment
    needs no key. Raises `WfsyncError`, never with a value in it: ``SECRET_NOT_FOUND``, ``SECRET_UNREADABLE``,
    ``SECRETS_KEY_MISSING``, ``SECRETS_KEY_INVALID``.
    """
    values = {name: environ.get(VARIABLE_PREFIX + name, "") for name in names if is_secret_name(name)}
    wanted = [name for name in names if not values.get(name)]
    if wanted and conn is not None and place is not None:
        values |= _stored(wanted, environ, conn, place)
    missing = sorted({name for name in names if not values.get(name)})
    if missing:
        raise _not_found(missing)
    return values


def _stored(names: list[str], environ: Mapping[str, str], conn: Connection, place: Place) -> dict[str, str]:
    from wfsync.runtime.secret_keys import keys_from
    from wfsync.store.runtime.secrets import sealed

    found = sealed(conn, place, names)
    if not found:
        return {}
    keys = keys_from(environ)
    return {name: keys.open(place.tenant, name, value) for name, value in found.items()}


def _not_found(missing: list[str]) -> ConfigError:
    one = len(missing) == 1
    return ConfigError(
        f"the secret{'' if one else 's'} {', '.join(missing)} {'is' if one else 'are'} not set",
        code="SECRET_NOT_FOUND",
        hint=f"set the environment variable {VARIABLE_PREFIX}{missing[0]}, or run: wfsync secrets set {missing[0]}",
        details={"names": missing},
    )
