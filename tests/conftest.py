"""What every kind of test may ask for. Nothing of wfsync is imported here: collecting stays as cheap as the tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from command_line import CommandLine

# A busy machine is no fault of the code; in CI the same examples are tried every time.
settings.register_profile("wfsync", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("wfsync")

# What is called in this process must not find what an earlier run left in the home folder.
os.environ["WFSYNC_CACHE_DIR"] = ""

# What runs in the background (nohup, a CI system) may ignore signals, and children inherit that: not the programs that
# are tested with those very signals.
for _number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which git knows who commits, and nothing else."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Test Author\n\temail = author@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    return folder


@pytest.fixture
def cli(home: Path, tmp_path: Path) -> CommandLine:
    """``cli("plan", "--format", "json") -> Result``: the real program, in its own process, started in ``tmp_path``."""
    return CommandLine(home, tmp_path)
