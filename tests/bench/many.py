"""Many targets: fifty workflows for each tenant of one database, as many tenants as the size gives."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.corpora import Corpora
from bench.measure import Program
from bench.server import environment, wfsync

if TYPE_CHECKING:
    from bench.scenarios import Bench

__all__ = ["PER_TENANT", "apply_to_all", "floor_create", "floor_plan", "plan_all"]

PER_TENANT: Final = 50
_VARIABLE: Final = "BENCH_MANY_URL"


def tenants(bench: Bench) -> int:
    """How many there are."""
    return max(bench.size // PER_TENANT, 1)


def _repository(bench: Bench) -> Path:
    """Fifty workflows, and an environment with all tenants."""
    made = bench.scratch / f"many-{bench.size}"
    if not made.exists():
        shutil.copytree(Corpora(bench.corpora.cache, PER_TENANT).repository("base"), made)
        listed = ", ".join(f'"{uuid.UUID(int=number + 1)}"' for number in range(tenants(bench)))
        group = f"environments:\n  customers: {{ database_env: {_VARIABLE}, tenants: {{ also: [{listed}] }} }}\n"
        config = made / "wfsync.yaml"
        config.write_text(config.read_text() + group)
    return made


def _environment(bench: Bench, database: str) -> dict[str, str]:
    cache = str(bench.corpora.cache / "remembered")
    return environment(cache) | {_VARIABLE: bench.server.conninfo(database)}


def _command(bench: Bench, database: str, *arguments: str, says: str) -> Program:
    command = [wfsync(), "--quiet", *arguments, "-e", "customers"]
    return Program(command, _repository(bench), _environment(bench, database), says=f"{tenants(bench)} {says}")


def _full(bench: Bench) -> str:
    """A database that holds the workflows of every tenant; kept as long as the server."""
    name = f"many_{bench.size}"
    if bench.server.make(name):
        command = [wfsync(), "--quiet", "apply", "-e", "customers"]
        subprocess.run(
            command,
            cwd=_repository(bench),
            env=_environment(bench, name),
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=600,
        )
        bench.server.vacuum(name)
    return name


@contextmanager
def apply_to_all(bench: Bench) -> Iterator[Program]:
    """Every tenant is empty."""
    with bench.server.copy("empty") as database:
        yield _command(bench, database, "apply", says="applied")


@contextmanager
def floor_create(bench: Bench) -> Iterator[Program]:
    """The files once, the rows for every tenant."""
    with bench.server.copy("empty") as database:
        yield _floor(bench, "create", database)


def plan_all(*options: str) -> Callable[[Bench], AbstractContextManager[Program]]:
    """Nothing changed anywhere."""

    @contextmanager
    def prepare(bench: Bench) -> Iterator[Program]:
        yield _command(bench, _full(bench), "plan", *options, says="in sync")

    return prepare


@contextmanager
def floor_plan(bench: Bench) -> Iterator[Program]:
    """The files once, and the rows of every tenant."""
    yield _floor(bench, "plan", _full(bench))


def _floor(bench: Bench, what: str, database: str) -> Program:
    count = tenants(bench)
    folder = _repository(bench) / "workflows"
    return bench.floor(what, folder, database, "--tenants", str(count), says=str(count * PER_TENANT))
