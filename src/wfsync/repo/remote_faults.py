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


def _cause(code: str, message: str, hint: str, *signs: str) -> _Cause:
    return _Cause(re.compile("|".join(signs), re.IGNORECASE), code, message, hint)


# The first that fits counts: a full disk and a host key are told before the general words that follow them.
_CAUSES: Final = (
    _cause(
        "REMOTE_CACHE",
        "the cache cannot be written",
        "make room or correct the permissions of the cache folder, or name another one by WFSYNC_CACHE_DIR",
        r"no space left on device",
        r"disk quota exceeded",
        r"file too large",
        r"read-only file system",
        r"unable to create (?:temporary file|file|directory)[^\n]*permission denied",
    ),
    _cause(
        "REPOSITORY_OWNER",
        "the repository belongs to another user, so git does not trust it",
        "if you trust it: git config --global --add safe.directory PATH",
        r"detected dubious ownership",
    ),
    _cause(
        "REMOTE_UNTRUSTED",
        "the server cannot prove who it is",
        "put its host key into ~/.ssh/known_hosts (ssh-keyscan prints it; compare it with what the server's owner"
        " publishes), or its certificate authority into http.sslCAInfo",
        r"host key verification failed",
        r"remote host identification has changed",
        r"ssl certificate problem",
        r"server certificate verification failed",
        r"no alternative certificate subject name matches",
    ),
    _cause(
        "REMOTE_AUTHENTICATION",
        "the server refuses these credentials, or wants some",
        "git's own credential helpers and ssh's keys are asked, never a person: check them with"
        " `git ls-remote` and the same URL",
        r"authentication failed",
        r"could not read (?:username|password)",
        r"terminal prompts disabled",
        r"permission denied \(",
        r"access denied",
        r"requested url returned error: 40[13]",
        r"http basic: access denied",
        r"invalid username or (?:password|token)",
        r"too many authentication failures",
    ),
    _cause(
        "REMOTE_NOT_FOUND",
        "there is no such repository",
        "check the URL; many servers say the same when the credentials may not see it",
        r"repository [^\n]*not found",
        r"does not appear to be a git repository",
        r"requested url returned error: 404",
        r"project you were looking for could not be found",
        r"repository [^\n]*does not exist",
        r"not a valid repository name",
    ),
    _cause(
        "REMOTE_UNREACHABLE",
        "the server cannot be reached",
        "check the host's name, the network and, where one is needed, the proxy",
        r"could not resolve (?:host|proxy)",
        r"name or service not known",
        r"temporary failure in name resolution",
        r"failed to connect",
        r"couldn't connect",
        r"connection (?:refused|timed out|reset|closed)",
        r"operation timed out",
        r"operation too slow",
        r"no route to host",
        r"network is unreachable",
        r"empty reply from server",
        r"the remote end hung up unexpectedly",
        r"requested url returned error: 5\d\d",
        r"unexpected disconnect",
    ),
    _cause(
        "REMOTE_URL",
        "git refuses the way to it",
        "a redirect, or url.*.insteadOf in git's settings, leads to a protocol that wfsync does not allow",
        r"transport '[^']*' not allowed",
    ),
    _cause(
        "REPOSITORY_UNSUPPORTED",
        "the repository names its objects by SHA-256",
        "only repositories with SHA-1 object names can be read so far",
        r"mismatched algorithms",
        r"unknown object format",
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
        code=UNKNOWN,
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
