"""What starting costs: heavy libraries are imported where they are used, and ``--help`` is answered in a blink."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import CommandLine

ROOT = Path(__file__).parents[2]
HELP_CPU_SECONDS = 0.25

# Runs the command line in this process and then says which modules it has loaded.
_PROGRAM = """
import sys
from wfsync.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
else:
    code = 0
print("\\n@" + str(code or 0), *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(cli: CommandLine, *args: str, cwd: Path) -> set[str]:
    """Top-level modules that a successful command loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *args],
        cwd=cwd,
        env=cli.environment(covered=False),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, *names = done.stdout.rpartition("\n@")[2].split()
    assert code == "0", done.stdout + done.stderr
    return set(names)


def test_the_package_itself_is_light() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            "import sys; old = set(sys.modules); import wfsync; print(*set(sys.modules) - old)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert loaded == {"wfsync"}


def test_help_imports_nothing_heavy(cli: CommandLine, tmp_path: Path) -> None:
    heavy = {
        "psycopg",
        "deepdiff",
        "pygit2",
        "rich",
        "jsonschema",
        "jsonschema_rs",
        "yaml",
        "multiprocessing",
        "asyncio",
    }
    assert imported(cli, "--help", cwd=tmp_path) & heavy == set()


def test_validate_imports_neither_psycopg_nor_deepdiff(cli: CommandLine) -> None:
    assert imported(cli, "validate", cwd=ROOT / "examples" / "repo") & {"psycopg", "deepdiff", "jsonschema"} == set()


@pytest.mark.parametrize("args", [["--help"], ["--version"]])
def test_help_is_answered_in_a_blink(cli: CommandLine, args: list[str]) -> None:
    def cpu() -> float:
        before = os.times()
        result = cli(*args, covered=False)
        after = os.times()
        assert result.code == 0, result.output
        return (after.children_user - before.children_user) + (after.children_system - before.children_system)

    cpu()  # writes the byte code
    assert statistics.median(cpu() for _ in range(5)) < HELP_CPU_SECONDS
