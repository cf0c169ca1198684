"""Groups of environments, and the waves in which their targets are worked on. Pure.

A block of ``environments`` with ``targets`` names environments or groups that are worked on side by side; one with
``waves`` names those that come one after the other. A block with ``tenants`` is an environment and a group at once: all
its tenants are targets of one database.

Decisions where the specification is silent: every target of a group names its database itself, so that no stray
variable redirects one; waves inside of waves follow each other; a group of ``targets`` holds no group with waves; no
target is reached twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal

from wfsync.environments import Environment, environments_of
from wfsync.errors import ConfigError

__all__ = ["Fault", "Group", "Wave", "group_faults", "groups_of", "member_names", "waves_of"]

_KINDS: Final[tuple[Literal["targets", "waves"], ...]] = ("targets", "waves")


@dataclass(frozen=True, slots=True)
class Group:
    """A block that names other blocks."""

    name: str
    kind: Literal["targets", "waves"]
    members: tuple[str, ...]
    """Names of environments and groups."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Environments that are worked on side by side."""

    name: str
    environments: tuple[Environment, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a group, and where in the tree."""

    path: tuple[str | int, ...]
    message: str
    hint: str


def groups_of(tree: Mapping[str, Any]) -> dict[str, Group]:
    """The groups of a ``wfsync.yaml`` that its schema allows, by name."""
    blocks: Mapping[str, Mapping[str, Any]] = tree.get("environments", {})
    return {
        name: Group(name, kind, tuple(block[kind]))
        for name, block in blocks.items()
        for kind in _KINDS
        if kind in block
    }


def waves_of(name: str, groups: Mapping[str, Group], environments: Mapping[str, Environment]) -> tuple[Wave, ...]:
    """The waves of the group ``name``, in order; of a configuration without `group_faults`.

    Raises `ConfigError` (``UNKNOWN_ENVIRONMENT``) for a name that is neither a group nor an environment.
    """
    group = groups.get(name)
    if group is None:
        environment = environments.get(name)
        if environment is None:
            raise ConfigError(
                f"{name!r} is neither an environment nor a group of wfsync.yaml", code="UNKNOWN_ENVIRONMENT"
            )
        return (Wave(name, (environment,)),)
    inner = [wave for member in group.members for wave in waves_of(member, groups, environments)]
    if group.kind == "waves":
        return tuple(inner)
    return (Wave(name, tuple(environment for wave in inner for environment in wave.environments)),)


def member_names(name: str, groups: Mapping[str, Group], environments: Mapping[str, Environment]) -> tuple[str, ...]:
    """The environments of the group ``name``, in the order in which they are worked on."""
    return tuple(e.name for wave in waves_of(name, groups, environments) for e in wave.environments)


def group_faults(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the groups of a ``wfsync.yaml`` that its schema allows, each where it stands."""
    groups, environments = groups_of(tree), environments_of(tree)
    broken: set[str] = set()
    for group in groups.values():
        for index, member in enumerate(group.members):
            fault = _reference_fault(group, index, member, groups, environments)
            if fault is not None:
                broken.add(group.name)
                yield fault
    for group in groups.values():
        if not _reachable(group.name, groups) & broken:
            yield from _membership_faults(group, groups, environments)


def _reference_fault(
    group: Group, index: int, member: str, groups: Mapping[str, Group], environments: Mapping[str, Environment]
) -> Fault | None:
    path = ("environments", group.name, group.kind, index)
    if member not in groups and member not in environments:
        known = sorted({*groups, *environments} - {group.name})
        close = get_close_matches(member, known, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        return Fault(path, f"{member!r} is no environment of this file{guess}", "add it under `environments:`")
    if member == group.name or group.name in _reachable(member, groups):
        return Fault(path, f"the group {group.name} would contain itself by way of {member!r}", "take one of them out")
    if group.kind == "targets" and any(
        groups[name].kind == "waves" for name in _reachable(member, groups) if name in groups
    ):
        return Fault(path, f"{member!r} has waves, and targets are worked on side by side", "name it in `waves:`")
    return None


def _membership_faults(
    group: Group, groups: Mapping[str, Group], environments: Mapping[str, Environment]
) -> Iterator[Fault]:
    """Of a group whose references are sound: what its environments lack, and those that are the same target."""
    reached: dict[str, int] = {}
    places: dict[tuple[str, str | None], str] = {}
    for index, member in enumerate(group.members):
        path = ("environments", group.name, group.kind, index)
        for name in member_names(member, groups, environments):
            environment = environments[name]
            if name in reached:
                yield Fault(path, f"{name!r} is a target of {group.name} already", "name it once")
                continue
            reached[name] = index
            if environment.database_env is None and member == name:
                yield Fault(
                    path,
                    f"{name!r} names no database, which every target of a group must",
                    f"give it one: `environments.{name}.database_env`",
                )
            for place in _places(environment):
                other = places.setdefault(place, name)
                if other != name:
                    whose = "" if place[1] is None else f" and its tenant {place[1]}"
                    yield Fault(path, f"{name!r} is the same database{whose} as {other!r}", "leave one of them out")


def _places(environment: Environment) -> Sequence[tuple[str, str | None]]:
    """Database and tenant of each target, as far as the file says."""
    if environment.database_env is None:
        return ()
    if environment.tenants is None:
        return ((environment.database_env, environment.tenant),)
    return tuple((environment.database_env, tenant) for tenant in environment.tenants.listed)


def _reachable(name: str, groups: Mapping[str, Group]) -> frozenset[str]:
    """``name`` and all that it names, directly or by way of others."""
    found: set[str] = set()
    rest = [name]
    while rest:
        current = rest.pop()
        if current not in found:
            found.add(current)
            rest += groups[current].members if current in groups else ()
    return frozenset(found)
