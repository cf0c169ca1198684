"""A repository's parts put together to a suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from wfsync.bundle.declared import Declared
from wfsync.bundle.load import LoadOptions
from wfsync.repo.source import Source
from wfsync.runtime.plugins import installed
from wfsync.runtime.registry import Registry
from wfsync.runtime.stubs import combined, stub_actions
from wfsync.testing.model import Case
from wfsync.testing.running import Suite
from wfsync.testing.trial import InProcess
from wfsync.testing.workflows import Workflows

__all__ = ["assemble"]


def assemble(
    cases: Sequence[Case],
    source: Source,
    options: LoadOptions,
    declared: Declared | None,
    engine: Literal["in-process", "dbos"] = "in-process",
) -> Suite:
    """The suite of ``cases`` about the workflows in ``source``.

    ``engine`` says where runs are carried out: here, or on a database that is thrown away. Raises `ConfigError` where a
    plugin cannot be used, or wfsync lacks what runs workflows.
    """
    real = installed()
    registry = combined(real, declared, stubs=True)
    workflows = Workflows(source, options, registry)

    def stubs() -> Registry:
        return Registry() if declared is None else stub_actions(declared, real)

    if engine == "dbos":
        from wfsync.runtime.worker import require_installed
        from wfsync.testing.on_database import OnDatabase

        require_installed()
        return Suite(cases, workflows, registry, OnDatabase(workflows, registry, stubs))
    return Suite(cases, workflows, registry, InProcess(workflows, registry, stubs))
