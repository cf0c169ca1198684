"""One request to one address, and its answer: bounded in bytes and in time, whatever the other side does."""

from __future__ import annotations

import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

from wfsync.runtime.actions.http.rules import Address

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Asked", "ExchangeFault", "exchange"]

MAX_ANSWER: Final = 1024 * 1024
"""Bytes of an answer, as they come and unpacked."""
_CHUNK: Final = 16 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be made: its address was checked."""

    method: str
    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    address: Address
    ca_file: str | None
    deadline: float
    """By the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    content: bytes = field(repr=False)


class ExchangeFault(Exception):
    """No answer. ``kind``: ``unreachable`` (nothing was sent), ``lost``, ``late``, ``large``, ``unreadable``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def exchange(asked: Asked) -> Answer:
    """Ask once. The connection goes to ``asked.address``; certificates are checked against the name of the URL.

    Raises `ExchangeFault`.
    """
    import httpx

    left = asked.deadline - monotonic()
    if left <= 0:
        raise ExchangeFault("late", "no answer in time")
    literal = f"[{asked.address}]" if asked.address.version == 6 else str(asked.address)
    watchdog = _Watchdog(left)
    request = httpx.Request(
        asked.method,
        asked.url.copy_with(host=literal),
        # As bytes: the library takes no text but ASCII, and headers may have Latin-1.
        headers=[
            (name.encode("ascii"), value.encode("latin-1"))
            for name, value in {**asked.headers, "Host": asked.url.netloc.decode("ascii")}.items()
        ],
        content=asked.content or None,
        extensions={
            "timeout": httpx.Timeout(left).as_dict(),
            "sni_hostname": asked.url.raw_host.decode("ascii"),
            "trace": watchdog.trace,
        },
    )
    transport = httpx.HTTPTransport(verify=_trust(asked.ca_file), trust_env=False)
    with transport, watchdog, _explained(watchdog):
        answer = transport.handle_request(request)
        try:
            content = _read(answer)
        finally:
            answer.close()
        return Answer(answer.status_code, tuple(answer.headers.multi_items()), content)


@contextmanager
def _explained(watchdog: _Watchdog) -> Iterator[None]:
    """Faults of the library as ours. Their own words may quote headers, and are left out but for those of TLS."""
    import httpx

    try:
        yield
    except ExchangeFault:
        raise
    except (httpx.ConnectTimeout, httpx.ConnectError) as error:
        raise ExchangeFault("unreachable", _reason(error)) from None
    except httpx.TimeoutException:
        raise ExchangeFault("late", "no answer in time") from None
    except (httpx.LocalProtocolError, httpx.RemoteProtocolError, httpx.DecodingError):
        if watchdog.barked:
            raise ExchangeFault("late", "no answer in time") from None
        raise ExchangeFault("lost", "what came back is no HTTP") from None
    except (httpx.HTTPError, OSError):
        if watchdog.barked:
            raise ExchangeFault("late", "no answer in time") from None
        raise ExchangeFault("lost", "the connection was lost") from None


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS could be agreed on"
        if isinstance(cause, ConnectionRefusedError):
            return "it refuses connections"
        cause = cause.__cause__ or cause.__context__
    return "no connection in time" if "Timeout" in type(error).__name__ else "it cannot be reached"


@lru_cache(maxsize=8)
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """What certificates must be signed by: the authorities that ship with httpx, and those of ``ca_file``."""
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise ExchangeFault("unreadable", "WFSYNC_HTTP_CA_FILE names no file with certificates") from None
    return context


class _Watchdog:
    """Ends a connection when time is up: limits of single reads would let a drip of bytes go on for ever."""

    def __init__(self, seconds: float) -> None:
        self.barked = False
        self._timer = threading.Timer(seconds, self._bark)
        self._timer.daemon = True
        self._timer.name = "wfsync-watchdog"
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by the library at each step; remembers the connection."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.barked:
                    self._end()

    def _bark(self) -> None:
        with self._lock:
            self.barked = True
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Of the plain socket: that of TLS would forget its encryption, and what is read next be no TLS
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _read(answer: httpx.Response) -> bytes:
    unpack = _unpacker(answer.headers.get("content-encoding", ""))
    content = bytearray()
    raw = 0
    for chunk in answer.iter_raw(_CHUNK):
        raw += len(chunk)
        if raw > MAX_ANSWER:
            raise _too_large()
        content += unpack.feed(chunk, MAX_ANSWER - len(content))
    if not unpack.complete:
        raise ExchangeFault("lost", "the answer ends in the middle")
    return bytes(content)


def _too_large() -> ExchangeFault:
    return ExchangeFault("large", f"the answer is larger than {MAX_ANSWER} bytes")


class _Plain:
    complete = True

    def feed(self, chunk: bytes, room: int) -> bytes:
        if len(chunk) > room:
            raise _too_large()
        return chunk


class _Gzip:
    """Unpacks as much as there is room for and one byte more, so that a bomb is known by its first wave."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)
        self._fed = False

    @property
    def complete(self) -> bool:
        return self._inflate.eof or not self._fed

    def feed(self, chunk: bytes, room: int) -> bytes:
        unpacked = bytearray()
        while chunk:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(_GZIP)  # another member follows
            self._fed = True
            try:
                unpacked += self._inflate.decompress(chunk, room + 1 - len(unpacked))
            except zlib.error:
                raise ExchangeFault("unreadable", "the answer is not packed as it says") from None
            if len(unpacked) > room:
                raise _too_large()
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
        return bytes(unpacked)


def _unpacker(encoding: str) -> _Plain | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
        case _:
            raise ExchangeFault("unreadable", "the answer is packed in a way that was not asked for")
