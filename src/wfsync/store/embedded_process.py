"""The server's process: making its data folder, launching it, waiting for its answer, ending it.

Only an answer on the socket proves that a server is up (`embedded_wire`). Which process it is, and whether an old one
is still there, is `embedded_pid`'s business.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from wfsync.store.binaries import Binaries
from wfsync.store.embedded_account import Account
from wfsync.store.embedded_errors import start_failed
from wfsync.store.embedded_pid import is_running, leftovers, postmaster_of, read_pid_file
from wfsync.store.embedded_places import SOCKET_NAME, Home, read_ours, write_ours
from wfsync.store.embedded_wire import Answer, ask

USER: Final = "wfsync"
DATABASE: Final = "wfsync"
PORT: Final = 5432
MARK: Final = "wfsync.made-here"
"""A file in the data folder that says that wfsync made it on this machine; a repository can bring none such."""
LOG_LIMIT: Final = 4 << 20
START_LIMIT: Final = 90.0
"""Seconds that a server may take to answer; recovery after a kill -9 in the middle of bulk work takes some."""
RETRY_LIMIT: Final = 15.0
"""Seconds that what a killed server left behind may take to go away (8 were seen)."""
ORPHAN_GRACE: Final = 2.0
STOP_LIMITS: Final = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast; immediate, which the next start recovers from; by force, for a server that hangs."""

SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    # Committed data survives a kill -9 and a power cut: fsync, full_page_writes and synchronous_commit stay on. Given
    # up are replication and archiving, which lets COPY into a new table skip the WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_timezone": "UTC",
    # The server's own news only. Errors go to the client that made them; they and the statements hold people's texts.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}

_TRANSIENT: Final = re.compile(
    r'pre-existing shared memory block|lock file ".*" (?:already exists|is empty)|is still in use|already in use'
)


def make_data(home: Home, binaries: Binaries, account: Account) -> None:
    """Makes the data folder unless it is there. It appears complete or not at all: a killed initdb leaves no half of
    one.

    Raises OSError, DatabaseError(EMBEDDED_START_FAILED).
    """
    _discard_unfinished(home)
    if os.path.lexists(home.data):
        if home.data.is_symlink() or read_ours(home.data / MARK) is None:
            raise start_failed(
                f"{home.data} was not made by wfsync on this machine, so it is not trusted",
                hint="discard it with `wfsync db reset`",
            )
        return
    made = Path(tempfile.mkdtemp(prefix="initdb-", dir=home.path))
    try:
        account.own(made)
        _initdb(made, binaries, account)
        write_ours(made / MARK, {"version": binaries.version})
        made.rename(home.data)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def bring_up(home: Home, socket_dir: Path, binaries: Binaries, account: Account) -> Answer:
    """Launches the server on ``home.data`` and waits until it answers, through recovery and an old server's remains.

    The caller holds the lock. Raises OSError, DatabaseError(EMBEDDED_START_FAILED) with the log's reason.
    """
    begun = time.monotonic()
    launched: int | None = None
    logged = 0
    while True:
        answer = ask(socket_dir / SOCKET_NAME, USER, DATABASE)
        if answer.state in ("ready", "no_database"):
            return answer
        if answer.state == "refused":
            raise start_failed(f"the server says: {answer.message}", log=home.log)
        waited = time.monotonic() - begun
        serving = postmaster_of(home.data)
        if serving is None and launched is not None and not is_running(launched):
            _judge(home, logged, waited)
            launched = None
        if serving is None and launched is None:
            logged = _size(home.log)
            launched = _launch_alone(home, socket_dir, binaries, account, waited)
        elif serving is not None and answer.state == "absent" and _lost_its_socket(home.data, socket_dir):
            shut_down(home.data)
            launched = None
        elif waited > START_LIMIT:
            raise start_failed(
                f"the server (process {serving or launched}) gave no answer for {waited:.0f} s",
                log=home.log,
                hint="try again later, or `wfsync db stop`",
            )
        time.sleep(0.01 if waited < 1 else 0.1)


def shut_down(data_dir: Path, *, keep: bool = True) -> bool:
    """Ends the server of ``data_dir``: fast, then harder. False when none was running.

    Without ``keep`` its data will not be wanted again, so it need not write any of it.

    Raises OSError, DatabaseError(EMBEDDED_START_FAILED) when it survives everything.
    """
    pid = postmaster_of(data_dir)
    if pid is None:
        return False
    for number, limit in STOP_LIMITS if keep else STOP_LIMITS[1:]:
        deadline = time.monotonic() + limit
        _signal(pid, number)
        _signal(pid, signal.SIGCONT)  # a stopped process hears nothing else
        while time.monotonic() < deadline:
            if postmaster_of(data_dir) != pid:
                return True
            time.sleep(0.01)
    raise start_failed(f"process {pid} does not end")


@contextmanager
def log_file(home: Home) -> Iterator[IO[bytes]]:
    """The server's log, open for appending; emptied first when it has grown past `LOG_LIMIT`. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(home.log, flags, 0o600), "ab") as file:
        if os.fstat(file.fileno()).st_size > LOG_LIMIT:
            file.truncate(0)
        yield file


def _discard_unfinished(home: Home) -> None:
    """Removes what an initdb left whose starter was killed, and ends it if it still works on."""
    for folder in home.path.glob("initdb-*"):
        deadline = time.monotonic() + 2
        while folder.is_dir() and time.monotonic() < deadline:
            for pid in leftovers(folder):
                _signal(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def _initdb(folder: Path, binaries: Binaries, account: Account) -> None:
    locale = ["--locale=C"]
    if binaries.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [
        str(binaries.bin / "initdb"),
        "-D",
        str(folder),
        "-U",
        USER,
        "--encoding=UTF8",
        *locale,
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-instructions",
        "--no-sync",
    ]
    # --no-sync: until the system has written it (half a minute), a power cut can cost a database that was just made.
    done = account.run(command)
    if done.returncode != 0:
        lines = _lines(done.stderr)
        raise start_failed("initdb failed: " + (_reason(lines) or f"status {done.returncode}"), lines=lines)


def _launch_alone(home: Home, socket_dir: Path, binaries: Binaries, account: Account, waited: float) -> int | None:
    """Launches a server, unless a process of an earlier one still lives: then None, and harder measures as time passes.

    Every server process inherits a lock on ``home.alive``. That is seen also where process numbers mean nothing: from
    another container on the same files.
    """
    import fcntl  # POSIX only

    descriptor = os.open(home.alive, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waited > ORPHAN_GRACE:
            for pid in leftovers(home.data):
                _signal(pid, signal.SIGQUIT if waited < 2 * ORPHAN_GRACE else signal.SIGKILL)
        if waited > RETRY_LIMIT:
            raise start_failed(
                f"processes of an earlier server still use {home.data}", hint="end them, in every container that has it"
            ) from None
        return None
    else:
        _sweep(home, socket_dir)
        return _launch(home, socket_dir, binaries, account, descriptor)
    finally:
        os.close(descriptor)


def _launch(home: Home, socket_dir: Path, binaries: Binaries, account: Account, alive: int) -> int:
    """Starts a server that outlives this process, its terminal and its pipes; returns its process id.

    A shell puts it into the background and ends, so that init inherits it: as a child of ours it would stay a zombie
    after its death, and look alive to the next server.
    """
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [str(binaries.bin / "postgres"), "-D", str(home.data), "-k", str(socket_dir), "-p", str(PORT), *options]
    with log_file(home) as log:
        script = '"$@" </dev/null >&2 & echo $!'
        done = account.run(["/bin/sh", "-c", script, "sh", *command], stderr=log, keep=(alive,))
    if not done.stdout.strip().isdigit():
        raise start_failed("no process could be started", log=home.log)
    return int(done.stdout)


def _judge(home: Home, logged: int, waited: float) -> None:
    """The server that was launched has ended: raise, unless the reason goes away by itself soon."""
    with home.log.open("rb") as file:
        file.seek(logged if logged <= _size(home.log) else 0)
        lines = _lines(file.read(65536))
    transient = any(_TRANSIENT.search(line) for line in lines)
    if not transient or waited > RETRY_LIMIT:
        full = shutil.disk_usage(home.path).free == 0
        unsaid = "no space is left on the disk" if full else "the server ended without a word"
        raise start_failed(_reason(lines) or unsaid, log=home.log, lines=lines)
    time.sleep(0.1)


def _sweep(home: Home, socket_dir: Path) -> None:
    """Removes the names that a dead server left and that would stop the next one.

    PostgreSQL takes any live process with the recorded number for its predecessor. Here it is known that none is;
    should one be left after all, its shared memory segment still keeps a second server off the data.
    """
    claimed = read_pid_file(home.data)
    if claimed is not None and _exists(claimed.pid):
        (home.data / "postmaster.pid").unlink(missing_ok=True)
    for name in (SOCKET_NAME, SOCKET_NAME + ".lock"):
        (socket_dir / name).unlink(missing_ok=True)


def _lost_its_socket(data_dir: Path, socket_dir: Path) -> bool:
    """True for a server that has long been up while its socket is gone (a cleaner of temporary folders came by)."""
    claimed = read_pid_file(data_dir)
    return claimed is not None and claimed.ready and not (socket_dir / SOCKET_NAME).exists()


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _lines(output: bytes) -> tuple[str, ...]:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    return tuple(line for line in lines if line)[-12:]


def _reason(lines: tuple[str, ...]) -> str:
    """The line that says why: the last FATAL or PANIC, else the last error, else the last line."""
    for mark in ("FATAL:", "PANIC:", "error:", "ERROR:"):
        for line in reversed(lines):
            if mark in line:
                return line[line.index(mark) + len(mark) :].strip()
    return lines[-1] if lines else ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
