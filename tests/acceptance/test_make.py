"""The set-up promise: `make demo` works alone on a fresh checkout, for root and for a plain user, in an odd folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from documents import blocks, matches

TOP: Final = Path(__file__).parents[2]

_FOREIGN: Final = ("WFSYNC_", "PG", "GIT_", "COV", "PYTEST", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS", "XDG_", "CI")
"""What this test run has in its environment and a fresh shell has not. pip's own settings stay: they say where from."""


@pytest.fixture
def checkout() -> Iterator[Path]:
    """The tracked files as they were committed, in a folder with a space in its path that everybody may enter."""
    if not (TOP / ".git").exists():
        pytest.skip("not a git checkout")
    place = Path(tempfile.mkdtemp(prefix="wfsync make ")).resolve()
    place.chmod(0o755)
    folder = place / "the checkout"
    folder.mkdir()
    git = ["git", "-c", f"safe.directory={TOP}", "-C", str(TOP)]
    archive = subprocess.run([*git, "archive", "HEAD"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    yield folder
    shutil.rmtree(place)


def _make(folder: Path, target: str, environment: dict[str, str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["make", target],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _environment() -> dict[str, str]:
    """This one without what belongs to the test run; HOME cannot be written, pip's cache is the real one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    cache = os.environ.get("XDG_CACHE_HOME") or f"{os.environ.get('HOME', '')}/.cache"
    return {"PIP_CACHE_DIR": f"{cache}/pip"} | kept | {"HOME": "/nonexistent"}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("user", ["myself", "nobody"])
def test_make_demo_works_alone_and_make_clean_leaves_nothing(user: str, checkout: Path) -> None:
    options: dict[str, Any] = {}
    if user == "nobody":
        if os.geteuid() != 0:
            pytest.skip("only root can become somebody else")
        account = pwd.getpwnam("nobody")
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        for path in (checkout, *checkout.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    before = _files(checkout)
    try:
        printed = _make(checkout, "demo", _environment(), **options)
    finally:
        cleaned = _make(checkout, "clean", _environment(), **options)
    (shown,) = [block["text"] for _, block in blocks(TOP / "README.md") if "$ make demo\n..." in (block["text"] or "")]
    assert matches(shown.removeprefix("$ make demo\n"), printed), printed
    assert "Traceback" not in printed + cleaned
    assert _files(checkout) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
