"""The embedded PostgreSQL: a whole server under ``.wfsync/`` of the repository, started on demand and shared.

Specification: design/libraries.md, "Embedded PostgreSQL"; cli.md, ``db status|url|stop|reset``. Read `EmbeddedServer`
first; `binaries` finds the programs, `embedded_places` says where things are and whom they may be trusted to,
`embedded_account` who runs the server, `embedded_process` starts and ends it, `embedded_wire` asks whether it answers.

The server outlives the command that started it, until ``wfsync db stop``. It has no network address, trusts whoever
reaches its socket, and keeps the socket in a folder of mode 0700. No module here imports the driver: a warm start
costs milliseconds.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store.binaries import Binaries, find_binaries
from wfsync.store.embedded_account import server_account
from wfsync.store.embedded_copy import reachable
from wfsync.store.embedded_errors import NAME_A_DATABASE, explained, start_failed
from wfsync.store.embedded_pid import postmaster_of
from wfsync.store.embedded_places import (
    SOCKET_NAME,
    Home,
    drop_socket_folder,
    forget_home,
    home_of,
    lock_file,
    make_home,
    make_lock_folder,
    make_socket_folder,
    socket_folder,
)
from wfsync.store.embedded_process import DATABASE, PORT, USER, bring_up, log_file, make_data, shut_down
from wfsync.store.embedded_wire import Answer, ServerSays, ask, execute

__all__ = ["EmbeddedServer", "Endpoint", "ServerStatus"]

POSIX: Final = os.name == "posix"
LOCK_WAIT: Final = 120.0
"""Seconds to wait for another process that starts, stops or resets the server."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the embedded server listens."""

    socket_dir: Path
    port: int = PORT
    user: str = USER
    database: str = DATABASE

    def conninfo(self) -> str:
        """The address as libpq's ``keyword=value`` text.

        Connect without the ``PG*`` variables all the same: some of them (``PGSERVICE``) no keyword can override.
        """
        words = {
            "host": str(self.socket_dir),
            "hostaddr": "",
            "port": str(self.port),
            "user": self.user,
            "dbname": self.database,
            "options": "",
            "sslmode": "disable",
            "gssencmode": "disable",
            "channel_binding": "disable",
            "target_session_attrs": "any",
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in words.items())

    def url(self) -> str:
        """The same as a URL, for people and for ``psql``."""
        return (
            f"postgresql://{self.user}@/{self.database}?host={quote(str(self.socket_dir), safe='/')}&port={self.port}"
        )


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What ``wfsync db status`` says about the embedded server."""

    state: Literal["stopped", "starting", "running"]
    version: str | None
    """The running server's version, else that of the programs that would be started."""
    data_dir: Path
    socket_dir: Path | None
    log: Path
    pid: int | None
    binaries: Binaries | None
    """The programs for the next start; None when there are none."""
    unavailable: str | None = None
    """Why there are none."""


class EmbeddedServer:
    """The server of one repository. ``root`` is its ``.wfsync`` folder, which need not exist yet.

    Any number of processes may use one at once: whoever comes first starts it, under a lock. ``patience`` is how long
    to wait for that lock. Nothing but `start`, `stop` and `reset` changes anything.
    """

    def __init__(self, root: Path, *, patience: float = LOCK_WAIT) -> None:
        absolute = root.absolute()
        self._root = Path(os.path.realpath(absolute.parent)) / absolute.name  # whose last name is not followed
        self._patience = patience

    def start(self) -> Endpoint:
        """The endpoint of a server that answers and has the database, started if need be.

        Raises DatabaseError: EMBEDDED_UNAVAILABLE without fitting programs, EMBEDDED_START_FAILED with the reason when
        it cannot start here; LockTimeout when another process holds the lock too long.
        """
        self._require_posix()
        with explained(f"{self._root} cannot hold a database"):
            home = home_of(self._root)
            folder = socket_folder(home)
            if folder is not None and _ask(folder).state == "ready":
                _bound_log(home)
                return Endpoint(folder)
            make_lock_folder(self._root)
            with self._locked():
                return self._start_cold()

    @property
    def is_ready(self) -> bool:
        """Whether `start` would find a server that answers and has the database, and change nothing."""
        try:
            self._require_posix()
            with explained(f"{self._root} cannot be examined"):
                folder = socket_folder(home_of(self._root))
                return folder is not None and _ask(folder).state == "ready"
        except DatabaseError:
            return False  # `start` says why

    def status(self) -> ServerStatus:
        """What can be said without changing or waiting for anything. Raises DatabaseError(EMBEDDED_START_FAILED)."""
        self._require_posix()
        with explained(f"{self._root} cannot be examined"):
            home = home_of(self._root)
            folder = socket_folder(home)
            answer = _ask(folder) if folder is not None else Answer("absent")
            pid = postmaster_of(home.data)
        state: Literal["stopped", "starting", "running"] = "stopped"
        if answer.alive and answer.state != "starting":
            state = "running"
        elif pid is not None:
            state = "starting"
        binaries, reason = None, None
        try:
            binaries = find_binaries(home.data)
        except DatabaseError as error:
            reason = error.message
        version = answer.version or (binaries.version if binaries else None)
        return ServerStatus(state, version, home.data, folder, home.log, pid, binaries, reason)

    def stop(self) -> bool:
        """Ends the server, open sessions included; False when none was running. Raises as `start` does."""
        self._require_posix()
        with explained("it cannot be stopped"):
            if not lock_file(self._root).parent.is_dir():
                return False
            with self._locked():
                home = home_of(self._root)
                stopped = shut_down(home.data)
                drop_socket_folder(home)
                return stopped

    def reset(self) -> bool:
        """Ends the server and removes its data for good; False when there was none. Raises as `start` does."""
        self._require_posix()
        with explained("its data cannot be removed"):
            if not lock_file(self._root).parent.is_dir():
                return False
            with self._locked():
                home = home_of(self._root)
                shut_down(home.data, keep=False)
                drop_socket_folder(home)
                existed = os.path.lexists(home.data)
                for path in (home.data, home.run, home.log, home.record, home.alive, *home.path.glob("initdb-*")):
                    _remove(path)
                forget_home(self._root, home)
                return existed

    def _start_cold(self) -> Endpoint:
        """The caller holds the lock."""
        home = home_of(self._root)
        folder = socket_folder(home)
        answer = _ask(folder) if folder is not None else Answer("absent")
        if folder is None or answer.state not in ("ready", "no_database"):
            account = server_account(home.data)
            home = make_home(self._root, account)
            binaries = reachable(find_binaries(home.data), account, home)
            make_data(home, binaries, account)
            folder = make_socket_folder(home, account)
            answer = bring_up(home, folder, binaries, account)
        if answer.state == "no_database":
            _create_database(folder)
        return Endpoint(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock file; the system lets go of it when this process ends, however it ends."""
        path = lock_file(self._root)
        deadline = time.monotonic() + self._patience
        while (descriptor := _try_lock(path)) is None:
            if time.monotonic() > deadline:
                raise LockTimeout(
                    f"another process has been starting or stopping the embedded PostgreSQL for {self._patience:.0f} s",
                    hint=f"try again, or {NAME_A_DATABASE}",
                    details={"lock": str(path)},
                )
            time.sleep(0.02)
        try:
            yield
        finally:
            os.close(descriptor)

    def _require_posix(self) -> None:
        if not POSIX:
            raise start_failed("it needs a POSIX system (Linux, macOS)")


def _try_lock(path: Path) -> int | None:
    """An open file that holds the lock; None while somebody else does. Raises OSError."""
    import fcntl  # POSIX only

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held; or removed with its folder while we opened it
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _ask(folder: Path) -> Answer:
    return ask(folder / SOCKET_NAME, USER, DATABASE)


def _create_database(folder: Path) -> None:
    try:
        execute(folder / SOCKET_NAME, USER, "postgres", f"CREATE DATABASE {DATABASE}")
    except (ServerSays, OSError, EOFError) as error:
        raise start_failed(f"its database cannot be created: {error}") from error


def _bound_log(home: Home) -> None:
    """Keeps the log of a server that runs for months from filling the disk; the log of somebody else is left alone."""
    try:
        with log_file(home):
            pass
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOENT):
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"
