"""``environments:`` of ``wfsync.yaml``: named targets, and which one an invocation is about. Pure.

An environment says where a database's address is found (the *name* of a variable, never the address: it may hold a
password), whose rows are meant, and which overlay holds there (spec: cli.md "Global options", "wfsync.yaml").

Decisions where the specification is silent. Precedence is per setting: what a block does not say is looked for further
down. ``WFSYNC_ENV`` chooses a block as ``-e`` does, but weakly: ``WFSYNC_DATABASE_URL`` and ``WFSYNC_TENANT`` are as
near to the invocation as it is, and more specific, so they win over its block; libpq's variables do not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from wfsync.errors import ConfigError

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "ChosenEnvironment",
    "Environment",
    "TenantQuery",
    "choose_environment",
    "environments_of",
    "overlay_paths",
]

ENVIRONMENT_VARIABLE: Final = "WFSYNC_ENV"


@dataclass(frozen=True, slots=True)
class TenantQuery:
    """Which tenants of a database are meant: those that its rows name (``found``), and those that are listed."""

    found: bool = True
    listed: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """One block of ``environments``; what it does not say is None."""

    name: str
    database_env: str | None = None
    """The variable that holds the address of the database."""
    tenant: str | None = None
    overlay: str | None = None
    """File of metadata that holds here only; relative to the folder of ``wfsync.yaml``."""
    tenants: TenantQuery | None = None
    """Several tenants of one database, each a target: the block is a group, unless one tenant is chosen of it."""


@dataclass(frozen=True, slots=True)
class ChosenEnvironment:
    """The environment that an invocation is about, and how strongly that was said."""

    environment: Environment
    explicit: bool
    """True for ``-e``; False for ``WFSYNC_ENV``, which is no stronger than other variables."""

    def address(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        """The database's address and what named it; None when the block names none.

        Raises `ConfigError` (``DATABASE_ENV_UNSET``) when the variable that it names has no value: another database is
        never taken instead.
        """
        variable = self.environment.database_env
        if variable is None:
            return None
        value = environ.get(variable, "")
        if not value.strip():
            raise ConfigError(
                f"the environment {self.environment.name} takes its database from ${variable}, which is not set",
                code="DATABASE_ENV_UNSET",
                hint=f"set {variable} to the address of the database, or name one with --database",
                details={"environment": self.environment.name, "variable": variable},
            )
        return value, f"{variable} (environment {self.environment.name})"


def environments_of(tree: Mapping[str, Any]) -> dict[str, Environment]:
    """The blocks of a ``wfsync.yaml`` that its schema allows, by name; paths as they are written. Groups that only name
    other blocks are none.
    """
    blocks: Mapping[str, Mapping[str, Any]] = tree.get("environments", {})
    return {
        name: Environment(
            name, block.get("database_env"), block.get("tenant"), block.get("overlay"), _tenants(block.get("tenants"))
        )
        for name, block in blocks.items()
        if "targets" not in block and "waves" not in block
    }


def _tenants(said: str | list[str] | Mapping[str, list[str]] | None) -> TenantQuery | None:
    match said:
        case None:
            return None
        case str():
            return TenantQuery()
        case list():
            return TenantQuery(found=False, listed=tuple(said))
        case _:
            return TenantQuery(listed=tuple(said.get("also", ())), excluded=tuple(said.get("except", ())))


def overlay_paths(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where overlays are named in such a tree, and what the names are."""
    for name, environment in environments_of(tree).items():
        if environment.overlay is not None:
            yield ("environments", name, "overlay"), environment.overlay


def choose_environment(
    named: tuple[str, str] | None,
    known: Mapping[str, Environment],
    groups: Collection[str] = (),
    *,
    option: str = "-e",
    tenant: str | None = None,
) -> ChosenEnvironment | None:
    """The environment that ``named`` (a name, and what gave it) means; None for None. ``tenant`` chooses one of a block
    with several.

    Raises `ConfigError`: ``UNKNOWN_ENVIRONMENT``, which lists the known ones; ``GROUP_NOT_ALLOWED`` for a group, which
    is not one target.
    """
    if named is None:
        return None
    name, origin = named
    environment = known.get(name)
    if name in groups or (environment is not None and environment.tenants is not None and tenant is None):
        narrower = "one of its tenants with --tenant ID" if environment is not None else "one of its environments"
        raise ConfigError(
            f"{origin} names the group {name}, and here one target is needed",
            code="GROUP_NOT_ALLOWED",
            hint=f"name {narrower}; plan, apply and status take groups",
            details={"environment": name},
        )
    if environment is None:
        listed = ", ".join(sorted((*known, *groups))) or "none"
        raise ConfigError(
            f"{origin} names the environment {name!r}, which wfsync.yaml does not have (it has: {listed})",
            code="UNKNOWN_ENVIRONMENT",
            hint="name one of them, or add it under `environments:` in wfsync.yaml",
            details={"environment": name, "known": sorted((*known, *groups))},
        )
    return ChosenEnvironment(replace(environment, tenants=None), explicit=origin == option)
