"""Waves of environments → targets: addresses are looked up, tenants are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfsync.config import resolve_tenant
from wfsync.environments import ChosenEnvironment, Environment, TenantQuery
from wfsync.errors import ConfigError, Problem, WfsyncError
from wfsync.groups import Wave

if TYPE_CHECKING:
    from wfsync.store.target import Target

__all__ = ["Member", "expand"]


@dataclass(frozen=True, slots=True)
class Member:
    """One target of a group."""

    name: str
    """As every line names it: the environment, with ``/`` and the tenant where the block has several."""
    wave: str
    environment: Environment
    target: Target
    error: WfsyncError | None = None
    """Why its tenants could not be found: it then stands for all of them."""


def expand(
    waves: Sequence[Wave], environ: Mapping[str, str], find: Callable[[Target], tuple[str, ...]]
) -> tuple[tuple[Member, ...], ...]:
    """The targets of each wave. ``find`` reads which tenants a database holds.

    Raises `ConfigError` when a variable has no value (``DATABASE_ENV_UNSET``, all of them at once), an address is
    malformed, or two targets are the same database and tenant (``DUPLICATE_TARGET``). A database that cannot be asked
    for its tenants is a target with an error.
    """
    addresses = _addresses(waves, environ)
    found = tuple(
        tuple(member for e in wave.environments for member in _members(wave, e, addresses[e.name], environ, find))
        for wave in waves
    )
    _refuse_duplicates([member for wave in found for member in wave])
    return found


def _addresses(waves: Sequence[Wave], environ: Mapping[str, str]) -> dict[str, str]:
    addresses: dict[str, str] = {}
    errors: list[ConfigError] = []
    for environment in (e for wave in waves for e in wave.environments):
        try:
            named = ChosenEnvironment(environment, explicit=True).address(environ)
        except ConfigError as error:
            errors.append(error)
            continue
        if named is None:
            errors.append(
                ConfigError(
                    f"the environment {environment.name} names no database",
                    code="DATABASE_ENV_UNSET",
                    hint=f"give it one: `environments.{environment.name}.database_env`",
                )
            )
            continue
        addresses[environment.name] = named[0]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigError(
            f"{len(errors)} targets of the group have no database",
            code="DATABASE_ENV_UNSET",
            hint="nothing was begun; set the variables",
            problems=[Problem(code=e.code, message=e.message, hint=e.hint, details=e.details) for e in errors],
        )
    return addresses


def _members(
    wave: Wave,
    environment: Environment,
    address: str,
    environ: Mapping[str, str],
    find: Callable[[Target], tuple[str, ...]],
) -> Iterator[Member]:
    from wfsync.store.target import Target

    tenant = resolve_tenant(None, environ, ChosenEnvironment(environment, explicit=True))
    whole = Target("named", address, environment.name, tenant)
    try:
        whole.parameters()
    except ConfigError as error:
        message = f"the environment {environment.name}: {error.message}"
        raise ConfigError(message, code=error.code, hint=error.hint) from None
    if environment.tenants is None:
        yield Member(environment.name, wave.name, environment, whole)
        return
    try:
        tenants = _tenants(environment.tenants, lambda: find(whole))
        if not tenants:
            raise ConfigError(
                "no row of workflow_definitions has a tenant yet, and none is listed",
                code="NO_TENANTS",
                hint=f"list the first with `environments.{environment.name}.tenants.also`",
            )
    except WfsyncError as error:
        yield Member(environment.name, wave.name, environment, whole, error)
        return
    for tenant in tenants:
        target = Target("named", address, environment.name, tenant)
        yield Member(f"{environment.name}/{tenant}", wave.name, environment, target)


def _tenants(query: TenantQuery, found: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """In order; a tenant that is written in several ways is one."""
    from wfsync.store.layout import future_tenant

    excluded = {future_tenant(tenant) for tenant in query.excluded}
    by_spelling = {future_tenant(tenant): tenant for tenant in (*query.listed, *(found() if query.found else ()))}
    if not query.found:
        return tuple(tenant for spelling, tenant in by_spelling.items() if spelling not in excluded)
    return tuple(by_spelling[spelling] for spelling in sorted(by_spelling.keys() - excluded))


def _refuse_duplicates(members: Sequence[Member]) -> None:
    from wfsync.store.layout import future_tenant

    seen: dict[tuple[tuple[tuple[str, str], ...], str], Member] = {}
    for member in members:
        given = member.target.parameters()
        place = tuple(
            (name, given[name]) for name in ("host", "hostaddr", "port", "dbname", "service") if name in given
        )
        other = seen.setdefault((place, future_tenant(member.target.tenant)), member)
        if other is not member:
            raise ConfigError(
                f"{other.name} and {member.name} are the same database and tenant: {member.target.display()}",
                code="DUPLICATE_TARGET",
                hint="nothing was begun; name each target once",
                details={"targets": [other.name, member.name]},
            )
