"""What is measured: each command in the situation that the issue names, with its floor and its target."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import many, trials
from bench.corpora import Corpora, Kind
from bench.measure import Program
from bench.server import BenchServer, environment, wfsync

__all__ = ["SCENARIOS", "Bench", "Scenario"]

_FLOOR: Final = Path(__file__).with_name("floor.py")
_SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "workflow-bundle.v1.schema.json"


@dataclass(frozen=True, slots=True)
class Bench:
    """One size on one server; ``scratch`` is empty and removed after the run."""

    corpora: Corpora
    server: BenchServer
    scratch: Path

    @property
    def size(self) -> int:
        return self.corpora.size

    def repository(self, kind: Kind = "base") -> Path:
        return self.corpora.repository(kind)

    def full(self) -> str:
        """The database that holds the base corpus."""
        return self.server.full(self.repository(), self.size)

    def command(
        self, repository: Path | None, database: str | None, *arguments: str, says: str = "", cold: bool = False
    ) -> Program:
        """A command of wfsync, as a user calls it in a repository; ``cold``: it remembers no file of an earlier run."""
        named = () if database is None else ("--database", self.server.conninfo(database))
        cache = "" if cold else str(self.corpora.cache / "remembered")
        return Program([wfsync(), *named, *arguments], repository or self.scratch, environment(cache), says=says)

    def floor(self, what: str, folder: Path | str, database: str | None, *more: str, says: str = "") -> Program:
        """The floor's script, in a process of its own like the commands."""
        command = [sys.executable, str(_FLOOR), what, "--schema", str(_SCHEMA), "--folder", str(folder)]
        if database is not None:
            command += ["--database", self.server.conninfo(database)]
        return Program([*command, *more], self.scratch, environment(), says=says or str(self.size))


Prepared = AbstractContextManager[Program]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``command`` and ``floor`` prepare one run each: the context is entered before it and left after it."""

    name: str
    what: str
    command: Callable[[Bench], Prepared]
    floor: Callable[[Bench], Prepared]
    target: float | None
    """How many times the floor's wall clock is allowed; None: measured only."""
    floor_name: str


def _nothing_changed(bench: Bench) -> str:
    return f"{bench.size} unchanged"


@contextmanager
def _apply_empty(bench: Bench) -> Iterator[Program]:
    with bench.server.copy("empty") as database:
        yield bench.command(bench.repository(), database, "apply", says=f"{bench.size} created")


@contextmanager
def _floor_create(bench: Bench) -> Iterator[Program]:
    with bench.server.copy("empty") as database:
        yield bench.floor("create", bench.repository() / "workflows", database)


def _plan(*options: str, cold: bool = False) -> Callable[[Bench], Prepared]:
    def prepare(bench: Bench) -> Prepared:
        says = _nothing_changed(bench)
        return nullcontext(bench.command(bench.repository(), bench.full(), "plan", *options, says=says, cold=cold))

    return prepare


def _status(bench: Bench) -> Prepared:
    return nullcontext(bench.command(bench.repository(), bench.full(), "status", says=str(bench.size)))


def _floor_plan(bench: Bench) -> Prepared:
    return nullcontext(bench.floor("plan", bench.repository() / "workflows", bench.full()))


def _plan_compact(bench: Bench) -> Prepared:
    program = bench.command(
        bench.repository("compact"), bench.full(), "plan", "--refresh", says=_nothing_changed(bench)
    )
    return nullcontext(program)


def _floor_compact(bench: Bench) -> Prepared:
    return nullcontext(bench.floor("plan", bench.repository("compact") / "workflows", bench.full()))


def _plan_rev(bench: Bench) -> Prepared:
    arguments = ("plan", "--refresh", "--rev", "HEAD")
    return nullcontext(bench.command(bench.repository(), bench.full(), *arguments, says=_nothing_changed(bench)))


def _floor_rev(bench: Bench) -> Prepared:
    git = str(bench.repository() / ".git")
    return nullcontext(bench.floor("plan", "workflows", bench.full(), "--git", git, "--rev", "HEAD"))


def _apply_changed(overwrite: str, *options: str) -> Callable[[Bench], Prepared]:
    @contextmanager
    def prepare(bench: Bench) -> Iterator[Program]:
        with bench.server.copy(bench.full()) as database:
            arguments = ("apply", "--force", "--on-drift", "overwrite", "--overwrite", overwrite, *options)
            if "--refresh" not in options:  # a copy is another database, of which nothing is proved
                bench.server.apply(bench.repository(), database)
                bench.server.settle()
            says = f"{bench.corpora.changed()} overwritten"
            yield bench.command(bench.repository("changed"), database, *arguments, says=says)

    return prepare


@contextmanager
def _export_empty(bench: Bench) -> Iterator[Program]:
    folder = bench.scratch / "out"
    try:
        yield bench.command(None, bench.full(), "--quiet", "export", "--all", "--out", str(folder))
        if len(list(folder.iterdir())) != bench.size:
            raise RuntimeError("export did not write every workflow")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _floor_export(bench: Bench) -> Iterator[Program]:
    folder = bench.scratch / "out"
    try:
        yield bench.floor("export", folder, bench.full())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _export_unchanged(bench: Bench) -> Prepared:
    return nullcontext(bench.command(bench.repository(), bench.full(), "export", "--all", "--check"))


def _validate(*, cold: bool) -> Callable[[Bench], Prepared]:
    return lambda bench: nullcontext(bench.command(bench.repository(), None, "validate", cold=cold))


def _floor_validate(bench: Bench) -> Prepared:
    return nullcontext(bench.floor("validate", bench.repository() / "workflows", None))


_ALL: Final = "--refresh"

SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario("apply-empty", "apply into an empty database", _apply_empty, _floor_create, 1.7, "create"),
    Scenario("plan", "plan --refresh, nothing changed", _plan("--refresh"), _floor_plan, 1.4, "plan"),
    Scenario("plan-cold", "the same, files never seen", _plan("--refresh", cold=True), _floor_plan, None, "plan"),
    Scenario("plan-evidence", "plan, nothing changed", _plan(), _floor_plan, 0.27, "plan"),
    Scenario("status", "status, nothing changed", _status, _floor_plan, 0.27, "plan"),
    Scenario("plan-rev", "plan --rev HEAD, packed", _plan_rev, _floor_rev, None, "plan, packed"),
    Scenario("plan-compact", "plan, files not canonical", _plan_compact, _floor_compact, None, "plan"),
    Scenario("apply-update", "apply 1 %, update, all read", _apply_changed("update", _ALL), _floor_plan, 1.7, "plan"),
    Scenario(
        "apply-replace", "apply 1 %, replace, all read", _apply_changed("replace", _ALL), _floor_plan, 1.7, "plan"
    ),
    Scenario("apply-evidence", "apply 1 %, update", _apply_changed("update"), _floor_plan, 0.67, "plan"),
    Scenario("export-empty", "export to an empty folder", _export_empty, _floor_export, 1.4, "export"),
    Scenario("export-unchanged", "export, nothing changed", _export_unchanged, _floor_plan, 1.4, "plan"),
    Scenario("validate", "validate", _validate(cold=False), _floor_validate, 1.5, "validate"),
    Scenario("validate-cold", "validate, files never seen", _validate(cold=True), _floor_validate, None, "validate"),
    Scenario("many-apply", "apply, empty tenants of 50", many.apply_to_all, many.floor_create, None, "create"),
    Scenario("many-plan", "plan --refresh, the same", many.plan_all(_ALL), many.floor_plan, None, "plan"),
    Scenario("tests-per-second", "test, as many small tests", trials.all_tests, trials.one_test, None, "one test"),
    Scenario("many-evidence", "plan, the same", many.plan_all(), many.floor_plan, None, "plan"),
)
