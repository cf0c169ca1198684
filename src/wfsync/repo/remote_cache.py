"""Where clones of repositories elsewhere are kept: one bare repository for each URL, in folders that only we may enter.

``<cache>/repos/<hash of the URL>.git``, and a lock file beside it: one process at a time fetches, any number read. A
clone is made beside its place and renamed when it is complete, so that one that was interrupted is never taken for a
repository; what it leaves is removed by the next.
"""

# Folders of one process's own: plain text paths, as in `cache`.
# ruff: noqa: PTH103, PTH104

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wfsync.errors import Problem, RepositoryError
from wfsync.repo.cache import cache_folder
from wfsync.repo.layout import printable

__all__ = ["CloneCache", "open_cache"]

_POLL_SECONDS: Final = 0.05
_KIND: Final = "repos"


@dataclass(frozen=True, slots=True)
class CloneCache:
    """A folder of clones, checked: it is ours, and nobody else can write to it."""

    folder: str
    notes: tuple[Problem, ...] = ()
    """Why it is a temporary one, if it is."""

    def clone(self, name: str) -> str:
        """The path of the clone called ``name``, whether it exists or not."""
        return f"{self.folder}/{name}.git"

    @contextmanager
    def locked(self, name: str, wait_seconds: float) -> Iterator[None]:
        """The right to change the clone; it ends with the process, whatever happens to that.

        Raises `RepositoryError`: ``REMOTE_LOCKED`` when another process still has it after ``wait_seconds``,
        ``REMOTE_CACHE`` when the lock file cannot be made.
        """
        handle = _lock(f"{self.folder}/{name}.lock", wait_seconds)
        try:
            _remove_leftovers(self.folder, name)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def replacing(self, name: str) -> Iterator[str]:
        """A new folder that becomes the clone when the block ends well, and vanishes when it does not."""
        new = f"{self.folder}/{name}.new-{secrets.token_hex(8)}"
        try:
            yield new
            old = f"{self.folder}/{name}.old-{secrets.token_hex(8)}"
            place = self.clone(name)
            if os.path.lexists(place):
                os.rename(place, old)
            os.rename(new, place)
            _remove(old)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            _remove(new)


def open_cache(environ: Mapping[str, str], folder: str | Path | None = None) -> CloneCache:
    """The folder of clones: ``folder``, else the user's cache (`wfsync.repo.cache`).

    Where that cannot be written or is not safe, a temporary one that goes with this process, and a note that says so.
    """
    base = cache_folder({"WFSYNC_CACHE_DIR": str(folder)} if folder is not None else environ)
    place = f"{base}/{_KIND}" if base is not None else None
    if place is not None and (why := _unsafe(place)) is None:
        return CloneCache(place)
    if place is None:
        why = "there is no cache folder that this user alone can write to"
    temporary = tempfile.mkdtemp(prefix="wfsync-repos-")
    note = Problem(
        code="REMOTE_CACHE_UNUSABLE",
        severity="warning",
        message=f"{why}; the repository is cloned into a temporary folder, and again by the next command",
        hint="name a folder of this user by WFSYNC_CACHE_DIR",
    )
    atexit.register(_remove_own, temporary, os.getpid())  # not sooner: readers know the path only
    return CloneCache(temporary, (note,))


def _unsafe(place: str) -> str | None:
    """Why clones cannot be kept at ``place``; None when they can. Makes it."""
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        status = os.lstat(place)
        if not stat.S_ISDIR(status.st_mode):
            return f"{printable(place)} is not a folder"
        if status.st_uid != os.geteuid():
            return f"{printable(place)} belongs to another user"
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.chmod(place, 0o700)  # noqa: PTH101 - as above
        probe = f"{place}/.probe-{secrets.token_hex(8)}"
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # some network file systems know no locks
        finally:
            os.close(handle)
            os.unlink(probe)  # noqa: PTH108 - as above
    except OSError as error:
        return f"{printable(place)} cannot be used: {error.strerror or error}"
    return None


def _remove_own(folder: str, process: int) -> None:
    if os.getpid() == process:  # a worker that was forked inherits this, and must not take the folder from us
        shutil.rmtree(folder, ignore_errors=True)


def _lock(path: str, wait_seconds: float) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    until = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(_POLL_SECONDS)
                continue
            os.close(handle)
            raise RepositoryError(
                f"another wfsync has been fetching this repository for more than {wait_seconds:g} seconds",
                code="REMOTE_LOCKED",
                hint="try again when it has ended",
                details={"lock": path},
            ) from None
        except OSError as error:
            os.close(handle)
            raise _unwritable(path, error) from error
        except BaseException:
            os.close(handle)
            raise
        return handle


def _remove_leftovers(folder: str, name: str) -> None:
    """What an interrupted clone left. Only who holds the lock makes any, so all that is there is abandoned."""
    for child in os.scandir(folder):
        if child.name.startswith((f"{name}.new-", f"{name}.old-")):
            _remove(child.path)


def _remove(path: str) -> None:
    """Remove a folder, or whatever stands in its place; what cannot go now goes another time."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - as above


def _unwritable(path: str, error: OSError) -> RepositoryError:
    full = " (the disk is full)" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
    return RepositoryError(
        f"the cache {printable(path)} cannot be written: {error.strerror or error}{full}",
        code="REMOTE_CACHE",
        hint="make room or correct its permissions, or name another folder by WFSYNC_CACHE_DIR",
    )
