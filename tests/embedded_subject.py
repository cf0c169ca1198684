"""What the tests of the embedded server share: a folder that every account can reach, and code run as a plain user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wfsync.store.binaries import find_binaries
from wfsync.store.embedded_account import Account
from wfsync.store.embedded_copy import reachable
from wfsync.store.embedded_places import Home

ROOT = os.geteuid() == 0
NOBODY = 65534

# Everything is imported before the rights are dropped: the interpreter may lie where only root can read.
_PREAMBLE = """
import encodings.idna, encodings.utf_8
import fcntl, hashlib, json, os, pwd, shutil, signal, socket, subprocess, sys, tempfile, time
from pathlib import Path
import wfsync.store.embedded as embedded
from wfsync.errors import DatabaseError, WfsyncError
def report(value): print(json.dumps(value, default=str)); sys.stdout.flush()
uid = int(sys.argv[1])
if os.geteuid() == 0 and uid != 0:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
root = Path(sys.argv[2])
server = embedded.EmbeddedServer(root)
"""


def open_folder() -> Path:
    """A new folder that every account can enter, as /tmp/pytest-of-root (0700) is not."""
    folder = Path(tempfile.mkdtemp(prefix="wfsync-test-"))
    folder.chmod(0o755)
    return folder


def plain_environment() -> dict[str, str]:
    """What a plain user needs: programs that he can reach. Remembered, since finding them may copy them."""
    if "bin" not in _found:
        found = find_binaries()
        if ROOT:
            account = Account("nobody", NOBODY, NOBODY, switch=True)
            found = reachable(found, account, Home(Path(tempfile.gettempdir())))
        _found["bin"] = str(found.bin)
    return {"WFSYNC_PG_BIN": _found["bin"], "HOME": "/nonexistent", "PATH": os.environ["PATH"]}


_found: dict[str, str] = {}


def program(code: str, root: Path, *, uid: int | None = None) -> list[str]:
    """A command line that runs ``code`` with ``server``, ``root`` and ``report`` at hand, as ``uid`` (default: as we
    are).
    """
    return [sys.executable, "-c", _PREAMBLE + code, str(os.geteuid() if uid is None else uid), str(root)]


def environment(**more: str) -> dict[str, str]:
    """The tests' environment with ``more``; the package is importable from wherever pytest found it."""
    import wfsync

    path = os.pathsep.join(filter(None, (str(Path(wfsync.__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


def run(code: str, root: Path, *, uid: int | None = None, env: dict[str, str] | None = None) -> Any:
    """What ``code`` reports. A WfsyncError that it does not catch is a failure of the test."""
    done = subprocess.run(
        program(code, root, uid=uid),
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
