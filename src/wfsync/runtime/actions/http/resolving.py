"""Every address of a name, asked for once: the one that is checked is the one that is called."""

from __future__ import annotations

import threading
from socket import IPPROTO_TCP, SOCK_STREAM, getaddrinfo
from typing import Any

from wfsync.runtime.actions.http.rules import Address, parse_address

__all__ = ["NameFault", "addresses"]


class NameFault(Exception):
    """The name has no address, or nobody answered in time (``timed_out``)."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


def addresses(host: str, port: int, seconds: float) -> tuple[Address, ...]:
    """The addresses of ``host`` in the order to try them. Raises `NameFault`.

    The resolver has time limits of its own, which may be longer: it is asked in a thread that is left behind.
    """
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(getaddrinfo(host, port, type=SOCK_STREAM, proto=IPPROTO_TCP))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name="wfsync-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise NameFault("the name server did not answer in time", timed_out=True)
    if isinstance(answer[0], Exception):
        raise NameFault(getattr(answer[0], "strerror", None) or "the name cannot be resolved")
    return tuple(dict.fromkeys(parse_address(entry[4][0]) for entry in answer[0]))
