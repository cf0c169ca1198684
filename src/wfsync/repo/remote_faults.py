"""What git says when it cannot reach or read a repository elsewhere → an error for people. Pure; git speaks English."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wfsync.errors import RepositoryError

__all__ = ["UNKNOWN", "remote_error"]

UNKNOWN: Final = "REMOTE"
"""The code of what none of the known causes explains; a damaged cache may be behind it."""


@dataclass(frozen=True, slots=True)
class _Cause:
    signs: re.Pattern[str]
    code: str
    message: str
    hint: str


def _any(*signs: str) -> re.Pattern[str]:
    return re.compile("|".join(signs), re.IGNORECASE)


# The first that fits counts: a full disk and a host key are told before the general words that follow them.
_CAUSES: Final = (
    _Cause(
        code="REMOTE_CACHE",
        message="the cache cannot be written",
        hint="make room or correct the permissions of the cache folder, or name another one by WFSYNC_CACHE_DIR",
        signs=_any(
            "no space left on device",
            "disk quota exceeded",
            "file too large",
            "read-only file system",
            r"unable to create (?:temporary file|file|directory)[^\n]*permission denied",
        ),
    ),
    _Cause(
        code="REPOSITORY_OWNER",
        message="the repository belongs to another user, so git does not trust it",
        hint="if you trust it: git config --global --add safe.directory PATH",
        signs=_any(
            "detected dubious ownership",
        ),
    ),
    _Cause(
        code="REMOTE_UNTRUSTED",
        message="the server cannot prove who it is",
        hint="put its host key into ~/.ssh/known_hosts (compare it with what the server's owner publishes), or its"
        " certificate authority into http.sslCAInfo",
        signs=_any(
            "host key verification failed",
            "remote host identification has changed",
            "ssl certificate problem",
            "server certificate verification failed",
            "no alternative certificate subject name matches",
        ),
    ),
    _Cause(
        code="REMOTE_AUTHENTICATION",
        message="the server refuses these credentials, or wants some",
        hint="git's own credential helpers and ssh's keys are asked, never a person: check them with `git ls-remote`"
        " and the same URL",
        signs=_any(
            "authentication failed",
            "could not read (?:username|password)",
            "terminal prompts disabled",
            r"permission denied \(",
            "access denied",
            "requested url returned error: 40[13]",
            "http basic: access denied",
            "invalid username or (?:password|token)",
            "too many authentication failures",
        ),
    ),
    _Cause(
        code="REMOTE_NOT_FOUND",
        message="there is no such repository",
        hint="check the URL; many servers say the same when the credentials may not see it",
        signs=_any(
            r"repository [^\n]*not found",
            "does not appear to be a git repository",
            "requested url returned error: 404",
            "project you were looking for could not be found",
            r"repository [^\n]*does not exist",
            "not a valid repository name",
        ),
    ),
    _Cause(
        code="REMOTE_UNREACHABLE",
        message="the server cannot be reached",
        hint="check the host's name, the network and, where one is needed, the proxy",
        signs=_any(
            "could not resolve (?:host|proxy)",
            "name or service not known",
            "temporary failure in name resolution",
            "failed to connect",
            "couldn't connect",
            "connection (?:refused|timed out|reset|closed)",
            "operation timed out",
            "operation too slow",
            "no route to host",
            "network is unreachable",
            "empty reply from server",
            "the remote end hung up unexpectedly",
            r"requested url returned error: 5\d\d",
            "unexpected disconnect",
        ),
    ),
    _Cause(
        code="REMOTE_URL",
        message="git refuses the way to it",
        hint="a redirect, or url.*.insteadOf in git's settings, leads to a protocol that wfsync does not allow",
        signs=_any(
            "transport '[^']*' not allowed",
        ),
    ),
    _Cause(
        code="REPOSITORY_UNSUPPORTED",
        message="the repository names its objects by SHA-256",
        hint="only repositories with SHA-1 object names can be read so far",
        signs=_any(
            "mismatched algorithms",
            "unknown object format",
        ),
    ),
)


def remote_error(shown: str, words: str, exit_code: int) -> RepositoryError:
    """The error for a git process that failed with ``words`` (scrubbed) at the repository ``shown`` (redacted)."""
    said = _said(words)
    details = {"stderr": words, "exit_code": exit_code, "repository": shown}
    for cause in _CAUSES:
        if cause.signs.search(words):
            message = f"{shown}: {cause.message}" + (f" ({said})" if said else "")
            return RepositoryError(message, code=cause.code, hint=cause.hint, details=details)
    return RepositoryError(
        f"{shown} cannot be fetched: {said or f'git ended with exit code {exit_code}'}",
        code="REMOTE",
        hint="`git ls-remote` with the same URL may say more",
        details=details,
    )


def _said(words: str) -> str:
    """Git's words in one line: what the server said, and what was fatal."""
    lines = [line.strip() for line in words.splitlines()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))]
    empty = ("", "remote:", "fatal: Could not read from remote repository.")
    kept = [line for line in telling or lines if line not in empty]
    return " / ".join(dict.fromkeys(kept))[:400]
