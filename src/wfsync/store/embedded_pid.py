"""Which process serves a data folder.

The number in ``postmaster.pid`` proves nothing, since the system gives numbers out again: a process is taken for the
server of a folder only if it is PostgreSQL and works *in* that folder.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class PidFile:
    """What ``postmaster.pid`` claims."""

    pid: int
    ready: bool
    """The server had finished starting when it last wrote the file."""


def read_pid_file(data_dir: Path) -> PidFile | None:
    """What the pid file of ``data_dir`` claims; None when there is none that can be read."""
    try:
        lines = (data_dir / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    return PidFile(pid, lines[-1].strip() == "ready") if pid > 0 else None


def postmaster_of(data_dir: Path) -> int | None:
    """The process id of the server that works in ``data_dir``, whether it answers or not; None when there is none."""
    claimed = read_pid_file(data_dir)
    return claimed.pid if claimed is not None and _serves(claimed.pid, data_dir) else None


def leftovers(data_dir: Path) -> Iterator[int]:
    """Processes of a dead server that still work in ``data_dir`` (Linux; other systems give none).

    A backend that is busy computing notices its server's death late, and keeps the next server off until then.
    """
    if not _has_proc():
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _serves(int(entry.name), data_dir):
            yield int(entry.name)


def is_running(pid: int) -> bool:
    """True while process ``pid`` exists and is no zombie (where nobody reaps, the dead stay in the table)."""
    if _has_proc():
        try:
            stat = (PROC / str(pid) / "stat").read_bytes()
        except OSError:
            return False
        return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in (b"Z", b"X")
    state = _ps(pid, "stat")
    return bool(state) and not state.startswith("Z")


def _serves(pid: int, data_dir: Path) -> bool:
    if not _has_proc():
        return is_running(pid) and str(data_dir) in _ps(pid, "command") and "postgres" in _ps(pid, "command")
    try:
        program = (PROC / str(pid) / "exe").readlink()
        works_in = (PROC / str(pid) / "cwd").stat()
        folder = data_dir.stat()
    except OSError:  # gone, a zombie, or somebody else's
        return False
    return program.name.split(" ")[0] in ("postgres", "postmaster") and os.path.samestat(works_in, folder)


def _has_proc() -> bool:
    return (PROC / "self" / "stat").exists()


def _ps(pid: int, column: str) -> str:
    done = subprocess.run(
        ["/bin/ps", "-ww", "-p", str(pid), "-o", f"{column}="], capture_output=True, check=False, text=True
    )
    return done.stdout.strip()
