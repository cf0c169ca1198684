"""``wfsync watch`` as a process that a test talks to: a bare repository to push to, a database, and its log."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Database
from git_repositories import GitRepository
from shop import until
from small_bundles import canonical

__all__ = ["Place", "Watch"]

Sync = dict[str, Any]


@dataclass
class Watch:
    """One running instance; everything that it says is kept."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)
    seen: int = 0
    """Syncs that a test has looked at already."""

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.decode())

    @property
    def syncs(self) -> list[Sync]:
        """Every sync so far."""
        objects = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [one for one in objects if one.get("event") == "sync"]

    def next(self, condition: Callable[[Sync], Any], what: str, seconds: float = 30) -> Sync:
        """Wait for a sync after those that were looked at which fulfils ``condition``."""

        def look() -> Sync | None:
            assert self.process.poll() is None, "".join(self.lines)
            for number, sync in enumerate(self.syncs):
                if number >= self.seen and condition(sync):
                    self.seen = number + 1
                    return sync
            return None

        try:
            found: Sync = until(look, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{''.join(self.lines)}") from None
        return found

    def status(self, status: str, seconds: float = 30) -> Sync:
        """Wait for the next sync that ends like this."""
        return self.next(lambda sync: sync["status"] == status, f"a sync is {status}", seconds)

    def code(self, code: str) -> Sync:
        """Wait for the next sync that fails or is refused with this code."""
        return self.next(lambda sync: sync.get("code") == code, f"a sync says {code}")

    def skip(self) -> None:
        """Look at no sync that has ended until now."""
        self.seen = len(self.syncs)

    @property
    def url(self) -> str:
        """Where it listens."""

        def look() -> str:
            for line in list(self.lines):
                if "listening on " in line:
                    return str(json.loads(line)["message"]).split()[2].rstrip(";")
            return ""

        found: str = until(look, "it listens")
        return found

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """A GET, or with ``body`` a POST."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        try:
            connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float | None:
        """One sample of ``/metrics``, by its name with labels."""
        for line in self.ask("/metrics")[1].splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code."""
        code = self.process.wait(30)
        self._reader.join(10)
        text = "".join(self.lines)
        assert "Traceback" not in text, text
        assert "INTERNAL" not in text, text
        assert self.process.stdout is not None
        assert self.process.stdout.read() == b""
        return code


@dataclass
class Place:
    """A bare repository, a clone of it to push from, and a database."""

    cli: CommandLine
    database: Database
    folder: Path
    started: list[Watch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bare = GitRepository.init(self.folder / "origin.git", "--bare")
        self.work = GitRepository.init(self.folder / "work")
        self.work.git("remote", "add", "origin", str(self.bare.path))
        self.configure()

    def configure(self, more: str = "") -> None:
        """Write ``wfsync.yaml``."""
        self.work.write("wfsync.yaml", f"version: 1\ndirectory: workflows\nsource: test/flows\n{more}".encode())

    def write(self, *bundles: JsonObject) -> None:
        """Write each bundle of one workflow."""
        for bundle in bundles:
            self.work.write(f"workflows/{bundle['workflows'][0]['key']}.json", canonical(bundle))

    def push(self, *bundles: JsonObject, force: bool = False) -> str:
        """Write, commit and push; the commit's id."""
        self.write(*bundles)
        commit = self.work.commit()
        self.work.git("push", "-q", *(["--force"] if force else []), "origin", "main")
        return commit

    def arguments(self, *options: str | Path, conninfo: str | None = None) -> list[str | Path]:
        """``watch`` of the bare repository."""
        tenant = ["--tenant", self.database.tenant] if self.database.tenant else []
        named = ["--database", conninfo or self.database.conninfo, *tenant, "--log-format", "json"]
        return [*named, "watch", "--repo", str(self.bare.path), "--rev", "main", *options]

    def watch(
        self,
        *options: str | Path,
        interval: float = 0.3,
        env: Mapping[str, str] | None = None,
        conninfo: str | None = None,
    ) -> Watch:
        """Start an instance."""
        arguments = self.arguments("--interval", str(interval), *options, conninfo=conninfo)
        made = Watch(self.cli.start(*arguments, cwd=self.folder, env=env))
        self.started.append(made)
        return made

    def once(self, *options: str | Path) -> Result:
        """One sync to its end."""
        return self.cli(*self.arguments("--once", *options), cwd=self.folder)

    def end(self) -> None:
        """Kill what a test has left."""
        for made in self.started:
            if made.process.poll() is None:
                made.process.kill()
                made.process.wait(10)
            for stream in (made.process.stdout, made.process.stderr):
                if stream is not None:
                    made._reader.join(5)
                    stream.close()

    # -- the database --------------------------------------------------------------------------------------------

    def names(self) -> dict[str, str]:
        """The description of every workflow, by key."""
        with self.database.connect() as conn:
            return dict(conn.execute("SELECT key, description FROM workflow_definitions").fetchall())

    def sessions(self, condition: str = "true") -> list[int]:
        """The server's processes that serve wfsync."""
        with self.database.connect() as conn:
            found = conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                f" AND application_name LIKE 'wfsync%' AND {condition}"
            ).fetchall()
        return [pid for (pid,) in found]

    def leaders(self) -> list[int]:
        """The sessions that hold the lead."""
        from wfsync.store.connection import lock_key

        key = lock_key("watch", self.database.tenant or "")
        with self.database.connect() as conn:
            found = conn.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND (classid::bigint << 32 | objid::bigint) = %s AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())",
                [key],
            ).fetchall()
        return [pid for (pid,) in found]

    def applies(self) -> list[tuple[str, str | None]]:
        """Outcome and commit of every apply in the ledger, oldest first."""
        with self.database.connect() as conn:
            try:
                return conn.execute("SELECT outcome, commit_id FROM wfsync.applies ORDER BY at, apply_id").fetchall()
            except psycopg.errors.UndefinedTable:
                return []
