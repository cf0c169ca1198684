"""The account that the embedded server runs as.

PostgreSQL refuses to run as root. A plain user runs it himself; root runs it as an account that exists already and has
no privileges. No account is ever created (design/libraries.md, "Embedded PostgreSQL").
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from wfsync.store.embedded_errors import start_failed

CANDIDATES: Final = ("postgres", "_postgres", "pgsql", "nobody", "daemon")
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All that a server program gets to see: no PG* variable, no locale, no HOME of the caller."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server. ``switch`` is true when wfsync runs as root and must become somebody else for it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdout: int = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        timeout: float = 120.0,
        keep: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs ``command`` as this account, cut off from the terminal, with a clean environment and a private umask.

        ``keep`` are open files for it to inherit.
        Raises OSError when it cannot be executed or takes too long.
        """
        identity: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=timeout,
                check=False,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                start_new_session=True,
                pass_fds=keep,
                **identity,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(errno.ETIMEDOUT, f"took longer than {timeout:.0f} s", str(command[0])) from error

    def works(self) -> bool:
        """True when this process may become the account (it may not inside a container that maps few users)."""
        try:
            return self.run(["/bin/sh", "-c", ":"]).returncode == 0
        except OSError:
            return False

    def reaches(self, folder: Path) -> bool:
        """True when the account can enter ``folder``: every parent lets it pass."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        try:
            return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0
        except OSError:
            return False

    def own(self, path: Path) -> None:
        """Gives a folder that this process has just made to the account; nothing for a plain user."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def is_root() -> bool:
    """True when this process runs with root's rights."""
    return os.geteuid() == 0


def server_account(data_dir: Path) -> Account:
    """The account for a server on ``data_dir``: its owner if the folder exists, else the first that works.

    Raises DatabaseError(EMBEDDED_START_FAILED) when root finds nobody to run it as.
    """
    if not is_root():
        uid = os.geteuid()
        return Account(name_of(uid), uid, os.getegid(), switch=False)
    try:
        owner = os.lstat(data_dir)
    except OSError:
        owner = None
    if owner is not None and owner.st_uid != 0:
        return Account(name_of(owner.st_uid), owner.st_uid, owner.st_gid, switch=True)
    for account in _unprivileged():
        if account.works():
            return account
    raise start_failed(
        "PostgreSQL refuses to run as root, and none of the accounts "
        + ", ".join(CANDIDATES)
        + " can be used on this machine",
        hint="run wfsync as a plain user",
    )


def _unprivileged() -> Iterator[Account]:
    import pwd  # POSIX only

    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            yield Account(name, entry.pw_uid, entry.pw_gid, switch=True)


def name_of(uid: int) -> str:
    """The account's name, or its number if no file knows it."""
    import pwd  # POSIX only

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers run as users that no file knows
        return str(uid)
