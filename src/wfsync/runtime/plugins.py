"""What can be executed on this machine: what wfsync brings, and what installed packages add to it (spec: runtime.md
"Registry").

A package names a `Plugin`, or a callable that makes one, as an entry point of the group ``wfsync.plugins``. Its code is
not ours: whatever it does wrong becomes a named problem, and what it prints while it is loaded goes to stderr. A plugin
with any fault offers nothing, because half a plugin would fail by night.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wfsync.errors import ConfigError, Place, Problem
from wfsync.runtime.builtin import built_in
from wfsync.runtime.plugin_checks import plugin_faults
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Plugin, Registry

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Discovery", "Package", "discover", "installed", "raise_if_failed"]

GROUP: Final = "wfsync.plugins"
FAILED: Final = "PLUGIN_FAILED"
DUPLICATE: Final = "PLUGIN_DUPLICATE"

Entry = TypeVar("Entry", Action, NodeType, PayloadSchema)


@dataclass(frozen=True, slots=True)
class Package:
    """Where a plugin comes from."""

    plugin: str
    """The plugin's own name."""
    entry_point: str
    distribution: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything that is installed and sound, and why the rest is not."""

    registry: Registry
    packages: tuple[Package, ...] = ()
    problems: tuple[Problem, ...] = ()


@cache
def installed() -> Registry:
    """What can be executed here: built-ins and plugins, found once for each process.

    Raises `ConfigError` (``PLUGIN_FAILED``, ``PLUGIN_DUPLICATE``) with every problem of every plugin: without one of
    them, what it offers would be missing in the middle of a run.
    """
    found = discover()
    raise_if_failed(found)
    return found.registry


def raise_if_failed(found: Discovery) -> None:
    """Raise `ConfigError` when a plugin of ``found`` cannot be used."""
    if not found.problems:
        return
    names = sorted({problem.details["plugin"] for problem in found.problems})
    raise ConfigError(
        f"{len(names)} plugin{'s' * (len(names) != 1)} cannot be used: {', '.join(names)}",
        code=found.problems[0].code,
        hint="repair or uninstall what is named; `wfsync registry list` shows what is left",
        problems=found.problems,
    )


def discover(entry_points: Iterable[EntryPoint] | None = None) -> Discovery:
    """Load every plugin, of those that are installed or of ``entry_points``. Never raises for what a plugin does."""
    if entry_points is None:
        from importlib.metadata import entry_points as found

        entry_points = found(group=GROUP)
    together = _Together()
    together.add(built_in(), "wfsync")
    packages = []
    for entry_point in sorted(entry_points, key=lambda e: (e.name, e.value)):
        plugin, problems = _load(entry_point)
        together.problems += problems
        if plugin is not None and together.add(plugin, entry_point.name):
            distribution = entry_point.dist
            name, version = (None, None) if distribution is None else (distribution.name, distribution.version)
            packages.append(Package(plugin.name, entry_point.name, name, version))
    return Discovery(
        Registry.of(together.actions.values(), together.node_types.values(), together.schemas.values()),
        tuple(packages),
        tuple(together.problems),
    )


class _Together:
    """Plugins that are being put together; the first one that offers something keeps it."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.node_types: dict[str, NodeType] = {}
        self.schemas: dict[str, PayloadSchema] = {}
        self.problems: list[Problem] = []

    def add(self, plugin: Plugin, entry_point: str) -> bool:
        """Take all of ``plugin`` in; none of it, but a problem for each, when another one offers the same."""
        actions = {f"the action {action.id} version {action.version}": action for action in plugin.actions}
        node_types = {f"the node type {node.id}": node for node in plugin.node_types}
        schemas = {f"the payload schema {entry.ref}": entry for entry in plugin.schemas}
        twice = [
            *_shared(actions, self.actions, entry_point),
            *_shared(node_types, self.node_types, entry_point),
            *_shared(schemas, self.schemas, entry_point),
        ]
        if twice:
            self.problems += twice
            return False
        self.actions.update({name: replace(action, origin=plugin.name) for name, action in actions.items()})
        self.node_types.update({name: replace(node, origin=plugin.name) for name, node in node_types.items()})
        self.schemas.update({name: replace(entry, origin=plugin.name) for name, entry in schemas.items()})
        return True


def _shared(new: dict[str, Entry], known: dict[str, Entry], entry_point: str) -> Iterable[Problem]:
    for name in sorted(new.keys() & known.keys()):
        yield Problem(
            code=DUPLICATE,
            message=f"the plugin {entry_point} offers {name}, and so does {known[name].origin}",
            hint="uninstall one of the two, or have it offered under another name or version",
            details={"plugin": entry_point, "other": known[name].origin},
        )


def _load(entry_point: EntryPoint) -> tuple[Plugin | None, list[Problem]]:
    """The plugin behind an entry point, or why there is none."""
    try:
        with redirect_stdout(sys.stderr):
            given: Any = entry_point.load()
            if not isinstance(given, Plugin) and callable(given):
                given = given()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return None, [_failed(entry_point, f"cannot be loaded: {' '.join(what.split())}", _place(error.__traceback__))]
    if not isinstance(given, Plugin):
        return None, [_failed(entry_point, f"gives a {type(given).__name__}, not a wfsync.runtime.registry.Plugin")]
    faults = [_failed(entry_point, fault) for fault in plugin_faults(given)]
    return (None, faults) if faults else (given, [])


def _failed(entry_point: EntryPoint, fault: str, place: Place | None = None) -> Problem:
    distribution = None if entry_point.dist is None else entry_point.dist.name
    package = "" if distribution is None else f" of {distribution}"
    return Problem(
        code=FAILED,
        message=f"the plugin {entry_point.name} ({entry_point.value}){package}: {fault}",
        place=place,
        hint="repair or uninstall it",
        details={"plugin": entry_point.name, "value": entry_point.value, "distribution": distribution},
    )


def _place(traceback: TracebackType | None) -> Place | None:
    """Where in the plugin's own code it failed; None when that is not where it failed."""
    place = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        foreign = not file.startswith("<") and "importlib" not in Path(file).parts and Path(file) != Path(__file__)
        place = Place(file, traceback.tb_lineno) if foreign else place
        traceback = traceback.tb_next
    return place
