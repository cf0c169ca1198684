"""The embedded server of one bench run, and the databases on it: every run starts from the same state."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed, Identifier

from wfsync.store.embedded import EmbeddedServer, Endpoint

__all__ = ["BenchServer", "environment", "wfsync"]


def wfsync() -> str:
    """The installed program, beside the interpreter that runs the bench."""
    return str(Path(sys.executable).with_name("wfsync"))


def environment(cache: str = "") -> dict[str, str]:
    """The environment of what is measured: nothing in it names a database or a configuration.

    ``cache`` is the folder in which wfsync may remember files; empty: it remembers nothing.
    """
    # An installed program is compiled; one that runs from a checkout may compile itself before the first measured run.
    unwanted = ("PG", "WFSYNC_", "COV_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"WFSYNC_CACHE_DIR": cache}


@dataclass(slots=True)
class BenchServer:
    """Databases are made from templates and dropped again; ``full`` ones hold a corpus."""

    endpoint: Endpoint
    _numbers: count[int] = field(default_factory=count)

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[BenchServer]:
        """A server of its own, stopped and removed at the end."""
        server = EmbeddedServer(folder / ".wfsync")
        try:
            bench = cls(server.start())
            bench._make_empty()
            yield bench
        finally:
            server.reset()

    def conninfo(self, database: str) -> str:
        """How both sides reach a database."""
        return make_conninfo(self.endpoint.conninfo(), dbname=database)

    def full(self, repository: Path, size: int) -> str:
        """A database that holds the workflows of ``repository``; kept, to be copied or read."""
        name = f"full_{size}"
        if self.make(name):
            self.apply(repository, name)
            self.vacuum(name)
        return name

    def make(self, name: str) -> bool:
        """Make an empty database of this name; False when it is there already."""
        if self._exists(name):
            return False
        self._create(name, "empty")
        return True

    def vacuum(self, name: str) -> None:
        """Leave nothing to be done for those who read a database."""
        with psycopg.connect(self.conninfo(name), autocommit=True) as conn:
            conn.execute("VACUUM (FREEZE, ANALYZE)")
        self.settle()

    def apply(self, repository: Path, database: str) -> None:
        """Bring ``repository`` into a database, or renew what is known of it there."""
        command = [wfsync(), "--quiet", "--database", self.conninfo(database), "apply"]
        subprocess.run(command, cwd=repository, env=environment(), check=True, stdout=subprocess.DEVNULL, timeout=600)

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """A fresh copy of a database, dropped again."""
        name = f"run_{next(self._numbers)}"
        self._create(name, template)
        try:
            self.settle()
            yield name
        finally:
            self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def drop(self, name: str) -> None:
        """Give the room of a full database back."""
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def settle(self) -> None:
        """Have everything written that was left to be written, so that nobody pays for what ran before."""
        self._execute(SQL("CHECKPOINT"))

    def version(self) -> str:
        """The server's version."""
        with psycopg.connect(self.conninfo("postgres")) as conn:
            number = conn.info.server_version
        return f"{number // 10000}.{number % 10000}"

    def _make_empty(self) -> None:
        self._create("empty", "template0")
        command = [wfsync(), "--quiet", "--database", self.conninfo("empty"), "db", "upgrade"]
        subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL, timeout=60)

    def _create(self, name: str, template: str) -> None:
        self._execute(
            SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(Identifier(name), Identifier(template))
        )

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.conninfo("postgres")) as conn:
            return conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def _execute(self, statement: SQL | Composed) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as conn:
            conn.execute(statement)
