"""Databases with the engine's tables, and actions that count what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from databases import Databases
from running import Instance, RunningDatabases
from servers import Server
from wfsync.runtime.registry import Action


@pytest.fixture(scope="session")
def _running(server: Server, _databases: Databases) -> RunningDatabases:
    return RunningDatabases(server, _databases)


@pytest.fixture
def running_database(_running: RunningDatabases) -> Iterator[RunningDatabases]:
    """Call it for a fresh database that can execute."""
    yield _running
    _running.drop()


@pytest.fixture
def instance(running_database: RunningDatabases) -> Iterator[Callable[..., Instance]]:
    """``instance(action, …)``: an instance of its own that knows these actions."""
    made: list[Instance] = []

    def make(*actions: Action, **options: object) -> Instance:
        made.append(Instance(running_database(), *actions, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
