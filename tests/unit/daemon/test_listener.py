"""The listener over a real socket: what it answers, and that nobody can hold it up."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from wfsync.daemon import listener as module
from wfsync.daemon.bell import Bell
from wfsync.daemon.listener import MAX_BODY, Answers, Listener, parse_address
from wfsync.errors import ConfigError

SECRET = b"open sesame"


class Site:
    def __init__(self, secret: bytes = SECRET) -> None:
        self.bell = Bell()
        self.ready = True
        self.standby: float | None = None
        answers = Answers(
            lambda: (self.ready, {"ready": self.ready}),
            lambda: "wfsync_x 1\n",
            self.bell,
            secret,
            lambda: self.standby,
        )
        self.listener = Listener(("127.0.0.1", 0), answers)
        self.listener.open()
        self.port = int(self.listener.url.rpartition(":")[2])

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def raw(self, data: bytes) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.sendall(data)
        return made


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.listener.close()


def signed(body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}


def test_health_readiness_and_metrics(site: Site) -> None:
    assert site.ask("GET", "/healthz") == (200, b"ok\n")
    assert site.ask("GET", "/metrics?x=1") == (200, b"wfsync_x 1\n")
    assert site.ask("GET", "/readyz")[0] == 200
    site.ready = False
    status, body = site.ask("GET", "/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False})
    assert site.ask("HEAD", "/healthz") == (200, b"")


def test_who_may_ask_for_a_sync(site: Site) -> None:
    body = b"x" * 300_000
    assert site.ask("POST", "/sync", body, signed(body))[0] == 202
    assert site.bell.wait(0) == "webhook"
    assert site.ask("POST", "/sync", b"{}", {"X-Gitlab-Token": SECRET.decode()})[0] == 202
    assert site.bell.wait(0) == "webhook"
    for headers in ({}, signed(b"another body"), signed(body, b"another secret"), {"X-Gitlab-Token": "no"}):
        assert site.ask("POST", "/sync", body, headers)[0] == 401
    assert site.bell.wait(0) is None


def test_a_standby_sends_who_may_ask_to_the_leader_and_rings_nothing(site: Site) -> None:
    site.standby = 0.2
    assert site.ask("POST", "/sync", b"{}", signed(b"{}", b"another secret"))[0] == 401
    status, body = site.ask("POST", "/sync", b"{}", signed(b"{}"))
    assert (status, json.loads(body)["status"]) == (503, "standby")
    assert b"another instance leads" in body
    for seconds, said in ((0.0, b"1"), (0.2, b"1"), (29.3, b"30")):
        site.standby = seconds
        with site.raw(b"POST /sync HTTP/1.0\r\nContent-Length: 0\r\nX-Gitlab-Token: " + SECRET + b"\r\n\r\n") as made:
            assert b"\r\nRetry-After: " + said + b"\r\n" in made.makefile("rb").read()
    assert site.bell.wait(0) is None
    site.standby = None  # it has taken over
    assert site.ask("POST", "/sync", b"{}", signed(b"{}"))[0] == 202


def test_without_a_secret_the_door_is_shut() -> None:
    site = Site(b"")
    try:
        assert site.ask("POST", "/sync", b"", signed(b"", b""))[0] == 403
        assert site.ask("POST", "/sync", b"", {"X-Gitlab-Token": ""})[0] == 403
        assert site.bell.wait(0) is None
    finally:
        site.listener.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/sync", 405),
        ("POST", "/healthz", 405),
        ("DELETE", "/sync", 405),
        ("POST", "/sync/", 404),
        ("TRACE", "/", 501),
    ],
)
def test_everything_else_is_refused(site: Site, method: str, path: str, status: int) -> None:
    assert site.ask(method, path, b"" if method == "POST" else None)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", b"411"),
        (b"Transfer-Encoding: chunked\r\n", b"411"),
        (b"Content-Length: -1\r\n", b"411"),
        (b"Content-Length: 1e3\r\n", b"411"),
        (b"Content-Length: %d\r\n" % (MAX_BODY + 1), b"413"),
        (b"Content-Length: 99999999999999999999\r\n", b"413"),
    ],
)
def test_bodies_that_are_not_taken(site: Site, headers: bytes, status: bytes) -> None:
    with site.raw(b"POST /sync HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n") as made:
        assert made.recv(64).split()[1] == status


def test_slow_and_silent_clients_hold_nobody_up_and_are_hung_up_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEADLINE", 0.5)
    begun = b"POST /sync HTTP/1.1\r\nContent-Length: 1000\r\n\r\nx"
    slow = [site.raw(data) for data in (b"", b"GET /heal", begun) for _ in range(10)]
    started = time.monotonic()
    assert site.ask("GET", "/healthz")[0] == 200
    for one in slow:
        with one:
            one.settimeout(10)
            assert one.recv(1000) == b""
    assert time.monotonic() - started < 5
    assert site.bell.wait(0) is None


def test_more_connections_than_are_served_are_hung_up_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    first = [site.raw(b"") for _ in range(3)]
    try:
        with site.raw(b"GET /healthz HTTP/1.0\r\n\r\n") as fourth, contextlib.suppress(ConnectionResetError):
            assert fourth.recv(10) == b""
    finally:
        for one in first:
            one.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":8080", ("", 8080)),
        ("[::1]:0", ("::1", 0)),
        ("metrics.local:65535", ("metrics.local", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "8080", "host", "host:", "host:http", "::1:80", "host:65536", "a b:1", "http://x:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert caught.value.code == "USAGE"


def test_an_address_in_use_is_an_error_with_a_hint(site: Site) -> None:
    with pytest.raises(ConfigError, match="cannot listen") as caught:
        Listener(("127.0.0.1", site.port), Answers(lambda: (True, {}), str, Bell()))
    assert caught.value.code == "LISTEN"


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        Listener(("no-such-host.invalid", 0), Answers(lambda: (True, {}), str, Bell()))
