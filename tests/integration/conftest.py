"""A real PostgreSQL for every worker, and fresh databases on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from databases import Databases
from servers import Server, new_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for this worker's whole session; tests share it, so they must not change its settings."""
    server = new_server()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def _databases(server: Server) -> Databases:
    return Databases(server)


@pytest.fixture
def database(_databases: Databases) -> Iterator[Databases]:
    """Call it with a layout (``wfsync``, ``A``, ``A½``, ``B``, ``B-Citus``, ``empty``) for a fresh `Database`."""
    yield _databases
    _databases.drop()
