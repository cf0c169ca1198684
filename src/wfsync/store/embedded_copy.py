"""A private copy of the server programs, for root whose own are out of the server account's reach.

A virtual environment below ``/root`` (mode 0700) cannot be entered by the account that runs the server, and parents
are never chmod'ed. The copy lies where only root writes; it is used again only if it still does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from wfsync.store.binaries import Binaries
from wfsync.store.embedded_account import Account
from wfsync.store.embedded_errors import start_failed
from wfsync.store.embedded_places import Home, note, only_root_writes, read_ours, system_folder

NEEDLESS: Final = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "doc", "man", "__pycache__")


def reachable(binaries: Binaries, account: Account, home: Home) -> Binaries:
    """``binaries`` themselves if ``account`` can run them, else a private copy of them.

    Raises OSError, DatabaseError(EMBEDDED_START_FAILED).
    """
    if not account.switch or _runs(binaries.bin, account):
        return binaries
    base = system_folder(account)
    noted = read_ours(home.record)
    if base is None and isinstance(noted, dict) and isinstance(noted.get("copies"), str):
        base = Path(noted["copies"])
    if base is None or not only_root_writes(base):
        base = Path(tempfile.mkdtemp(prefix="wfsync-"))
        base.chmod(0o755)
        note(home, copies=str(base))
    place = base / _name(binaries)
    if not place.is_dir():
        _copy(binaries.bin, place)
    copied = place / _inside(binaries.bin)
    if not (only_root_writes(place) and only_root_writes(copied / "postgres") and _runs(copied, account)):
        raise start_failed(f"the account {account.name} can run neither {binaries.bin}/postgres nor the copy {copied}")
    return replace(binaries, bin=copied)


def _copy(folder: Path, place: Path) -> None:
    """Copies the installation around ``folder`` to ``place``, which appears complete or not at all."""
    made = Path(tempfile.mkdtemp(prefix=".copy-", dir=place.parent))
    try:
        prefix = folder.parent
        for name in ("bin", "lib", "lib64", "share"):
            if (prefix / name).is_dir():
                shutil.copytree(prefix / name, made / _inside(prefix) / name, symlinks=True, ignore=NEEDLESS)
        libraries = _libraries(prefix)
        if libraries.is_dir():
            shutil.copytree(libraries, made / libraries.name, symlinks=True)
        _open_to_read(made)
        made.rename(place)
    except BaseException as error:
        shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, OSError) and place.is_dir():
            return  # a starter for another repository was faster
        raise


def _inside(path: Path) -> Path:
    """Where ``<site>/<package>/<prefix>/…`` lies in a copy: the programs look for ``<package>.libs`` beside it."""
    return path.relative_to(_package(path).parent)


def _package(path: Path) -> Path:
    prefix = path.parent if path.name == "bin" else path
    return prefix.parent


def _libraries(prefix: Path) -> Path:
    package = prefix.parent
    return package.with_name(package.name + ".libs")


def _name(binaries: Binaries) -> str:
    """Names the copy after what was copied: another file at the same place is another copy."""
    facts = (binaries.bin / "postgres").stat()
    origin = f"{binaries.bin.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}"
    return f"postgresql-{binaries.version}-{hashlib.sha256(origin.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _open_to_read(tree: Path) -> None:
    """Lets everybody read and nobody but root write, whatever the original's modes and owner were."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        os.chown(folder, 0, 0)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                os.chown(path, 0, 0)
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _runs(folder: Path, account: Account) -> bool:
    try:
        return all(account.run([folder / name, "--version"]).returncode == 0 for name in ("postgres", "initdb"))
    except OSError:
        return False
