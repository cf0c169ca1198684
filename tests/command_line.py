"""``wfsync`` as its users meet it: its own process, in an environment without anything of the machine it runs on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

from warm_start import WarmStart

__all__ = ["CommandLine", "Result", "clean_environment"]

_KEPT: Final = ("PATH", "TMPDIR", "SYSTEMROOT", "WFSYNC_PG_BIN")
"""What a process needs to find its programs. Anything else (PG*, WFSYNC_*, NO_COLOR, GIT_* …) is the test's to say."""

_MEASURED: Final = 6
"""Coverage is measured in one process of so many: it doubles what a short command costs, and thousands run the same."""
_calls: Final = count()


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The one JSON document that stdout must be."""
        return json.loads(self.stdout)

    @property
    def output(self) -> str:
        """Both streams, for tests that look for what must be in neither."""
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Calls ``python -m wfsync`` with ``home`` as HOME; ``cwd`` is where commands run unless a call says otherwise."""

    home: Path
    cwd: Path

    def __call__(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
        covered: bool = True,
    ) -> Result:
        """Run one command to its end. ``covered=False`` leaves coverage out, for what is timed."""
        environment = self.environment(env, covered=covered)
        warm = _warm_start() if covered else None
        if warm is not None and warm.fits(environment):
            code, out, err = warm.run(
                [*map(str, args)], cwd=cwd or self.cwd, env=environment, stdin=stdin, timeout=timeout
            )
            return Result(code, out.decode(), err.decode())
        done = subprocess.run(
            self.argv(*args),
            cwd=cwd or self.cwd,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(
        self, *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, covered: bool = True
    ) -> Any:
        """Start one command and return its `subprocess.Popen`, with pipes; the caller waits for it or kills it.

        ``covered=False`` for what is interrupted at any moment: coverage would still be starting.
        """
        return subprocess.Popen(
            self.argv(*args),
            cwd=cwd or self.cwd,
            env=self.environment(env, covered=covered),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def argv(self, *args: str | Path) -> list[str]:
        """The command's arguments, program first."""
        return [sys.executable, "-m", "wfsync", *map(str, args)]

    def environment(self, extra: Mapping[str, str] | None = None, *, covered: bool = True) -> dict[str, str]:
        """The environment of a command: `clean_environment` and ``extra``."""
        return clean_environment(self.home, covered=covered) | dict(extra or {})


@cache
def _warm_start() -> WarmStart:
    return WarmStart.begin(clean_environment(Path("/nonexistent"), covered=False))


def clean_environment(home: Path, *, covered: bool = True) -> dict[str, str]:
    """An environment with ``home`` and what finds programs; coverage's own variables where it measures."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if covered and next(_calls) % _MEASURED == 0:
        kept |= {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE_", "COV_CORE_"))}
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
    }
