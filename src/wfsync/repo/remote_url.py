"""What somebody wrote for a repository elsewhere → what git is given, what people see, what identifies it. Pure.

Allowed are ``https``, ``http``, ``ssh``, ``user@host:path``, ``file`` and paths. All else is refused before any program
is started: ``ext::`` and its like run commands, a leading ``-`` would be read as an option, and nobody can tell who
answers ``git://``. Credentials in a URL are taken out of it: git gets them through a helper of its own (`remote_git`).
"""

# Pure text functions of os.path only.
# ruff: noqa: PTH111, PTH118

from __future__ import annotations

import hashlib
import os.path
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from wfsync.errors import ConfigError
from wfsync.repo.identity import remote_identity
from wfsync.repo.layout import printable

__all__ = ["PROTOCOLS", "RemoteUrl", "parse_remote", "redact"]

PROTOCOLS: Final = ("https", "http", "ssh", "file")
"""What git may speak; also after a redirect, and after ``url.*.insteadOf`` of the user's own settings."""

_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#@]*)(?P<path>[/?#].*)?", re.DOTALL)
_SCP: Final = re.compile(r"(?:(?P<user>[^/:@]*)@)?(?P<host>\[[^\]/]+\]|[^/:@]+):(?P<path>[^/].*|/.*)", re.DOTALL)
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f]|%(?:0[0-9a-f]|1[0-9a-f]|7f)", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s]*@")
_QUERY: Final = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")

Kind = Literal["http", "ssh", "local"]


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A repository elsewhere. Only ``url`` and ``shown`` may appear anywhere; neither holds a secret."""

    url: str
    """For git: without credentials; a path is absolute."""
    shown: str
    """For people: without user, credentials and query."""
    kind: Kind
    user: str | None = field(default=None, repr=False)
    """Of http(s) only; some servers take a token for it."""
    password: str | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        """What the ledger calls it: equal for the same repository whatever the way to it."""
        return remote_identity(self.url) or self.shown

    @property
    def server(self) -> str:
        """Who answers http(s): scheme, host and port, as git's settings name whom a credential is for."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    def folder(self) -> str:
        """The name of its folder in the cache: without credentials, so that a new token is no new clone."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogateescape")).hexdigest()[:40]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be scrubbed from everything that git says."""
        secret = self.user if self.password is None else self.password  # alone, the user may be a token
        return (secret,) if secret and self.kind == "http" else ()


def parse_remote(text: str, cwd: str) -> RemoteUrl:
    """Read a ``--repo``; a relative path is one of ``cwd``.

    Raises `ConfigError`: code ``USAGE`` when it is empty, ``REMOTE_URL`` when it is not one of the forms above. No
    message repeats a credential.
    """
    if not text.strip():
        raise ConfigError("--repo is empty", code="USAGE", hint="give it a URL or a path, or leave it out")
    if text.startswith("-"):
        raise _refused(text, "begins with -", "a path that begins so is written ./-…")
    if _HELPER.match(text):
        raise _refused(text, "names a helper program of git")
    if scheme := _SCHEME.fullmatch(text):
        if _BREAKS.search(text):
            raise _refused(text, "holds control characters")
        return _with_scheme(text, scheme["scheme"].lower(), scheme["rest"])
    if "\0" in text or "\n" in text:
        raise _refused(text, "holds control characters")
    colon, slash = text.find(":"), text.find("/")
    if colon >= 0 and (slash < 0 or colon < slash):  # git's own rule for what is a path
        return _scp(text)
    return _local(os.path.normpath(os.path.join(cwd, os.path.expanduser(text))))


def redact(text: str) -> str:
    """``text`` without user, credentials and query in any URL that it holds."""
    return _QUERY.sub(r"\1", _USERINFO.sub(r"\g<scheme>", text))


def _with_scheme(text: str, scheme: str, rest: str) -> RemoteUrl:
    if scheme == "git":
        raise _refused(text, "speaks git://, where nobody can tell who answers", "use https:// or ssh://")
    if scheme not in PROTOCOLS:
        raise _refused(text, f"speaks {scheme}, which is not allowed")
    if scheme == "file":
        path = unquote(rest.removeprefix("localhost"))
        if not path.startswith("/"):
            raise _refused(text, "is a file URL without an absolute path", "write file:///folder/repository.git")
        return _local(os.path.normpath(path))
    parts = _AUTHORITY.fullmatch(rest)
    if parts is None or not parts["host"] or not (parts["path"] or "").strip("/"):
        raise _refused(text, "names no host and repository", "write https://host/path/repository.git")
    host, path = parts["host"], parts["path"]
    if "?" in path or "#" in path:
        raise _refused(text, "holds a query or a fragment, which no repository's URL has")
    user, colon, password = (parts["user"] or "").partition(":")
    if host.startswith("-") or user.startswith("-"):
        raise _refused(text, "has a host or user that begins with -")
    shown = f"{scheme}://{host}{path}"
    if scheme == "ssh":
        if colon:
            raise _refused(text, "holds a password, which ssh does not take", "use a key")
        return RemoteUrl(f"ssh://{user}@{host}{path}" if user else text, shown, "ssh")
    secret = unquote(password) if colon else None
    return RemoteUrl(f"{scheme}://{host}{path}", shown, "http", unquote(user) or None, secret)


def _scp(text: str) -> RemoteUrl:
    parts = _SCP.fullmatch(text)
    if parts is None:
        raise _refused(text, "names no host and repository", "write user@host:path/repository.git")
    user, host, path = parts["user"], parts["host"], parts["path"]
    if any(part.startswith("-") for part in (user or "", host, path)):
        raise _refused(text, "has a host, user or path that begins with -")
    return RemoteUrl(text, f"{host}:{path}", "ssh")


def _local(path: str) -> RemoteUrl:
    return RemoteUrl(path, printable(path), "local")


def _refused(text: str, why: str, hint: str = "write https://…, ssh://…, user@host:path, or a path") -> ConfigError:
    shown = printable(redact(text))
    if "@" in shown and "://" not in shown:
        shown = shown.rpartition("@")[2]
    return ConfigError(f"--repo {shown!r} {why}", code="REMOTE_URL", hint=hint)
