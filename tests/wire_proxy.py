"""A proxy between a client and a PostgreSQL server that loses the connection at the worst moment, the COMMIT."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

Cut: TypeAlias = Literal["before", "after", "half open", "never"]

_COMMIT = b"COMMIT\0"


class Proxy:
    """Listens on 127.0.0.1 and passes bytes on, until it sees a COMMIT.

    ``before``: the COMMIT never arrives and both sides are closed. ``after``: it arrives, its answer does not.
    ``half open``: it never arrives, the client's side is closed and the server's stays open. ``never``: only
    ``on_commit`` is called. Once ``deaf``, it closes every new connection.
    """

    def __init__(self, server: str, cut: Cut, on_commit: Callable[[], None] | None = None) -> None:
        self.server = server
        self.cut = cut
        self.on_commit = on_commit
        self.deaf_after_cut = False
        self.refused = 0
        """Connections that were closed for being deaf."""
        self.done = threading.Event()
        self._cut_happened = False
        self._kept: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for kept in self._kept:
            kept.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._cut_happened and self.deaf_after_cut:
                    client.close()
                    self.refused += 1
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server)
        keep = False
        with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not keep:
                for key, _ in selector.select():
                    source, sink = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(65536)
                    if not data:
                        raise OSError
                    if source is client and _COMMIT in data and not self._cut_happened:
                        self._cut_happened = True
                        keep = self._at_commit(data, server)
                        if self.cut != "never":
                            break
                    else:
                        sink.sendall(data)
        client.close()
        if keep:
            self._kept.append(server)
        else:
            server.close()
        self.done.set()

    def _at_commit(self, data: bytes, server: socket.socket) -> bool:
        """Do what ``cut`` says; True to keep the server's side open."""
        if self.on_commit:
            self.on_commit()
        match self.cut:
            case "never":
                server.sendall(data)
                return False
            case "after":
                server.sendall(data)
                server.recv(65536)
                raise OSError
            case "before":
                raise OSError
            case "half open":
                return True


@contextmanager
def proxy(server: str, cut: Cut, on_commit: Callable[[], None] | None = None) -> Iterator[Proxy]:
    """A `Proxy` in front of the socket ``server``."""
    made = Proxy(server, cut, on_commit)
    try:
        yield made
    finally:
        made.close()
