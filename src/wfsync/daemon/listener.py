"""The small HTTP server of a watching instance: health, metrics, and a door to ask for a sync.

One thread a connection, a connection a request. Nothing here can hold up the loop: threads only read immutable values
and ring the bell. And nobody can hold up the others: a connection lives for `_DEADLINE` seconds at most, whatever it
sends or does not send, there are `_MOST` of them at most, and a body is streamed through the check of its signature.
"""

from __future__ import annotations

import json
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from wfsync.daemon.bell import Bell
from wfsync.daemon.webhook import is_authentic
from wfsync.errors import ConfigError

__all__ = ["Answers", "Listener", "parse_address"]

MAX_BODY: Final = 25 * 1024 * 1024
"""Bytes; the most that GitHub sends."""
_DEADLINE: Final = 15.0
_MOST: Final = 64
_PIECE: Final = 64 * 1024
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the listener may say; the functions are called by its threads."""

    ready: Callable[[], tuple[bool, dict[str, Any]]]
    """Whether the last sync worked, and what to say about it."""
    metrics: Callable[[], str]
    bell: Bell
    secret: bytes = field(default=b"", repr=False)
    """Of ``POST /sync``; empty: nobody may ask for a sync."""
    standby: Callable[[], float | None] = lambda: None
    """Seconds until this instance looks again whether it may lead; None while it is no standby."""


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every address of the machine); port 0 takes a free one.

    Raises `ConfigError` (code ``USAGE``).
    """
    found = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^:\[\]\s/]*)):(?P<port>\d{1,5})", text.strip())
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(
            f"--listen {text!r} is not an address",
            code="USAGE",
            hint="write HOST:PORT, such as 127.0.0.1:8080, [::1]:8080, or :8080 for every address",
        )
    return found["six"] or found["host"] or "", int(found["port"])


class Listener:
    """Answers in the background from `open` to `close`."""

    def __init__(self, address: tuple[str, int], answers: Answers) -> None:
        self._server = _bind(address, answers)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.25}, name="wfsync-http", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens, with the port that was taken."""
        host, port = self._server.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}"

    def open(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; connections that are open are left to the end of the process."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def _bind(address: tuple[str, int], answers: Answers) -> _Server:
    host, port = address
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        if not host:
            family = socket.AF_INET
        kind = type("_Bound", (_Server,), {"address_family": family})
        server: _Server = kind((host, port), _Handler)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(
            f"cannot listen on {host or '*'}:{port}: {reason}",
            code="LISTEN",
            hint="choose another address with --listen, or end what uses this one",
        ) from None
    server.answers = answers
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    answers: Answers

    def __init__(self, *args: Any) -> None:
        self._open: dict[socket.socket, float] = {}
        super().__init__(*args)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for the machine's name, which may take seconds
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "wfsync", self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's signature
        return len(self._open) < _MOST

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open[request] = time.monotonic() + _DEADLINE
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called four times a second: hang up on who takes too long. The thread that waits for it then ends."""
        now = time.monotonic()
        for request, deadline in list(self._open.items()):
            if now > deadline:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _DEADLINE
    server_version = "wfsync"
    sys_version = ""
    error_content_type = _TEXT
    error_message_format = "%(code)d %(message)s\n"
    _PATHS: ClassVar[dict[str, str]] = {"/healthz": "GET", "/readyz": "GET", "/metrics": "GET", "/sync": "POST"}

    def do_GET(self) -> None:
        answers = self.server.answers
        match self._path():
            case "/healthz":
                self._say(200, "ok\n")
            case "/readyz":
                ready, facts = answers.ready()
                self._say(200 if ready else 503, json.dumps(facts) + "\n", "application/json")
            case "/metrics":
                self._say(200, answers.metrics(), "text/plain; version=0.0.4; charset=utf-8")
            case _:
                self._refuse()

    do_HEAD = do_GET  # noqa: N815 - the base class looks for these names

    def do_POST(self) -> None:
        if self._path() != "/sync":
            self._refuse()
            return
        length = self.headers.get("content-length", "").strip()
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self._say(411, "send a Content-Length\n")
        elif len(length) > 12 or int(length) > MAX_BODY:
            self._say(413, f"a body may have {MAX_BODY} bytes\n")
            self._linger()
        elif not self.server.answers.secret:
            self._say(403, "no webhook secret is configured\n")
            self._linger()
        else:
            self._sync(int(length))

    def _sync(self, length: int) -> None:
        answers = self.server.answers
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            authentic = is_authentic(answers.secret, headers, self._body(length))
        except (OSError, EOFError):
            return  # the sender went away, or took too long
        if not authentic:
            self._say(401, "the signature or token is missing or wrong\n")
            return
        if (seconds := answers.standby()) is not None:
            # Not rung: 202 would be the end of it for the sender, and only the instance that leads can do anything
            text = json.dumps({"status": "standby", "message": "another instance leads; ask that one for the sync"})
            self._say(503, text + "\n", "application/json", {"Retry-After": str(max(1, math.ceil(seconds)))})
            return
        answers.bell.ring("webhook")
        self._say(202, '{"status": "accepted"}\n', "application/json")

    def _linger(self) -> None:
        """Take a little of what the sender goes on sending: hung up on at once, it might not see the answer."""
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(16):
                if not self.rfile.read1(_PIECE):
                    return

    def _refuse(self) -> None:
        allowed = self._PATHS.get(self._path())
        if allowed is None:
            self._say(404, "there is /healthz, /readyz, /metrics and POST /sync\n")
        else:
            self._say(405, f"use {allowed}\n", more={"Allow": allowed})

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 - likewise

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _body(self, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self.rfile.read1(min(length, _PIECE))
            if not piece:
                raise EOFError
            length -= len(piece)
            yield piece

    def _say(self, code: int, text: str, kind: str = _TEXT, more: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are no events of the service; a sync says what began it."""
