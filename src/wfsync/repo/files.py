"""One file of the file system, read without following links and without waiting for a pipe.

Ten thousand files are read in a loop: plain calls, no Path objects.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from wfsync.errors import Place, Problem, RepositoryError
from wfsync.repo.layout import key_of, printable

__all__ = [
    "LFS_POINTER",
    "LFS_POINTER_SIZE",
    "is_folder",
    "lfs_pointer",
    "no_directory",
    "read_regular",
    "read_stamped",
    "stamp",
    "stamp_of",
    "starts_as_pointer",
    "too_large",
]

LFS_POINTER: Final = b"version https://" + b"git-lfs"
"""How every Git LFS pointer file begins. Two parts: a literal of the file format, not an address."""

LFS_POINTER_SIZE: Final = 512
"""Pointers are about 130 bytes. The smallest bundle is larger than this, so only tiny files are opened to look."""

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_regular(path: str, *, limit: int, label: str) -> bytes:
    """As `read_stamped`, only the bytes."""
    return read_stamped(path, limit=limit, label=label)[0]


def read_stamped(path: str, *, limit: int, label: str) -> tuple[bytes, str | None]:
    """The bytes of a regular file of at most ``limit`` bytes, which is found out before anything is loaded; and the
    stamp of the very file that was opened.

    Raises `RepositoryError` (``FILE_MISSING``, ``FILE_UNREADABLE``, ``REPOSITORY_SYMLINK``,
    ``REPOSITORY_SPECIAL_FILE``, ``INVALID_BUNDLE`` for the limit); ``label`` names the file in it.
    """
    try:
        handle = os.open(path, _FLAGS)
    except OSError as error:
        raise _unreadable(error, label) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RepositoryError(f"{label} is not a regular file", code="REPOSITORY_SPECIAL_FILE")
        if status.st_size > limit:
            raise too_large(label, limit)
        data = os.read(handle, status.st_size + 1)
        return data if len(data) == status.st_size else _read_on(handle, data, limit, label), stamp(status)
    except OSError as error:
        raise _unreadable(error, label) from error
    finally:
        os.close(handle)


_RACY: Final = 2_000_000_000
"""Nanoseconds. A file that was touched so lately may be touched again without a trace: some clocks tick that slowly."""


def stamp(status: os.stat_result, before: int | None = None) -> str | None:
    """What identifies the content that a file had at ``status``; None when it may change without changing that.

    ``before`` is the time of day (nanoseconds) at which ``status`` was asked for; None: never mind how young it is.
    """
    changed, modified = status.st_ctime_ns, status.st_mtime_ns
    if before is not None and max(changed, modified) > before - _RACY:
        return None
    return f"{status.st_size} {modified} {changed} {status.st_ino} {status.st_dev}"


def stamp_of(path: str) -> str | None:
    """The stamp of the file at ``path``; None when there is none."""
    try:
        return stamp(os.lstat(path))
    except OSError:
        return None


def _read_on(handle: int, data: bytes, limit: int, label: str) -> bytes:
    """The rest of a file that has another size than it said: it is being written, or the file system cannot tell."""
    parts = [data]
    length = len(data)
    while part := os.read(handle, 1 << 20):
        parts.append(part)
        length += len(part)
        if length > limit:
            raise too_large(label, limit)
    return b"".join(parts)


def too_large(label: str, limit: int) -> RepositoryError:
    """The error for a file above ``limit``."""
    return RepositoryError(
        f"{label} is larger than {limit // (1024 * 1024)} MiB",
        code="INVALID_BUNDLE",
        hint="a workflow may have 16 MiB; move other files out of the directory",
    )


def _unreadable(error: OSError, label: str) -> RepositoryError:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return RepositoryError(
            f"{label} does not exist (any more)", code="FILE_MISSING", hint="run the command again when nobody writes"
        )
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return RepositoryError(
            f"{label} is a symbolic link, and links are never followed",
            code="REPOSITORY_SYMLINK",
            hint="put the file itself there",
        )
    return RepositoryError(
        f"{label} cannot be read: {error.strerror}", code="FILE_UNREADABLE", hint="check its permissions"
    )


def starts_as_pointer(path: str) -> bool:
    """True when the file at ``path`` begins as a Git LFS pointer does; False when it cannot be read."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return False
    try:
        return os.read(handle, len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False
    finally:
        os.close(handle)


def lfs_pointer(path: str, label: str) -> Problem:
    """The fault of a Git LFS pointer that stands where a bundle is expected."""
    return Problem(
        code="REPOSITORY_LFS_POINTER",
        message="the file is a Git LFS pointer, not its content",
        place=Place(label),
        key=key_of(path),
        hint="run `git lfs pull`, or better keep workflows out of LFS: they are text, and --rev never sees LFS content",
    )


def is_folder(root: str, path: str) -> bool:
    """True when ``path`` below ``root`` is a folder that is reached without a link, False when nothing is there.

    Raises `RepositoryError` when a step is a symbolic link (``REPOSITORY_SYMLINK``), a file (``NOT_A_DIRECTORY``) or
    cannot be looked at.
    """
    place = root
    for step in path.split("/") if path else ():
        place = f"{place}/{step}"
        try:
            mode = os.lstat(place).st_mode
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unreadable(error, printable(place)) from error
        if stat.S_ISLNK(mode):
            raise RepositoryError(
                f"{printable(place)} is a symbolic link, and links are never followed",
                code="REPOSITORY_SYMLINK",
                hint="name the real folder in `directory`",
            )
        if not stat.S_ISDIR(mode):
            raise RepositoryError(f"{printable(place)} is not a folder", code="NOT_A_DIRECTORY")
    return True


def no_directory(label: str, *, missing: bool, hint: str | None = None) -> RepositoryError:
    """The error for a directory that is missing or empty, which never means "delete everything" (spec: cli.md)."""
    if missing:
        return RepositoryError(
            f"the directory {label} does not exist",
            code="MISSING_DIRECTORY",
            hint=hint or "create it, or correct `directory` in wfsync.yaml",
        )
    return RepositoryError(
        f"the directory {label} holds no workflow files (*.json, *.yaml, *.yml)",
        code="EMPTY_DIRECTORY",
        hint=hint or 'an empty directory never means "delete everything"; check `directory` in wfsync.yaml',
    )
