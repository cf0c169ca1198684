"""Everything that can go wrong, as values and as one tree of exceptions.

A *problem* is a value: one fault in somebody's input, with its place. Errors are raised only where work cannot go on::

    WfsyncError                 every error that wfsync raises on purpose; has a stable ``code``
    ├── InputError              files are wrong: carries every problem found (exit 1)
    ├── ConfigError             wfsync.yaml, options or environment do not fit together (exit 1)
    ├── RepositoryError         git or the file system (exit 1)
    ├── DatabaseError           the database refused, failed or is unreachable (exit 1)
    │   ├── LockTimeout         somebody else holds what we need; try again (exit 5)
    │   └── CommitUnknown       the connection was lost during COMMIT and nobody can tell (exit 1)
    ├── Conflict                a key exists without force, or the plan is stale (exit 3)
    ├── Refused                 a policy or a brake says no (exit 4)
    └── RuntimeNotInstalled     the extra ``wfsync[runtime]`` is needed and not there (exit 1)

Exit codes belong to the command line (``wfsync.cli.exit_codes``), HTTP status codes to the server; neither is stored
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "CommitUnknown",
    "ConfigError",
    "Conflict",
    "DatabaseError",
    "InputError",
    "LockTimeout",
    "Place",
    "Problem",
    "Refused",
    "RepositoryError",
    "RuntimeNotInstalled",
    "Severity",
    "WfsyncError",
]

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands. Lines and columns count from 1, columns in characters."""

    file: str
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    """RFC 6901 JSON pointer; ``""`` is the whole document."""

    def __str__(self) -> str:
        parts = [self.file]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault (or warning, or note) in the input: a value, never raised by itself."""

    code: str
    message: str
    severity: Severity = "error"
    place: Place | None = None
    key: str | None = None
    """The workflow's key, where one is known."""
    hint: str | None = None
    """What to do about it, as a sentence."""
    related: tuple[Place, ...] = ()
    """Other places that belong to the fault: the first of two duplicates, the other file."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Structured facts for machines; JSON values only; never a secret."""

    @property
    def is_error(self) -> bool:
        """True when the problem stops the work; warnings and notes do not."""
        return self.severity == "error"


class WfsyncError(Exception):
    """Base of every error that wfsync raises on purpose.

    ``message`` says what is wrong in one line, ``hint`` what to do, ``problems`` lists every fault behind it.
    """

    default_code = "ERROR"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        problems: Iterable[Problem] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.problems = tuple(problems)
        self.details = dict(details or {})


class InputError(WfsyncError):
    """Files are wrong. ``problems`` holds all faults of all files; ``code`` is the first error's."""

    default_code = "INVALID_BUNDLE"


class ConfigError(WfsyncError):
    """``wfsync.yaml``, the options or the environment are wrong or contradict each other."""

    default_code = "INVALID_CONFIG"


class RepositoryError(WfsyncError):
    """The git repository or the file system cannot give or take what is needed."""

    default_code = "REPOSITORY"


class DatabaseError(WfsyncError):
    """The database refused, failed or cannot be reached. The transaction was rolled back."""

    default_code = "DATABASE"


class LockTimeout(DatabaseError):
    """Somebody else holds a lock, or the server chose us as a deadlock's victim. Trying again may work."""

    default_code = "LOCK_TIMEOUT"


class CommitUnknown(DatabaseError):
    """The connection was lost during COMMIT and the server cannot say whether it happened."""

    default_code = "COMMIT_UNKNOWN"


class Conflict(WfsyncError):
    """The database holds something that the request does not consent to change."""

    default_code = "WORKFLOW_KEY_CONFLICT"


class Refused(WfsyncError):
    """A policy or a brake says no; nothing was written."""

    default_code = "REFUSED"


class RuntimeNotInstalled(WfsyncError):
    """Something of the extra ``wfsync[runtime]`` is needed and not installed."""

    default_code = "RUNTIME_NOT_INSTALLED"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="install it: pip install 'wfsync[runtime]' (in a checkout: '.[runtime]')")
