"""What git and ssh say, as they say it → what a person is told."""

from __future__ import annotations

import pytest

from wfsync.repo.remote_faults import UNKNOWN, remote_error


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("fatal: unable to access 'https://h/a/': Could not resolve host: h", "REMOTE_UNREACHABLE"),
        (
            "ssh: connect to host h port 22: Connection timed out\nfatal: Could not read from remote",
            "REMOTE_UNREACHABLE",
        ),
        ("fatal: unable to access 'https://h/a/': The requested URL returned error: 503", "REMOTE_UNREACHABLE"),
        ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://h/a/'", "REMOTE_AUTHENTICATION"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "REMOTE_AUTHENTICATION"),
        (
            "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "REMOTE_AUTHENTICATION",
        ),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "REMOTE_UNTRUSTED"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate", "REMOTE_UNTRUSTED"),
        ("remote: Repository not found.\nfatal: repository 'https://h/a/' not found", "REMOTE_NOT_FOUND"),
        ("fatal: '/srv/x' does not appear to be a git repository", "REMOTE_NOT_FOUND"),
        ("error: file write error: No space left on device\nfatal: write error", "REMOTE_CACHE"),
        ("fatal: detected dubious ownership in repository at '/srv/a'", "REPOSITORY_OWNER"),
        ("fatal: transport 'ext' not allowed", "REMOTE_URL"),
        ("fatal: mismatched algorithms: client sha1; server sha256", "REPOSITORY_UNSUPPORTED"),
        ("fatal: something that nobody has seen before", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_causes(words: str, code: str) -> None:
    error = remote_error("https://h/a", words, 128)
    assert error.code == code
    assert error.message.startswith("https://h/a")
    assert "\n" not in error.message
    assert error.hint
