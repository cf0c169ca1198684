"""Which places may be called: the setting ``WFSYNC_HTTP_ALLOW``, and what kind of place an address is.

The setting lists patterns, separated by commas or blanks; a place must fit one of them:

- ``*``: every public address, whatever its name; what holds where nothing is set;
- ``*.example.com``, ``api.*.example.com:8443``: hosts of these names, at public and private addresses;
- ``api.example.com``, ``localhost:8080``: the host of that name, at loopback addresses too;
- ``10.1.0.0/16``, ``169.254.169.254``, ``[fd00::/8]:443``: these addresses, whatever name leads there.

Link-local addresses, among them the metadata services of clouds, multicast and reserved ones are open to the last form
only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

__all__ = ["Address", "Place", "Rules", "RulesFault", "parse_address", "parse_rules", "place_of"]

Address = IPv4Address | IPv6Address

_PORT: Final = re.compile(r"(?P<host>.*):(?P<port>[0-9]{1,5})", re.DOTALL)
_HOST: Final = re.compile(r"[a-z0-9_*-]{1,63}(?:\.[a-z0-9_*-]{1,63}){0,20}")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_TRANSLATED: Final = IPv6Network("64:ff9b:1::/48")


class Place(IntEnum):
    """What kind of place an address is, the most harmless first."""

    PUBLIC = 1
    PRIVATE = 2
    LOOPBACK = 3
    RESERVED = 4
    """Link-local (metadata services), multicast, unspecified, reserved."""


class RulesFault(ValueError):
    """The setting has something that is no pattern; the message says what."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    host: str
    """A glob; empty for a network."""
    network: str
    port: int | None

    def allows(self, host: str, port: int, address: Address, place: Place) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network:
            return address in ip_network(self.network)
        if self.host == "*":
            return place == Place.PUBLIC
        if not fnmatchcase(host, self.host):
            return False
        return place <= (Place.PRIVATE if "*" in self.host else Place.LOOPBACK)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed."""

    _rules: tuple[_Pattern, ...]

    def allow(self, host: str, port: int, address: Address) -> bool:
        """Whether ``host`` (lower case, ASCII) may be called at this port and address."""
        found = _unwrapped(address)
        place = max(map(place_of, found))
        return any(rule.allows(host, port, found[-1], place) for rule in self._rules)


def parse_rules(setting: str | None) -> Rules:
    """The rules that ``WFSYNC_HTTP_ALLOW`` says. Raises `RulesFault`."""
    words = (setting or "").replace(",", " ").split() or ["*"]
    return Rules(tuple(map(_rule, words)))


def _rule(word: str) -> _Pattern:
    network = _network(word.removeprefix("[").removesuffix("]"))
    if network is not None:
        return _Pattern("", network, None)
    host, port = word, None
    if found := _PORT.fullmatch(word):
        host, port = found["host"], int(found["port"])
        if not 0 < port < 65536:
            raise RulesFault(f"{word!r} in WFSYNC_HTTP_ALLOW has no port between 1 and 65535")
        network = _network(host.removeprefix("[").removesuffix("]"))
        if network is not None:
            return _Pattern("", network, port)
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise RulesFault(f"{word!r} in WFSYNC_HTTP_ALLOW is neither host[:port] nor an address or network")
    return _Pattern(host, "", port)


def _network(word: str) -> str | None:
    try:
        return str(ip_network(word, strict=False))
    except ValueError:
        return None


def place_of(address: Address) -> Place:
    """What kind of place ``address`` is."""
    if address.is_loopback:
        return Place.LOOPBACK
    if address.is_link_local or address.is_multicast or address.is_unspecified or _is_reserved(address):
        return Place.RESERVED
    return Place.PUBLIC if address.is_global else Place.PRIVATE


def _is_reserved(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_reserved or address in ip_network("0.0.0.0/8")
    # Python calls NAT64 reserved, which is as harmless as the address inside; ::/96 once was another such form.
    return (address.is_reserved and not address.is_global) or int(address) < 1 << 32


def _unwrapped(address: Address) -> tuple[Address, ...]:
    """The address and, before it, the IPv4 addresses that packets to it may be sent on to."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner: list[Address] = []
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner += address.teredo
    if address in _NAT64 or address in _TRANSLATED:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return (*inner, address)


def parse_address(text: str) -> Address:
    """The address that the resolver wrote, without the zone behind ``%``."""
    return ip_address(text.partition("%")[0])
