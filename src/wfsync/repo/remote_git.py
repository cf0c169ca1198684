"""Runs the git program for what goes over a network: its own credential helpers, never a prompt, never a secret shown.

Nothing of the user's settings is changed, and nothing that a repository says can start a program: hooks are off, and
only the protocols of `remote_url` are spoken. A process has no terminal, so that neither git nor ssh can ask anything.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

from wfsync.errors import RepositoryError
from wfsync.repo.remote_url import PROTOCOLS, RemoteUrl, redact

__all__ = ["MINIMUM", "Finished", "network_environment", "require_git", "run_git"]

MINIMUM: Final = (2, 31)
"""The first that takes settings from the environment, where no other user's ``ps`` shows them."""

_FOREIGN: Final = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CURL_VERBOSE",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "LANGUAGE",
    "SSH_ASKPASS",
)
"""About another repository, or would ask or chat."""

_FIXED: Final = {
    "GCM_INTERACTIVE": "never",
    "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "SSH_ASKPASS_REQUIRE": "never",
}

_SETTINGS: Final = (
    ("core.hooksPath", os.devnull),
    ("credential.interactive", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.unpackLimit", "1"),
    ("gc.autoDetach", "false"),
    ("gc.pruneExpire", "never"),
    ("maintenance.autoDetach", "false"),
)
"""Nothing runs on behind our back; a commit that a branch has left stays known: rewinds are told by it. Objects stay in
packs, which are checked as a whole when they are opened."""

_SLOW: Final = (("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "60"))

# git runs it through its shell; the secrets are in the environment of that one process tree only.
_HELPER: Final = (
    '!f() { if test "$1" = get; then printf "username=%s\\npassword=%s\\n" "$WFSYNC_REMOTE_USER"'
    ' "$WFSYNC_REMOTE_PASSWORD"; fi; }; f'
)

_BATCH: Final = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a git process ended. ``words`` are those of its standard error, scrubbed and in English."""

    code: int
    output: bytes
    words: str


@cache
def require_git(minimum: tuple[int, int] = MINIMUM) -> str:
    """Where git is. Raises `RepositoryError` (``GIT_PROGRAM_MISSING``) when there is none, or an older one."""
    found = shutil.which("git")
    if found is None:
        raise RepositoryError(
            "git is not installed, and a repository elsewhere is fetched with it",
            code="GIT_PROGRAM_MISSING",
            hint="install git, or check the repository out and name its folder",
        )
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    version = re.search(r"(\d+)\.(\d+)", said.stdout)
    if version is None or (int(version[1]), int(version[2])) < minimum:
        raise RepositoryError(
            f"{found} is too old: {redact(said.stdout.strip())[:60] or 'it says no version'}",
            code="GIT_PROGRAM_MISSING",
            hint=f"git {minimum[0]}.{minimum[1]} or newer is needed",
        )
    return found


def network_environment(
    remote: RemoteUrl | None, environ: Mapping[str, str], more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a git process that talks to ``remote`` (None: to nobody), with ``more`` of git's settings."""
    result = {k: v for k, v in environ.items() if k not in _FOREIGN and not k.startswith("GIT_TRACE")} | _FIXED
    settings = [*_SETTINGS, *(more or {}).items()]
    if remote is not None and remote.kind == "http":
        settings += [(name, value) for name, value in _SLOW if f"GIT_{name[5:].upper()}" not in environ]
        if remote.password is not None:
            # The empty one takes the user's helpers off: they know another account, and must not keep ours.
            # Ours answers for this server only: whoever it redirects to is told nothing.
            settings += [("credential.helper", ""), (f"credential.{remote.server}.helper", _HELPER)]
            result |= {"WFSYNC_REMOTE_USER": remote.user or "", "WFSYNC_REMOTE_PASSWORD": remote.password}
        elif remote.user is not None:
            settings.append((f"credential.{remote.server}.username", remote.user))
    if remote is not None and remote.kind == "ssh" and not _has_own_ssh(environ):
        result["GIT_SSH_COMMAND"] = _BATCH
    return result | _as_variables(settings, environ)


def _as_variables(settings: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """``settings`` as git's variables, after those that stand there already (CI systems hand out tokens that way)."""
    given = environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    result = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings, first):
        result |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return result


def _has_own_ssh(environ: Mapping[str, str]) -> bool:
    if environ.get("GIT_SSH_COMMAND") or environ.get("GIT_SSH"):
        return True
    asked = subprocess.run(
        [require_git(), "config", "--get", "core.sshCommand"],
        cwd="/",
        env=dict(environ),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return asked.returncode == 0


def run_git(
    arguments: Sequence[str], *, environment: Mapping[str, str], seconds: float, secrets: Iterable[str] = ()
) -> Finished:
    """Run git to its end, at most ``seconds``; whatever it started ends with it, also when we are interrupted.

    Raises `RepositoryError`: ``GIT_PROGRAM_MISSING``, ``REMOTE_TIMEOUT``.
    """
    try:
        process = subprocess.Popen(
            [require_git(), *arguments],
            cwd="/",
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise RepositoryError(f"git cannot be run: {error.strerror}", code="GIT_PROGRAM_MISSING") from error
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RepositoryError(
            f"git did not answer within {seconds:g} seconds",
            code="REMOTE_TIMEOUT",
            hint="check the network and the server; WFSYNC_GIT_TIMEOUT=SECONDS allows more time",
        ) from None
    finally:
        if process.poll() is None:
            _end(process)
    return Finished(process.returncode, output, _scrubbed(errors.decode("utf-8", "replace"), secrets))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop (git removes its temporary files then), and make it stop."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _scrubbed(text: str, secrets: Iterable[str]) -> str:
    from urllib.parse import quote

    for secret in secrets:
        for form in (secret, quote(secret, safe=""), quote(secret)):
            text = text.replace(form, "***")
    return redact(text).strip()[-4000:]
