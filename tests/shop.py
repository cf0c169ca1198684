"""Something to lose: a database in any layout with workflows, versions and finished runs, and a repository that wants
other ones. What a fault test looks at before and after is here too: every row, byte for byte.
"""

from __future__ import annotations

import copy
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from subprocess import Popen, TimeoutExpired
from typing import Any, Final, Literal, TypeAlias

import psycopg

from command_line import CommandLine, Result
from corpus import bundle_at, canonical, dependencies, key_at, mutate
from databases import TENANT, Database, Databases, LayoutName
from rows import session
from wfsync.state.live import read_live
from wfsync.store.connection import snapshot

__all__ = ["CALLER", "KEYS", "NEW", "OLD", "REPLACED", "Ended", "Mode", "Rows", "Shop", "Subject", "until"]

JsonObject = dict[str, Any]
Rows: TypeAlias = dict[str, list[tuple[str, str]]]
Mode: TypeAlias = Literal["replace", "update"]

KEYS: Final = sorted(key_at(index) for index in range(8))
OLD: Final = KEYS[1:7]
"""In the database from the start."""
NEW: Final = (KEYS[0], KEYS[7])
"""Only in the repository: the first and the last in order of key."""
REPLACED: Final = (KEYS[1], KEYS[2], KEYS[6])
"""In both, and different."""
CALLER: Final = KEYS[4]
"""Calls ``REPLACED[0]``, and is itself unchanged."""

_BELOW_RUNS: Final = {
    "workflow_run_steps": {"step_path": "root.steps[0]", "status": "SUCCEEDED"},
    "workflow_run_logs": {"message": "done"},
}


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Wait for ``condition`` to say something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process that was interfered with has ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Subject:
    """One database and one repository of a test."""

    cli: CommandLine
    database: Database
    folder: Path
    processes: list[Popen[bytes]] = field(default_factory=list)

    # -- the program ---------------------------------------------------------------------------------------------

    def arguments(self, *command: str | Path, conninfo: str | None = None) -> list[str | Path]:
        """``command`` on this database."""
        tenant = ["--tenant", self.database.tenant] if self.database.tenant else []
        return ["--database", conninfo or self.database.conninfo, *tenant, *command]

    def run(self, *command: str | Path, **options: Any) -> Result:
        """Run ``command`` to its end."""
        return self.cli(*self.arguments(*command), cwd=self.folder, **options)

    def start(self, *command: str | Path, conninfo: str | None = None) -> Popen[bytes]:
        """Start ``command``; it is killed at the end of the test, at the latest."""
        arguments = self.arguments(*command, conninfo=conninfo)
        process: Popen[bytes] = self.cli.start(*arguments, cwd=self.folder, covered=False)
        self.processes.append(process)
        return process

    def apply(self, mode: Mode = "replace", *options: str | Path) -> Result:
        """Apply the repository with force."""
        return self.run(*options, "apply", "--force", "--overwrite", mode)

    def start_apply(self, mode: Mode = "replace", *options: str | Path, conninfo: str | None = None) -> Popen[bytes]:
        """The same, started."""
        return self.start(*options, "apply", "--force", "--overwrite", mode, conninfo=conninfo)

    def end(self, process: Popen[bytes], number: signal.Signals | None = None) -> Ended:
        """Wait for the end of a process, after sending it a signal."""
        if number is not None:
            process.send_signal(number)
        try:
            stdout, stderr = process.communicate(timeout=40)
        except TimeoutExpired:
            process.kill()
            raise
        ended = Ended(process.returncode, stdout.decode(), stderr.decode())
        assert "Traceback" not in ended.stderr, ended.stderr
        assert "INTERNAL" not in ended.stderr, ended.stderr
        return ended

    # -- the server ----------------------------------------------------------------------------------------------

    def sessions(self, condition: str = "true") -> list[int]:
        """The server's processes that serve wfsync, in ``condition`` of pg_stat_activity."""
        with self.database.connect() as conn:
            found = conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                f" AND application_name LIKE 'wfsync%' AND {condition}"
            ).fetchall()
        return [pid for (pid,) in found]

    def caught(self, *, sessions: int = 1) -> list[int]:
        """Wait until that many sessions of wfsync wait for a lock."""
        waiting = "wait_event_type = 'Lock'"
        found: list[int] = until(
            lambda: pids if len(pids := self.sessions(waiting)) == sessions else [], "wfsync waits for a lock"
        )
        return found

    def gone(self) -> None:
        """Wait until the server has no session of wfsync any more: all that was open is rolled back."""
        until(lambda: not self.sessions(), "the server has ended wfsync's sessions")

    # -- what could be lost --------------------------------------------------------------------------------------

    def rows(self) -> Rows:
        """Every row of every table with the transaction that wrote it, ordered.

        But for the ledger's rows of applies that failed: that it records them is law 4.
        """
        with self.database.connect() as conn:
            tables = conn.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
            ).fetchall()
            kept = {"wfsync.applies": "WHERE outcome <> 'failed'"}
            return {
                table: conn.execute(
                    f"SELECT to_jsonb(t)::text, xmin::text FROM {table} t {kept.get(table, '')} ORDER BY 1"
                ).fetchall()
                for (table,) in tables
            }

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Whatever is done inside leaves every row as it was, its identity and its writer included."""
        before = self.rows()
        yield
        self.gone()
        assert self.rows() == before

    def counts(self) -> dict[str, int]:
        """How many rows each table has, without its schema."""
        return {table.split(".")[1]: len(rows) for table, rows in self.rows().items()}

    def digests(self) -> dict[str, str]:
        """Every workflow's value, by key: equal for equal workflows under any ids. Two rows of a key are an error."""
        with session(self.database) as opened, snapshot(opened.conn):
            state = read_live(opened.conn, opened.layout, opened.tenant).state
        assert not state.ambiguous
        return {key: live.digest for key, live in state.by_key.items()}

    def ids(self) -> dict[str, str]:
        """``workflow_id`` by key."""
        with self.database.connect() as conn:
            return dict(conn.execute("SELECT key, workflow_id::text FROM workflow_definitions").fetchall())

    def dangling(self) -> list[str]:
        """Keys of workflows with a call that leads nowhere."""
        with self.database.connect() as conn:
            rows = conn.execute(
                "SELECT d.key, c #>> '{}' FROM workflow_definitions d"
                " JOIN (SELECT workflow_id, draft_definition AS doc FROM workflow_definitions"
                "  UNION ALL SELECT workflow_id, definition_json FROM workflow_definition_versions) docs"
                " USING (workflow_id), jsonb_path_query(doc, '$.**.workflowId') c"
                " WHERE NOT EXISTS (SELECT FROM workflow_definitions x WHERE x.workflow_id::text = c #>> '{}')"
            ).fetchall()
        return sorted({key for key, _ in rows})

    # -- the repository ------------------------------------------------------------------------------------------

    def path(self, key: str) -> Path:
        """The file of ``key``."""
        return self.folder / "workflows" / f"{key}.json"


class Shop:
    """Makes subjects: one template of a database in each layout, filled once by wfsync itself."""

    def __init__(self, databases: Databases, cli: CommandLine, folder: Path) -> None:
        self._databases = databases
        self._cli = cli
        self._folder = folder
        self._templates: dict[LayoutName, str] = {}
        self._wanted: dict[tuple[LayoutName, Mode], dict[str, str]] = {}
        self._numbers = count()
        _write(folder / "old" / "workflows", {key: _bundle(key) for key in OLD})
        _write(folder / "new" / "workflows", {key: _wanted(key) for key in KEYS})

    @contextmanager
    def subject(self, layout: LayoutName, folder: Path) -> Iterator[Subject]:
        """A fresh copy of the database, and of the repository in ``folder``."""
        database = self._copy(layout)
        target = folder / database.name
        shutil.copytree(self._folder / "new", target)
        subject = Subject(self._cli, database, target)
        try:
            yield subject
        finally:
            for process in subject.processes:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
            database.server.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')

    def wanted(self, layout: LayoutName) -> dict[str, str]:
        """The values of the workflows after an apply that nobody disturbed."""
        if (layout, "replace") not in self._wanted:
            with self.subject(layout, self._folder) as subject:
                done = subject.apply()
                assert done.code == 0, done.stderr
                self._wanted[layout, "replace"] = subject.digests()
        return self._wanted[layout, "replace"]

    def _copy(self, layout: LayoutName) -> Database:
        template = self._templates.get(layout) or self._fill(layout)
        name = f"shop {next(self._numbers)}"
        self._databases.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return Database(name, layout, self._databases.server)

    def _fill(self, layout: LayoutName) -> str:
        server = self._databases.server
        empty = self._databases(layout)
        name = f"shop of {layout} {next(self._numbers)}"
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{empty.name}"')
        subject = Subject(self._cli, Database(name, layout, server), self._folder / "old")
        done = subject.run("apply")
        assert done.code == 0, done.stderr
        with subject.database.connect() as conn:
            _add_runs(conn, subject.database)
        self._templates[layout] = name
        return name


def _write(folder: Path, bundles: dict[str, JsonObject]) -> None:
    folder.mkdir(parents=True)
    for key, bundle in bundles.items():
        (folder / f"{key}.json").write_bytes(canonical(bundle))


def _bundle(key: str) -> JsonObject:
    index = next(i for i in range(len(KEYS)) if key_at(i) == key)
    bundle = bundle_at(seed=4, index=index, count=1000)
    workflow = bundle["workflows"][0]
    holders = [workflow["draft"], *workflow["publishedVersions"]]
    for holder in holders:
        steps = holder["definition"]["steps"]
        steps[:] = [step for step in steps if step["type"] != "control.callWorkflow"]
        if key == CALLER:
            steps.insert(0, call(REPLACED[0]))
    workflow["dependencies"] = dependencies(workflow)
    return bundle


def call(key: str) -> JsonObject:
    """A step that calls the first version of ``key``."""
    return {"id": "hand-over", "type": "control.callWorkflow", "workflowId": key, "workflowVersion": 1}


def _wanted(key: str) -> JsonObject:
    bundle = copy.deepcopy(_bundle(key))
    return mutate(mutate(bundle, Random(key), "publish"), Random(key), "text") if key in REPLACED else bundle


def _add_runs(conn: psycopg.Connection[Any], database: Database) -> None:
    """Two finished runs with what hangs on them, for every workflow that will be replaced and one that will not."""
    column = database.tenant_column
    names, values = (f"{column}, ", f"'{TENANT}', ") if column else ("", "")
    for key in (*REPLACED, CALLER):
        for _ in range(2):
            found = conn.execute(
                f"INSERT INTO workflow_runs ({names}workflow_id, workflow_version, status)"
                f" SELECT {values}workflow_id, 1, 'SUCCEEDED' FROM workflow_definitions WHERE key = %s"
                " RETURNING run_id",
                [key],
            ).fetchone()
            assert found
            for table, columns in _BELOW_RUNS.items():
                conn.execute(
                    f"INSERT INTO {table} ({names}run_id, {', '.join(columns)})"
                    f" VALUES ({values}%s{', %s' * len(columns)})",
                    [found[0], *columns.values()],
                )
