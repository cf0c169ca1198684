"""Writes many files so that each is old or new at any moment, and a full disk changes nothing (spec: cli.md).

All content goes to temporary files beside the targets first; only when the last is written does the first rename
happen. What a killed run leaves is recognised by name and removed by the next. That is safe while others write, because
a writer holds a lock on the repository's folder (on the root itself without git), which ends with its process.

Up to `FLUSHED` files are also forced to the disk before they replace anything. For more that would take longer than the
export, which can be repeated after a power cut.
"""

# Ten thousand files are written in a loop: plain calls, no Path objects.
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH118, PTH120

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from wfsync.errors import RepositoryError
from wfsync.repo import files
from wfsync.repo.layout import normal, printable

__all__ = ["FLUSHED", "TEMPORARY", "AtomicWriter", "write_files"]

FLUSHED: Final = 32

TEMPORARY: Final = re.compile(r"\.wfsync-tmp-[0-9a-f]{16}-[0-9]+")
"""The names of our temporary files. They have no bundle's suffix, so nobody reads them as workflows."""

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_POLL_SECONDS: Final = 0.05
_UNLOCKED_AGE_SECONDS: Final = 3600


class AtomicWriter:
    """Use as ``with AtomicWriter(root) as writer: writer.add(…) …; writer.commit()``.

    Leaving the block without `commit` changes nothing. Content is not held in memory, nor files open. ``sweep`` names
    the folders (relative to ``root``) where leftovers of killed runs are looked for, by default all of ``root``;
    ``deep=False`` leaves out the folders in them.

    Entering raises `RepositoryError`: ``EXPORT_LOCKED`` when another wfsync still writes after ``wait_seconds``,
    ``WRITE`` when ``root`` cannot be made or opened.
    """

    def __init__(
        self, root: str | Path, *, sweep: Iterable[str] = ("",), deep: bool = True, wait_seconds: float = 30.0
    ) -> None:
        self._root = os.path.realpath(root)
        self._sweep = tuple(sweep)
        self._deep = deep
        self._wait = wait_seconds
        self._token = secrets.token_hex(8)
        self._targets: list[str] = []
        self._renamed = 0
        self._folders: set[str] = set()
        self._made: list[str] = []
        self._lock: int | None = None
        self._as_root = os.geteuid() == 0

    def __enter__(self) -> Self:
        try:
            self._make(self._root)
            self._lock = _lock(_lock_folder(self._root), self._wait)
            for folder in self._sweep:
                place = os.path.join(self._root, normal(folder))
                _remove_leftovers(place, locked=self._lock is not None, deep=self._deep)
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise _failed(printable(self._root), error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._discard()

    def add(self, path: str, data: bytes) -> None:
        """Prepare ``data`` as the new content of ``path`` (POSIX, relative to the root). Nothing is replaced yet.

        An existing file keeps its mode, and as root its owner. Raises `RepositoryError`: ``OUTSIDE_REPOSITORY``,
        ``REPOSITORY_SYMLINK`` (the target, or a folder on the way, is a link), ``NOT_A_DIRECTORY``,
        ``REPOSITORY_SPECIAL_FILE`` (the target is not a file), ``WRITE`` (full disk, no permission, …).
        """
        path = normal(path)
        folder = path.rpartition("/")[0]
        label = printable(path)
        try:
            if folder not in self._folders:
                if not files.is_folder(self._root, folder):
                    self._make(f"{self._root}/{folder}")
                self._folders.add(folder)
            old = _regular(f"{self._root}/{path}", label)
            # The name is noted first, so that an interrupt between the two lines leaves nothing behind.
            self._targets.append(path)
            self._write(self._temporary(len(self._targets) - 1), data, old)
        except OSError as error:
            raise _failed(label, error) from error

    def commit(self) -> int:
        """Put everything prepared in place; how many files that were.

        Raises `RepositoryError` (``WRITE``). Before the first rename that means that nothing has changed; a rename
        itself fails only where the folder was changed meanwhile, and then every file is old or new.
        """
        if len(self._targets) <= FLUSHED:
            for index, path in enumerate(self._targets):
                _flush(self._temporary(index), printable(path))
        for index, path in enumerate(self._targets):
            try:
                os.rename(self._temporary(index), f"{self._root}/{path}")
            except OSError as error:
                raise _failed(printable(path), error, done=self._renamed) from error
            self._renamed += 1
        self._made.clear()
        return self._renamed

    def _temporary(self, index: int) -> str:
        return os.path.join(self._root, self._targets[index].rpartition("/")[0], f".wfsync-tmp-{self._token}-{index}")

    def _write(self, temporary: str, data: bytes, old: os.stat_result | None) -> None:
        handle = os.open(temporary, _CREATE, 0o666)
        try:
            if old is not None:
                if self._as_root and (old.st_uid, old.st_gid) != (0, 0):
                    with suppress(PermissionError):  # a container's root may lack the right
                        os.fchown(handle, old.st_uid, old.st_gid)
                os.fchmod(handle, stat.S_IMODE(old.st_mode))
            written = os.write(handle, data)
            while written < len(data):
                written += os.write(handle, memoryview(data)[written:])
        finally:
            os.close(handle)

    def _make(self, folder: str) -> None:
        missing = []
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for name in reversed(missing):
            with suppress(FileExistsError):  # somebody was faster
                os.mkdir(name)
                self._made.append(name)

    def _discard(self) -> None:
        """Remove what was not renamed, and folders made for it; then let others write."""
        for index in range(self._renamed, len(self._targets)):
            with suppress(OSError):  # never created, or already in place; the next run looks again
                os.unlink(self._temporary(index))
        for folder in reversed(self._made):
            with suppress(OSError):  # holds a file that is in place
                os.rmdir(folder)
        self._made.clear()
        del self._targets[self._renamed :]
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def write_files(
    root: str | Path, contents: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, sweep: Iterable[str] = ("",)
) -> int:
    """Write all of ``contents`` (path → bytes), or nothing; how many files that were. See `AtomicWriter`."""
    pairs = contents.items() if isinstance(contents, Mapping) else contents
    with AtomicWriter(root, sweep=sweep) as writer:
        for path, data in pairs:
            writer.add(path, data)
        return writer.commit()


def _regular(target: str, label: str) -> os.stat_result | None:
    """What stands at the target now, None when nothing does."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise RepositoryError(
            f"{label} is a symbolic link, and links are never written through",
            code="REPOSITORY_SYMLINK",
            hint="remove the link",
        )
    if not stat.S_ISREG(status.st_mode):
        raise RepositoryError(f"{label} is not a file, so it is not replaced", code="REPOSITORY_SPECIAL_FILE")
    return status


def _flush(temporary: str, label: str) -> None:
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise _failed(label, error) from error


def _failed(label: str, error: OSError, *, done: int = 0) -> RepositoryError:
    state = f"{done} files before it are already new, the others as they were" if done else "no file was changed"
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return RepositoryError(
        f"{label} cannot be written: {error.strerror}; {state}",
        code="WRITE",
        hint="make room and run the command again" if full else "check permissions and run the command again",
        details={"written": done},
    )


def _lock_folder(root: str) -> str:
    """The folder whose lock guards ``root``: the repository's, so that writers to nested folders see each other."""
    folder = root
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return root
        folder = parent


def _lock(folder: str, wait_seconds: float) -> int | None:
    """Lock a folder for this process; None where the file system has no locks or the folder may not be read."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return None
    deadline = time.monotonic() + wait_seconds
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise RepositoryError(
                        f"another wfsync is writing in {printable(folder)}",
                        code="EXPORT_LOCKED",
                        hint="try again when it has ended",
                    ) from None
                time.sleep(_POLL_SECONDS)
            else:
                return handle
    except OSError:  # network file systems without locks
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise


def _remove_leftovers(folder: str, *, locked: bool, deep: bool) -> None:
    """Remove temporary files of killed runs. Without a lock only old ones: a younger one may be somebody's at work."""
    newest = math.inf if locked else time.time() - _UNLOCKED_AGE_SECONDS
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as listing:
                children = list(listing)
        except OSError:
            continue  # not there, or not ours to read: then no temporary file of ours is in it
        for child in children:
            if child.is_dir(follow_symlinks=False):
                if deep and not child.name.startswith("."):  # no bundle is ever in a dot folder
                    folders.append(child.path)
            elif TEMPORARY.fullmatch(child.name) and child.stat(follow_symlinks=False).st_mtime <= newest:
                os.unlink(child.path)
