"""What a report says of the sync that it tells of."""

from __future__ import annotations

import pytest

from daemon_reports import report
from wfsync.daemon.report import Status, status_of
from wfsync.errors import (
    CommitUnknown,
    ConfigError,
    Conflict,
    DatabaseError,
    InputError,
    LockTimeout,
    Refused,
    RepositoryError,
    WfsyncError,
)


@pytest.mark.parametrize("status", ["in_sync", "applied", "suspended", "refused", "standby"])
def test_who_compared_or_stands_by_is_not_cut_off(status: Status) -> None:
    assert not report(status).is_cut_off


@pytest.mark.parametrize(
    "error",
    [
        InputError("wrong files"),
        ConfigError("wrong settings"),
        ConfigError("no such block", code="UNKNOWN_ENVIRONMENT"),
        RepositoryError("no files", code="EMPTY_DIRECTORY"),
        RepositoryError("a link", code="REPOSITORY_SYMLINK"),
        Conflict("it moved", code="STALE_PLAN"),
        Conflict("it exists", code="WORKFLOW_KEY_CONFLICT"),
        LockTimeout("somebody else's"),
        Refused("not signed", code="UNVERIFIED_COMMIT"),
    ],
)
def test_what_was_found_in_git_or_in_the_database_was_reached(error: WfsyncError) -> None:
    assert not report(status_of(error), error).is_cut_off


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("down", code="CONNECTION_REFUSED"),
        CommitUnknown("lost"),
        RepositoryError("gone", code="REMOTE_UNREACHABLE"),
        RepositoryError("somebody else fetches", code="REMOTE_LOCKED"),
        ConfigError("no value", code="DATABASE_ENV_UNSET"),
        ConfigError("no URL", code="INVALID_DATABASE_URL"),
        WfsyncError("a defect", code="INTERNAL"),
    ],
)
def test_what_was_not_reached_is_cut_off(error: WfsyncError) -> None:
    assert report(status_of(error), error).is_cut_off
