"""The user's cache folder: what may be thrown away at any time and is never missed.

``WFSYNC_CACHE_DIR`` names it (empty: no cache), else it is ``$XDG_CACHE_HOME/wfsync``, else ``~/.cache/wfsync`` (XDG
Base Directory Specification). Where it cannot be made, or belongs to somebody else, there is none, and nobody is told.
"""

# Files are read at every start: plain calls, no Path objects.
# ruff: noqa: PTH100, PTH103, PTH105, PTH108, PTH116, PTH117, PTH118, PTH123

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

__all__ = ["cache_folder", "read_cached", "write_cached"]

_KEPT: Final = 64
"""Files of one kind; the newest stay. Each belongs to one repository."""
_ABANDONED: Final = 3600.0
"""Seconds after which a temporary file has no writer any more."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> str | None:
    """The cache folder's absolute path, made if need be with mode 0700; None where there can be none."""
    folder = environ.get("WFSYNC_CACHE_DIR")
    if folder is None:
        base = environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):  # the specification: a relative one is to be ignored
            home = environ.get("HOME", "")
            base = os.path.join(home, ".cache") if os.path.isabs(home) else ""
        folder = os.path.join(base, "wfsync") if base else ""
    if not folder:
        return None
    folder = os.path.abspath(folder)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
    except OSError:
        return None
    # What somebody else may write must not be believed
    return folder if status.st_uid == os.geteuid() and not status.st_mode & 0o022 else None


def read_cached(kind: str, name: str, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """What `write_cached` wrote last under ``name``; None when there is nothing."""
    folder = cache_folder(environ)
    if folder is None:
        return None
    try:
        with open(f"{folder}/{kind}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return None


def write_cached(kind: str, name: str, data: bytes, environ: Mapping[str, str] = os.environ) -> None:
    """Keep ``data`` under ``name``, whole or not at all; silently not, where that is impossible."""
    folder = cache_folder(environ)
    if folder is None:
        return
    place = f"{folder}/{kind}"
    temporary = None
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", dir=place)
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, f"{place}/{name}")
        _forget_oldest(place)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _forget_oldest(place: str) -> None:
    with os.scandir(place) as listing:
        files = sorted(((entry.stat().st_mtime, entry.path) for entry in listing if entry.is_file()), reverse=True)
    now = time.time()
    kept = 0
    for written, path in files:
        if path.startswith(f"{place}/."):
            if now - written > _ABANDONED:
                os.unlink(path)
        else:
            kept += 1
            if kept > _KEPT:
                os.unlink(path)
