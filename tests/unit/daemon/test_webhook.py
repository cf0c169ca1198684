"""Who may ask for a sync."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from wfsync.daemon.webhook import is_authentic

SECRET = "a schlüssel".encode()
BODY = b'{"ref": "refs/heads/main"}'


def signature(secret: bytes = SECRET, body: bytes = BODY) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_githubs_own_example() -> None:
    """From GitHub's documentation of webhooks, "Testing the webhook payload validation"."""
    headers = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert is_authentic(b"It's a Secret to Everybody", headers, [b"Hello, World!"])


def test_the_body_may_come_in_pieces() -> None:
    assert is_authentic(SECRET, {"x-hub-signature-256": signature()}, [BODY[:3], b"", BODY[3:]])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": signature().upper()},
        {"x-hub-signature-256": signature().removeprefix("sha256=")},
        {"x-hub-signature-256": signature(b"another")},
        {"x-hub-signature-256": signature(body=BODY + b" ")},
        {"x-hub-signature-256": signature()[:-1]},
        {"x-hub-signature-256": "sha256=\xff"},
        {"x-hub-signature": "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()},
        {"x-gitlab-token": ""},
        {"x-gitlab-token": SECRET.decode("latin-1") + "x"},
        {"x-gitlab-token": "\N{SNOWMAN}"},
        # the stronger proof decides
        {"x-gitlab-token": SECRET.decode("latin-1"), "x-hub-signature-256": signature(b"another")},
    ],
)
def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    assert not is_authentic(SECRET, headers, [BODY])


def test_gitlab_sends_the_secret() -> None:
    assert is_authentic(SECRET, {"x-gitlab-token": SECRET.decode("latin-1")}, [BODY])


@pytest.mark.parametrize("headers", [{"x-gitlab-token": ""}, {"x-hub-signature-256": signature(b"")}])
def test_an_empty_secret_opens_nothing(headers: dict[str, str]) -> None:
    assert not is_authentic(b"", headers, [BODY])
