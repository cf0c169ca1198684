"""Servers of git repositories for tests: http with or without a password, and an ssh that stays on this machine."""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["HttpServer", "fake_ssh", "http_server", "served"]


@dataclass
class HttpServer:
    """A server of files, as git's "dumb" protocol wants them."""

    port: int
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    credentials: list[str] = field(default_factory=list)
    """The credentials that were sent, as ``user:password``."""

    def url(self, path: str, credentials: str = "") -> str:
        """The URL of a repository below the root."""
        return f"http://{credentials and credentials + '@'}127.0.0.1:{self.port}/{path}"


@contextmanager
def http_server(root: Path, *, wanted: str | None = None, elsewhere: str | None = None) -> Iterator[HttpServer]:
    """Serve ``root``; with ``wanted`` (``user:password``) only to who sends that; or send all ``elsewhere``."""
    state = HttpServer(0)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(root))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            state.asked.append(self.path)
            given = self.headers.get("Authorization", "")
            sent = base64.b64decode(given.removeprefix("Basic ")).decode() if given else ""
            if sent:
                state.credentials.append(sent)
            if elsewhere is not None:
                self.send_response(302)
                self.send_header("Location", elsewhere + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if wanted is not None and sent != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def served(bare: Path) -> None:
    """Write what the "dumb" protocol reads (a server's hook does that after a push)."""
    subprocess.run(["git", "--git-dir", str(bare), "update-server-info"], check=True)


def fake_ssh(folder: Path) -> tuple[str, Path]:
    """A command for GIT_SSH_COMMAND that runs the remote command here, and the file where it notes its arguments."""
    script, log = folder / "ssh-here", folder / "ssh-arguments"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{log}"\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o700)
    return str(script), log
