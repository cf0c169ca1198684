"""http.request against real servers (docs/actions.md)."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from runtime_actions import Calling, call, refuses
from web_servers import Reply, WebServer, certificate, raw_server, web_server
from wfsync.runtime.actions.http import request
from wfsync.runtime.actions.http.rules import Place, RulesFault, parse_rules, place_of
from wfsync.runtime.registry import ActionFailed

RESOLVER = "wfsync.runtime.actions.http.resolving.getaddrinfo"
LOCAL = Calling({"WFSYNC_HTTP_ALLOW": "127.0.0.1, localhost"})


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def ask(url: str, context: Calling = LOCAL, **more: Any) -> Any:
    return call("http.request", {"url": url, "timeoutMs": 5000, **more}, context)


def failure(url: str, context: Calling = LOCAL, **more: Any) -> ActionFailed:
    with pytest.raises(ActionFailed) as caught:
        ask(url, context, **more)
    return caught.value


def test_a_get_and_its_json(server: WebServer) -> None:
    server.reply = lambda _: Reply(
        200, b'{"a": "\\ud83d\\ude00"}', {"Content-Type": "application/json", "Set-Cookie": "s=1", "X-A": "1"}
    )
    output = ask(server.url("/p?x=1#frag"), query={"y": ["a b", 2], "z": None, "t": True}, headers={"X-Token": "t"})
    assert output["status"] == 200
    assert output["json"] == {"a": "😀"}
    assert output["body"] is None
    assert output["headers"]["x-a"] == "1"
    assert "set-cookie" not in output["headers"]
    seen = server.seen[0]
    assert (seen.method, seen.path) == ("GET", "/p?x=1&y=a%20b&y=2&t=true") or seen.path == "/p?x=1&y=a+b&y=2&t=true"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["x-token"] == "t"
    assert seen.headers["accept-encoding"] == "gzip"
    assert seen.headers["user-agent"].startswith("wfsync/")
    assert "idempotency-key" not in seen.headers


@pytest.mark.parametrize(
    ("given", "body", "kind"),
    [
        ({"body": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"body": "täxt"}, "täxt".encode(), "text/plain; charset=utf-8"),
        ({"body": "{}", "headers": {"content-type": "application/json"}}, b"{}", "application/json"),
        ({"json": "text"}, b'"text"', "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"body": None}, b"", None),
        ({}, b"", None),
    ],
)
def test_bodies(server: WebServer, given: dict[str, Any], body: bytes, kind: str | None) -> None:
    ask(server.url(), method="POST", **given)
    assert (server.seen[0].body, server.seen[0].headers.get("content-type")) == (body, kind)


def test_the_idempotency_key_is_the_calls_own_and_the_same_again(server: WebServer) -> None:
    for key, sent in (("order-1/a", "order-1/a"), ("Schlüssel", None), ("x" * 300, None), ("a\nb", None)):
        server.seen.clear()
        for _ in range(2):
            ask(server.url(), Calling(LOCAL.settings, idempotency_key=key), method="PUT")
        first, second = (seen.headers["idempotency-key"] for seen in server.seen)
        assert first == second == (sent or first)
        assert len(first) <= 255
    ask(server.url(), method="DELETE", headers={"Idempotency-Key": "mine"})
    assert server.seen[-1].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("status", "category", "retryable"),
    [
        (400, "ActionError", False),
        (404, "ActionError", False),
        (408, "TransientError", True),
        (429, "TransientError", True),
        (500, "TransientError", True),
        (503, "TransientError", True),
    ],
)
def test_statuses(server: WebServer, status: int, category: str, retryable: bool) -> None:
    server.reply = lambda _: Reply(status, b"why " * 1000, {"Retry-After": "7"})
    failed = failure(server.url("/secret-path?k=secret"))
    assert (failed.category, failed.retryable, failed.code) == (category, retryable, "HTTP_STATUS")
    assert failed.details == {"status": status, "retryAfter": "7", "body": ("why " * 1000)[:500]}
    assert "secret" not in failed.message
    assert ask(server.url(), acceptStatus=[status])["status"] == status


def test_answers_that_are_no_text_or_no_json(server: WebServer) -> None:
    cases: list[tuple[bytes, str, dict[str, Any]]] = [
        (b"\xff\x00", "image/png", {"body": None, "bodyBase64": "/wA="}),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", {"body": "é"}),
        ("é".encode(), "text/plain; charset=nonsense", {"body": None, "bodyBase64": "w6k="}),
        (b"{", "application/json", {"body": "{"}),
        (b'"\\u0000"', "application/json", {"body": '"\\u0000"'}),
        (b'"\\ud800"', "application/json", {"body": '"\\ud800"'}),
        (b"null", "application/problem+json; charset=utf-8", {"body": None, "json": None}),
        (b"[1]", "text/plain", {"body": "[1]"}),
    ]
    for body, kind, expected in cases:
        server.reply = lambda _, body=body, kind=kind: Reply(200, body, {"Content-Type": kind})  # type: ignore[misc]
        output = ask(server.url())
        assert {name: value for name, value in output.items() if name not in {"status", "headers"}} == expected


# ------------------------------------------------------------------------------------------------------ where to


@pytest.mark.parametrize("allow", [None, "", "*", "*.example.com", "10.0.0.0/8", "127.0.0.1:1", "*0.0.1", "localhost"])
def test_no_private_place_unless_it_is_named(server: WebServer, allow: str | None) -> None:
    settings = {} if allow is None else {"WFSYNC_HTTP_ALLOW": allow}
    failed = failure(server.url(), Calling(settings))
    assert (failed.code, failed.retryable) == ("HOST_NOT_ALLOWED", False)
    assert server.seen == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "LOCALHOST.", "0"],
)
def test_no_spelling_of_the_loopback_comes_through(server: WebServer, host: str) -> None:
    failed = failure(server.url(host=host), Calling())
    assert failed.code in {"HOST_NOT_ALLOWED", "HTTP_CONNECTION", "INVALID_URL"}
    assert server.seen == []


def test_names_and_networks_that_are_allowed(server: WebServer) -> None:
    for allow in ("127.0.0.0/8", f"127.0.0.1:{server.port}", "example.com 127.0.0.1"):
        assert ask(server.url(), Calling({"WFSYNC_HTTP_ALLOW": allow}))["status"] == 200
    allowed = Calling({"WFSYNC_HTTP_ALLOW": f"LocalHost:{server.port}"})
    assert ask(server.url(host="localhost"), allowed)["status"] == 200
    assert failure(server.url(), allowed).code == "HOST_NOT_ALLOWED"
    assert failure(server.url(), Calling({"WFSYNC_HTTP_ALLOW": "http://x"})).code == "INVALID_SETTING"


RULES: list[tuple[str, str, int, str, bool]] = [
    ("", "example.com", 443, "93.184.215.14", True),
    ("", "example.com", 443, "10.0.0.1", False),
    ("", "example.com", 443, "100.64.0.1", False),
    ("", "example.com", 443, "169.254.169.254", False),
    ("", "example.com", 443, "::1", False),
    ("", "example.com", 443, "fd00:ec2::254", False),
    ("", "example.com", 443, "fe80::1", False),
    ("", "example.com", 443, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
    ("", "example.com", 443, "::ffff:10.0.0.1", False),
    ("", "example.com", 443, "::7f00:1", False),
    ("", "example.com", 443, "2002:7f00:1::", False),
    ("", "example.com", 443, "64:ff9b::a9fe:a9fe", False),
    ("", "example.com", 443, "64:ff9b::5db8:d70e", True),
    ("", "example.com", 443, "224.0.0.1", False),
    ("", "example.com", 443, "255.255.255.255", False),
    ("*.example.com", "a.example.com", 443, "93.184.215.14", True),
    ("*.example.com", "a.example.com", 443, "10.0.0.1", True),
    ("*.example.com", "a.example.com", 443, "127.0.0.1", False),
    ("*.example.com", "a.example.com", 443, "169.254.169.254", False),
    ("*.example.com", "example.com", 443, "93.184.215.14", False),
    ("*.example.com", "a.example.com.evil.net", 443, "93.184.215.14", False),
    ("a.example.com", "a.example.com", 443, "127.0.0.1", True),
    ("a.example.com", "a.example.com", 443, "169.254.169.254", False),
    ("169.254.169.254", "a.example.com", 80, "169.254.169.254", True),
    ("a.example.com:8443", "a.example.com", 443, "93.184.215.14", False),
    ("a.example.com:8443", "a.example.com", 8443, "93.184.215.14", True),
    ("[fd00::/8]:443", "x", 443, "fd00::1", True),
    ("[fd00::/8]:443", "x", 80, "fd00::1", False),
    ("fd00::1", "x", 80, "fd00::1", True),
    ("*, 10.0.0.0/8", "x.example", 80, "10.1.1.1", True),
    ("*, 10.0.0.0/8", "x.example", 80, "192.168.1.1", False),
]


@pytest.mark.parametrize(("setting", "host", "port", "address", "allowed"), RULES)
def test_rules(setting: str, host: str, port: int, address: str, allowed: bool) -> None:
    assert parse_rules(setting).allow(host, port, ip_address(address)) is allowed


@pytest.mark.parametrize("setting", ["a b/c", "http://x", "a:0", "a:70000", "a:b", "ü.de", "[", "a..b"])
def test_what_is_no_rule(setting: str) -> None:
    with pytest.raises(RulesFault, match="WFSYNC_HTTP_ALLOW"):
        parse_rules(setting)


def test_places() -> None:
    assert place_of(ip_address("8.8.8.8")) == Place.PUBLIC
    assert place_of(ip_address("192.168.0.1")) == Place.PRIVATE
    assert place_of(ip_address("0.0.0.1")) == Place.RESERVED


def test_a_name_that_changes_its_address_is_called_where_it_was_checked(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second question would be answered with another place; there is none."""
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", 0))]

    monkeypatch.setattr(RESOLVER, resolve)
    output = ask(server.url(host="rebind.example"), Calling({"WFSYNC_HTTP_ALLOW": "rebind.example"}))
    assert output["status"] == 200
    assert asked == ["rebind.example"]
    assert server.seen[0].headers["host"] == f"rebind.example:{server.port}"


def test_every_address_of_a_name_must_be_allowed(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(2, 1, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("10.0.0.1", 0))]
    monkeypatch.setattr(RESOLVER, lambda *_, **__: answer)
    assert failure(server.url(host="two.example"), LOCAL).code == "HOST_NOT_ALLOWED"
    assert server.seen == []


def test_the_next_address_is_tried_where_one_cannot_be_reached(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = [(2, 1, 6, "", ("127.0.0.9", 0)), (2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(RESOLVER, lambda *_, **__: answer)
    assert ask(server.url(host="two.example"), Calling({"WFSYNC_HTTP_ALLOW": "127.0.0.0/8"}))["status"] == 200


def test_proxies_of_the_environment_are_not_used(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        ask(server.url())
        assert proxy.seen == []


URLS = [
    "file:///etc/passwd",
    "ftp://example.com",
    "gopher://x",
    "//example.com",
    "example.com",
    "http://",
    "http:///path",
    "https://user:pw@example.com",
    "https://user@example.com",
    "http://a b/",
    "http://127.0.0.1:99999/",
    "http://[::1",
    "http://[fe80::1%25eth0]/",
    "https://[::1]:0/",
    "http://a\r\nb/",
    "http://127.0.0.1\0.example.com/",
]


@pytest.mark.parametrize("url", URLS)
def test_what_is_no_address_to_call(url: str) -> None:
    failed = failure(url)
    assert (failed.code, failed.category) == ("INVALID_URL", "ValidationError")
    assert "pw" not in failed.message


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"X\r\nY": "1"},
        {"X": "1\r\nY: 2"},
        {"X": "€"},
        {"": "1"},
        {"a b": "1"},
        {"X": "1", "x": "2"},
        {"X": "y" * 40_000},
        {"X": "\0"},
    ],
)
def test_headers_that_would_make_another_request(server: WebServer, headers: dict[str, str]) -> None:
    failed = failure(server.url(), headers=headers)
    assert failed.code == "INVALID_HEADER"
    assert server.seen == []
    assert "Y: 2" not in failed.message


def test_a_header_may_hold_latin_1(server: WebServer) -> None:
    ask(server.url(), headers={"X-Name": "Zoë", "Authorization": "Basic é"})
    assert (server.seen[0].headers["x-name"], server.seen[0].headers["authorization"]) == ("Zoë", "Basic é")


def test_the_schema_refuses_slips() -> None:
    slips: list[dict[str, Any]] = [
        {},
        {"url": 1},
        {"url": "x", "metod": "GET"},
        {"url": "x", "method": "get"},
        {"url": "x", "method": "TRACE"},
        {"url": "x", "timeoutMs": 0},
        {"url": "x", "body": 1, "json": 2},
    ]
    for given in slips:
        assert refuses("http.request", given)


# ----------------------------------------------------------------------------------------------------- redirects


def redirect(status: int, location: str) -> Any:
    return lambda seen: Reply(status, b"", {"Location": location}) if seen.path == "/" else Reply(200, b"there")


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (302, "GET", "GET"),
        (303, "HEAD", "HEAD"),
    ],
)
def test_redirects_of_one_origin(server: WebServer, status: int, method: str, then: str) -> None:
    server.reply = redirect(status, "next?x=1")
    more: dict[str, Any] = {} if method in {"GET", "HEAD"} else {"body": {"a": 1}}
    assert ask(server.url(), method=method, headers={"Authorization": "t"}, **more)["status"] == 200
    first, second = server.seen
    assert (second.method, second.path) == (then, "/next?x=1")
    assert second.headers["authorization"] == "t"
    assert second.body == (first.body if then == method else b"")
    assert ("idempotency-key" in second.headers) == (then not in {"GET", "HEAD"})


def test_another_origin_gets_no_header_and_no_body(server: WebServer) -> None:
    with web_server() as other:
        server.reply = lambda _: Reply(302, b"", {"Location": other.url("/x")})
        ask(server.url(), headers={"Authorization": "t", "X-Api-Key": "t", "Cookie": "t", "Accept": "text/html"})
        assert other.seen[0].headers["accept"] == "text/html"
        assert other.seen[0].headers["host"] == f"127.0.0.1:{other.port}"
        assert not {"authorization", "x-api-key", "cookie"} & other.seen[0].headers.keys()
        server.reply = lambda _: Reply(307, b"", {"Location": other.url("/x")})
        assert failure(server.url(), method="POST", body="secret").code == "REDIRECT_REFUSED"
        assert len(other.seen) == 1


def test_a_redirect_is_checked_as_the_first_address(server: WebServer) -> None:
    only = Calling({"WFSYNC_HTTP_ALLOW": f"127.0.0.1:{server.port}"})
    for location, code in (
        ("http://127.0.0.1:1/", "HOST_NOT_ALLOWED"),
        ("http://169.254.169.254/latest/meta-data", "HOST_NOT_ALLOWED"),
        ("file:///etc/passwd", "INVALID_URL"),
        ("http://u:p@127.0.0.1/", "INVALID_URL"),
    ):
        server.reply = lambda _, location=location: Reply(302, b"", {"Location": location})  # type: ignore[misc]
        assert failure(server.url(), only).code == code


def test_redirects_end(server: WebServer) -> None:
    server.reply = lambda _: Reply(302, b"", {"Location": "/again"})
    assert failure(server.url()).code == "TOO_MANY_REDIRECTS"
    assert len(server.seen) == 6
    output = ask(server.url(), followRedirects=False)
    assert (output["status"], output["headers"]["location"]) == (302, "/again")


# ------------------------------------------------------------------------------------------------------- secure


def test_tls_is_checked_against_the_name_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, file = certificate(tmp_path, "good.example")
    monkeypatch.setattr(RESOLVER, lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 0))])
    settings = {"WFSYNC_HTTP_ALLOW": "127.0.0.1", "WFSYNC_HTTP_CA_FILE": str(file)}
    with web_server(lambda _: Reply(302, b"", {"Location": "http://good.example/"}), context) as server:
        assert failure(server.url(host="good.example"), Calling(settings)).code == "REDIRECT_REFUSED"
        server.reply = lambda _: Reply(200, b"ok")
        assert ask(server.url(host="good.example"), Calling(settings))["body"] == "ok"
        for host, given in (("bad.example", settings), ("good.example", {**settings, "WFSYNC_HTTP_CA_FILE": ""})):
            failed = failure(server.url(host=host), Calling(given))
            assert failed.code == "HTTP_CONNECTION"
            assert "certificate is not trusted" in failed.message
        plain = failure(f"http://good.example:{server.port}/", Calling(settings))
        assert plain.code == "HTTP_CONNECTION"


# ------------------------------------------------------------------------------------------------------- bounds


def test_answers_are_bounded(server: WebServer) -> None:
    server.reply = lambda _: Reply(200, b"x" * (1024 * 1024))
    assert len(ask(server.url())["body"]) == 1024 * 1024
    server.reply = lambda _: Reply(200, b"x" * (1024 * 1024 + 1))
    assert failure(server.url()).code == "HTTP_ANSWER"
    assert failure(server.url(), method="POST", body="x" * (1024 * 1024 + 1)).code == "BODY_TOO_LARGE"


def test_packed_answers_and_bombs(server: WebServer) -> None:
    packed = {"Content-Encoding": "gzip"}
    server.reply = lambda _: Reply(200, gzip.compress(b"hello") + gzip.compress(b" there"), packed)
    assert ask(server.url())["body"] == "hello there"
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    assert len(bomb) < 300_000
    server.reply = lambda _: Reply(200, bomb, packed)
    began = time.thread_time()
    assert failure(server.url()).code == "HTTP_ANSWER"
    assert time.thread_time() - began < 0.5, "known by its first wave"
    server.reply = lambda _: Reply(200, gzip.compress(b"hello")[:-4], packed)
    assert failure(server.url()).code == "HTTP_CONNECTION"
    server.reply = lambda _: Reply(200, b"hello", packed)
    assert failure(server.url()).code == "HTTP_ANSWER"
    server.reply = lambda _: Reply(200, b"hello", {"Content-Encoding": "br"})
    assert failure(server.url()).code == "HTTP_ANSWER"


def drip(before: bytes, drop: bytes) -> Any:
    def speak(connection: socket.socket, done: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(before)
        while not done.wait(0.02):
            connection.sendall(drop)

    return speak


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_no_drip_outlasts_the_time_limit(before: bytes, drop: bytes) -> None:
    with raw_server(drip(before, drop)) as port:
        began = time.monotonic()
        failed = failure(f"http://127.0.0.1:{port}/", timeoutMs=300)
        assert (failed.category, failed.code, failed.retryable) == ("TimeoutError", "HTTP_TIMEOUT", True)
        assert time.monotonic() - began < 10


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        release.wait(10)
        return []

    monkeypatch.setattr(RESOLVER, resolve)
    failed = failure("http://slow.example/", timeoutMs=100)
    release.set()
    assert (failed.category, failed.code) == ("TimeoutError", "HTTP_TIMEOUT")


def test_connections_that_fail() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refused = failure(f"http://127.0.0.1:{port}/")
    assert (refused.category, refused.code) == ("TransientError", "HTTP_CONNECTION")
    assert "refuses connections" in refused.message

    for words in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"):

        def speak(connection: socket.socket, _: threading.Event, words: bytes = words) -> None:
            connection.recv(4096)
            connection.sendall(words)

        with raw_server(speak) as port:
            failed = failure(f"http://127.0.0.1:{port}/")
            assert (failed.category, failed.code) == ("TransientError", "HTTP_CONNECTION"), words
    unknown = failure("http://no-such-host.invalid/", Calling())
    assert (unknown.category, unknown.code) == ("TransientError", "HTTP_CONNECTION")


def test_names_that_cannot_be_names() -> None:
    for host in ("xn--", "xn--a", "a..b", "...", "a." + "b" * 300, "exämple.invalid"):
        failed = failure(f"http://{host}/", Calling())
        assert failed.code in {"HTTP_CONNECTION", "INVALID_URL"}
        assert failed.message.isascii()


def test_secrets_of_a_request_are_in_no_failure(server: WebServer) -> None:
    secret = "s3cr3t-token"
    server.reply = lambda _: Reply(403, b"no", {"X": "y"})
    url = server.url(f"/{secret}?k={secret}")
    for failed in (
        failure(url, headers={"Authorization": secret}, method="POST", body=secret),
        failure(url, Calling(), headers={"Authorization": secret}),
        failure(f"http://127.0.0.1:1/{secret}", headers={"Authorization": secret}),
    ):
        told = json.dumps([failed.message, failed.details, repr(failed), str(failed.__cause__)])
        assert secret not in told


def test_no_thread_is_left(server: WebServer) -> None:
    ask(server.url())
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("wfsync-")]


def test_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from wfsync.errors import RuntimeNotInstalled

    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(RuntimeNotInstalled):
        request._require_library()
