"""Where the embedded server keeps its files, and whom those places may be trusted to.

The home is normally ``<repository>/.wfsync``: the lock, the log, ``data`` and the socket's folder ``run``. Two things
move it:

* As root the server runs as another account. If that account cannot reach the repository, or if somebody else than
  root can write a parent folder (root would then follow names that others control), the home is a folder below
  `SYSTEM_BASES`, where only root writes. Parents are never chmod'ed.
* A socket's path may have about 100 bytes. A longer one goes to a short private folder with an unpredictable name.

Whatever is recorded or found again is judged afresh each time: owner, mode, no symbolic link. A repository can carry
any file but none of mode 0400, so only such files count as written by us on this machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wfsync.store.embedded_account import Account, is_root, name_of
from wfsync.store.embedded_errors import start_failed

SYSTEM_BASES: Final = (Path("/var/lib/wfsync"), Path("/var/cache/wfsync"))
SOCKET_NAME: Final = ".s.PGSQL.5432"
MAX_SOCKET_PATH: Final = 100
"""Bytes; the systems allow 103 (macOS) and 107 (Linux)."""
OURS: Final = 0o400
"""The mode of files that must not have come with the repository: git writes none such."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one embedded server and the names in it."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.path / "data"

    @property
    def alive(self) -> Path:
        """A file that every process of the server holds a lock on, so that the last one's end can be seen."""
        return self.path / "alive"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.path / "postgres.log"

    @property
    def run(self) -> Path:
        """The socket's folder, unless its path is too long."""
        return self.path / "run"

    @property
    def record(self) -> Path:
        """What to remember between two commands: a socket folder elsewhere, the binaries in use."""
        return self.path / "server.json"


def home_of(root: Path) -> Home:
    """The home of the server for ``root`` (``<repository>/.wfsync``) as far as it is known; creates nothing.

    Raises DatabaseError(EMBEDDED_START_FAILED) when ``root`` is a symbolic link.
    """
    if root.is_symlink():
        raise start_failed(f"{root} is a symbolic link", hint="replace it by a folder")
    if not is_root():
        return Home(root)
    if not only_root_writes(root):
        return _home_of_untrusted(root)
    elsewhere = read_ours(_pointer(root))
    if isinstance(elsewhere, dict) and isinstance(elsewhere.get("home"), str):
        place = Path(elsewhere["home"])
        if place.is_absolute() and place.is_dir() and only_root_writes(place):
            return Home(place)
    return Home(root)


def lock_file(root: Path) -> Path:
    """The file that whoever starts, stops or resets the server locks. Raises as `home_of` does."""
    home = home_of(root)
    return (home.path if is_root() and not only_root_writes(root) else root) / "lock"


def make_lock_folder(root: Path) -> None:
    """Creates the folder of `lock_file`: ``.wfsync``, ignored by git through a file of its own.

    Raises OSError, and DatabaseError(EMBEDDED_START_FAILED) when it belongs to somebody else.
    """
    folder = lock_file(root).parent
    if not folder.is_dir():
        if folder != root:
            folder.parent.mkdir(mode=0o755, exist_ok=True)
        folder.mkdir(exist_ok=True)
        if is_root():
            folder.chmod(0o755)  # whatever the umask: the server's account must pass
    elif folder.stat().st_uid != os.geteuid():
        raise start_failed(
            f"{folder} belongs to {name_of(folder.stat().st_uid)}, and the server serves one account only",
            hint="use that account",
        )
    if folder == root and not (root / ".gitignore").exists():
        (root / ".gitignore").write_text("*\n", encoding="utf-8")


def make_home(root: Path, account: Account) -> Home:
    """The home of the server for ``root``, elsewhere if ``account`` cannot reach ``root``. The caller holds the lock.

    Raises OSError and DatabaseError(EMBEDDED_START_FAILED).
    """
    home = home_of(root)
    if account.reaches(home.path):
        return home
    if home.path != root or home.data.exists():
        raise start_failed(
            f"{home.path} cannot be reached by the account {account.name}, which runs the server",
            hint="open the folders above it, or discard the data with `wfsync db reset`",
        )
    place = Path(tempfile.mkdtemp(prefix="wfsync-", dir=system_folder(account)))
    place.chmod(0o755)
    write_ours(_pointer(root), {"home": str(place)})
    return Home(place)


def forget_home(root: Path, home: Home) -> None:
    """Removes a home that is not ``root`` itself, with everything in it. Raises OSError."""
    if home.path != root:
        shutil.rmtree(home.path)
        if only_root_writes(root):
            _pointer(root).unlink(missing_ok=True)


def socket_folder(home: Home) -> Path | None:
    """The folder of the server's socket if one exists that can be trusted, else None.

    It is a real folder of mode 0700 that belongs to the account that runs the server: nobody else can have put the
    socket there, and with local trust whoever reaches it is superuser.
    """
    if fits(home.run):
        return home.run if _is_private(home.run, home) else None
    noted = read_ours(home.record)
    folder = noted.get("socket_dir") if isinstance(noted, dict) else None
    if not isinstance(folder, str) or noted.get("of") != _identity(home.path):
        return None  # nothing noted, or noted by the folder that this one was copied from
    return Path(folder) if _is_private(Path(folder), home) else None


def make_socket_folder(home: Home, account: Account) -> Path:
    """A private folder for the socket: the one that is there, or a new one. Raises OSError, DatabaseError."""
    known = socket_folder(home)
    if known is not None:
        return known
    if fits(home.run):
        if home.run.is_symlink() or not home.run.is_dir():
            home.run.unlink(missing_ok=True)
            home.run.mkdir(mode=0o700)
        account.own(home.run)
        home.run.chmod(0o700)
        if not _is_private(home.run, home):
            raise start_failed(f"{home.run} belongs to somebody else", hint="remove it")
        return home.run
    folder = _short_folder(account)
    note(home, socket_dir=str(folder), of=_identity(home.path))
    return folder


def drop_socket_folder(home: Home) -> None:
    """Removes a socket folder outside the home; the one inside stays."""
    folder = socket_folder(home)
    if folder is not None and folder != home.run:
        shutil.rmtree(folder, ignore_errors=True)
        note(home, socket_dir=None)


def fits(folder: Path) -> bool:
    """True when a socket in ``folder`` can be named: short enough, and without a comma (libpq's mark between hosts)."""
    name = str(folder)
    return len(os.fsencode(folder / SOCKET_NAME)) <= MAX_SOCKET_PATH and "," not in name and name.isprintable()


def note(home: Home, **facts: Any) -> None:
    """Remembers ``facts`` beside those that are known already. Raises OSError."""
    known = read_ours(home.record)
    write_ours(home.record, {**(known if isinstance(known, dict) else {}), **facts})


def read_ours(path: Path) -> Any:
    """The JSON value of a file that this account wrote here; None for any other file, and for none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or stat.S_IMODE(facts.st_mode) != OURS or facts.st_uid != os.geteuid():
            return None
        try:
            return json.loads(file.read(65536))
        except ValueError:
            return None


def write_ours(path: Path, value: Any) -> None:
    """Writes ``value`` to ``path`` in one step, with the mode that `read_ours` wants. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
            os.fchmod(descriptor, OURS)
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def only_root_writes(path: Path) -> bool:
    """True when nobody but root can change what ``path`` names: it and its parents are root's, and closed to others.

    A sticky folder such as ``/tmp`` is fine as a parent: what root made in it nobody else can move. ``path`` itself
    need not exist.
    """
    resolved = Path(os.path.realpath(path.parent)) / path.name
    for place in (resolved, *resolved.parents):
        try:
            facts = place.lstat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        shared = bool(facts.st_mode & stat.S_IWOTH) or (bool(facts.st_mode & stat.S_IWGRP) and facts.st_gid != 0)
        sticky = place != resolved and bool(facts.st_mode & stat.S_ISVTX)
        regular = place == resolved and stat.S_ISREG(facts.st_mode)
        if facts.st_uid != 0 or not (stat.S_ISDIR(facts.st_mode) or regular) or (shared and not sticky):
            return False
    return True


def system_folder(account: Account) -> Path | None:
    """A folder that only root writes and that ``account`` can reach, created if need be; None if there can be none."""
    for base in SYSTEM_BASES:
        try:
            if not base.exists():
                base.mkdir(mode=0o755)
                base.chmod(0o755)  # whatever the umask is
        except OSError:
            continue
        if only_root_writes(base) and os.access(base, os.W_OK) and account.reaches(base):
            return base
    return None


def _short_folder(account: Account) -> Path:
    bases = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 only with mkdtemp
    if is_root():
        bases[:0] = [base for base in (system_folder(account),) if base is not None]
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        bases.insert(0, Path(runtime))
    for base in bases:
        if not (_keeps(base) and fits(base / "wfsync-12345678") and account.reaches(base)):
            continue
        try:
            folder = Path(tempfile.mkdtemp(prefix="wfsync-", dir=base))  # mode 0700
        except OSError:
            continue
        account.own(folder)
        return folder
    raise start_failed("no folder with a short path can be made for its socket", hint="set TMPDIR to one")


def _keeps(base: Path) -> bool:
    """True when nobody else can move away what we make in ``base``: it is ours or root's, and closed or sticky."""
    try:
        facts = base.stat()
    except OSError:
        return False
    shared = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return base.is_absolute() and facts.st_uid in (0, os.geteuid()) and bool(not shared or facts.st_mode & stat.S_ISVTX)


def _is_private(folder: Path, home: Home) -> bool:
    try:
        facts = folder.lstat()
        owner = home.data.lstat().st_uid if is_root() else os.geteuid()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and stat.S_IMODE(facts.st_mode) == 0o700 and facts.st_uid == owner


def _identity(folder: Path) -> list[int]:
    """Tells a folder from its copy, and survives a rename."""
    facts = folder.lstat()
    return [facts.st_dev, facts.st_ino]


def _pointer(root: Path) -> Path:
    return root / "elsewhere.json"


def _home_of_untrusted(root: Path) -> Home:
    """Root's home for a repository that others can write: named after the path, for nothing in there is believed."""
    base = next((base for base in SYSTEM_BASES if only_root_writes(base) and os.access(base.parent, os.W_OK)), None)
    if base is None:
        raise start_failed(
            f"others than root can write {root.parent}, and "
            + " and ".join(map(str, SYSTEM_BASES))
            + " cannot be used instead",
            hint="run wfsync as the account that owns the repository",
        )
    return Home(base / ("path-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:16]))
