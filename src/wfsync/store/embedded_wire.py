"""Just enough of PostgreSQL's protocol (version 3.0) to ask a local socket whether it answers, without a driver.

The driver takes longer to import than this whole check; and only an answer proves that a server is up, never a pid
file.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

PROTOCOL: Final = 3 << 16
CANNOT_CONNECT_NOW: Final = "57P03"
NO_SUCH_DATABASE: Final = "3D000"
MAX_MESSAGE: Final = 1 << 20

State = Literal["absent", "silent", "starting", "no_database", "refused", "ready"]
"""Nobody listens; somebody listens and says nothing; not yet (or no longer); lacks the database; says no; answers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a socket said to a connection attempt."""

    state: State
    version: str | None = None
    message: str = ""

    @property
    def alive(self) -> bool:
        """True when a server answered at all, if only to say no."""
        return self.state in ("starting", "no_database", "refused", "ready")


class ServerSays(Exception):
    """The server's ErrorResponse: ``code`` is the SQLSTATE."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.code = fields.get("C", "")
        super().__init__(fields.get("M", "the server reported an error"))


def ask(path: Path, user: str, database: str, *, timeout: float = 2.0) -> Answer:
    """Connects to the server's socket at ``path`` and reports what it said, within about ``timeout`` seconds.

    ``ready`` means that the server accepted the session and is ready for a query. Raises nothing.
    """
    try:
        with _Session(path, timeout) as session:
            session.open(user, database)
            return Answer("ready", session.version)
    except ServerSays as said:
        match said.code:
            case "57P03":
                return Answer("starting", message=str(said))
            case "3D000":
                return Answer("no_database", message=str(said))
            case _:
                return Answer("refused", message=str(said))
    except TimeoutError:
        return Answer("silent")
    except (OSError, EOFError, struct.error, UnicodeError) as error:
        return Answer("absent", message=str(error))


def execute(path: Path, user: str, database: str, statement: str, *, timeout: float = 30.0) -> None:
    """Runs one statement whose rows, if any, do not matter. Raises ServerSays, OSError or EOFError."""
    with _Session(path, timeout) as session:
        session.open(user, database)
        session.query(statement)


class _Session:
    """One connection; use as a context manager."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.version: str | None = None
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open(self, user: str, database: str) -> None:
        """The startup exchange, up to ReadyForQuery; local trust only."""
        words = ("user", user, "database", database, "application_name", "wfsync", "client_encoding", "UTF8")
        body = struct.pack("!i", PROTOCOL) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._until_ready()

    def query(self, statement: str) -> None:
        """A simple query, up to the next ReadyForQuery."""
        body = statement.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        self._until_ready()

    def _until_ready(self) -> None:
        while True:
            kind, body = self._message()
            match kind:
                case b"Z":
                    return
                case b"E":
                    raise ServerSays(_fields(body))
                case b"R" if struct.unpack("!i", body[:4])[0] != 0:
                    raise ServerSays({"C": "28000", "M": "the server asks for a password on its private socket"})
                case b"S":
                    name, value = body.split(b"\0")[:2]
                    if name == b"server_version":
                        self.version = value.decode()
                case _:
                    pass

    def _message(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        (length,) = struct.unpack("!i", head[1:])
        if not 4 <= length <= MAX_MESSAGE:
            raise EOFError("what listens on the socket does not speak PostgreSQL's protocol")
        return head[:1], self._exactly(length - 4)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise EOFError("the server closed the connection")
            data += piece
        return bytes(data)


def _fields(body: bytes) -> dict[str, str]:
    parts = (part for part in body.split(b"\0") if part)
    return {part[:1].decode("latin-1"): part[1:].decode("utf-8", "replace") for part in parts}
