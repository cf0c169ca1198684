"""load → does a registry have all that the workflows of a repository need, and what does nobody need?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.registry import Missing, Registry
from wfsync.errors import Problem
from wfsync.repo.source import Source
from wfsync.state.desired import begin_loading, missing_dependencies

__all__ = ["Coverage", "cover"]

_FORM: Final = "task."
"""Begins the name of what people may answer to a type of task. No workflow names its form, so none is unused."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """A registry held against workflows."""

    workflows: int
    lacking: int
    """How many workflows need something that is not offered."""
    problems: tuple[Problem, ...]
    """``MISSING_DEPENDENCIES``, one for each of those."""
    unused: Missing
    """What is offered and not needed by any."""


def cover(source: Source, options: LoadOptions, registry: Registry) -> Coverage:
    """Hold ``registry`` against every file of ``source``, as `wfsync plan` would; its order is that of the keys.

    Raises `InputError` with every fault of every file when they are not sound.
    """
    from msgspec.structs import replace as changed

    # What a registry that offers nothing lacks is all that is needed
    loading = begin_loading(source, replace(options, digests=False, registry=Registry()))
    try:
        state = loading.finish()
    finally:
        loading.close()
    needed = Missing()
    held = []
    for item in state.by_key.values():
        needs = item.missing or Missing()
        needed = needed.union(needs)
        lacks = registry.missing(Dependencies(needs.actions, needs.node_types, needs.schema_refs))
        held.append(changed(item, missing=lacks or None))
    problems = tuple(missing_dependencies(held))
    return Coverage(len(held), len(problems), problems, _unused(registry, needed))


def _unused(registry: Registry, needed: Missing) -> Missing:
    return Missing(
        tuple(sorted(registry.actions.difference(needed.actions))),
        tuple(sorted(registry.node_types.difference(needed.node_types))),
        tuple(ref for ref in sorted(registry.schema_refs.difference(needed.schema_refs)) if not ref.startswith(_FORM)),
    )
