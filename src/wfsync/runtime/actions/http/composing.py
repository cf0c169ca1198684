"""The input of ``http.request`` → what is sent: method, address, headers, bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from wfsync.bundle.model import JsonObject
from wfsync.runtime.actions.declaring import invalid
from wfsync.runtime.registry import ActionFailed

if TYPE_CHECKING:
    import httpx

__all__ = ["Message", "compose", "moved", "origin"]

MAX_BODY: Final = 1024 * 1024
_LONGEST_URL: Final = 8192
_MAX_HEADERS_BYTES: Final = 32 * 1024
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that say how a message is sent: an input that sets them could make two requests of one."""
_HARMLESS: Final = frozenset({"accept", "accept-language", "user-agent"})
"""What goes along to another origin. Any other header may hold a secret."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Nothing of it is shown: address, headers and content may hold secrets."""

    method: str
    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


def compose(given: JsonObject, key: str, version: str) -> Message:
    """The message that the input asks for.

    Raises `ActionFailed`: ``INVALID_URL``, ``INVALID_HEADER``, ``BODY_TOO_LARGE``.
    """
    method = str(given.get("method", "GET"))
    headers = _headers(given.get("headers") or {})
    content, kind = _content(given)
    if len(content) > MAX_BODY:
        raise ActionFailed(
            f"the body has more than {MAX_BODY} bytes", code="BODY_TOO_LARGE", details={"limit": MAX_BODY}
        )
    defaults = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": f"wfsync/{version}", "connection": "close"}
    if kind is not None:
        defaults["content-type"] = kind
    if method not in _SAFE_METHODS:
        defaults["idempotency-key"] = _printable(key)
    return Message(method, _with_query(_url(str(given["url"])), given.get("query") or {}), defaults | headers, content)


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in given.items():
        text = str(value) if not isinstance(value, bool) else str(value).lower()
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise invalid(
                f"the header {name[:128]!r} cannot be set", code="INVALID_HEADER", details={"header": name[:128]}
            )
        if any(
            not (" " <= character <= "~" or character == "\t" or "\xa0" <= character <= "\xff") for character in text
        ):
            raise invalid(
                f"the value of the header {name} has a character that no header can have",
                code="INVALID_HEADER",
                details={"header": name},
            )
        if name.lower() in headers:
            raise invalid(f"the header {name} is given twice", code="INVALID_HEADER", details={"header": name})
        headers[name.lower()] = text
    if sum(len(name) + len(value) for name, value in headers.items()) > _MAX_HEADERS_BYTES:
        raise invalid(f"the headers have more than {_MAX_HEADERS_BYTES} bytes", code="INVALID_HEADER")
    return headers


def _content(given: JsonObject) -> tuple[bytes, str | None]:
    if "json" in given:
        return _as_json(given["json"]), "application/json"
    body = given.get("body")
    if body is None:
        return b"", None
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    return _as_json(body), "application/json"


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def _printable(key: str) -> str:
    """The key as a header can hold it, still another one for every other key."""
    if key.isascii() and key.isprintable() and len(key) <= 255 and key == key.strip():
        return key
    from hashlib import sha256

    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _url(text: str) -> httpx.URL:
    import httpx

    if len(text) > _LONGEST_URL:
        raise invalid(f"the URL is longer than {_LONGEST_URL} characters", code="INVALID_URL")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError, TypeError):
        raise invalid("the URL cannot be read", code="INVALID_URL") from None
    if url.scheme not in {"http", "https"}:
        raise invalid("the URL begins neither with http:// nor with https://", code="INVALID_URL")
    if url.userinfo:
        raise invalid(
            "the URL holds a user name or password; set the header Authorization to a secret instead",
            code="INVALID_URL",
        )
    if not host or "%" in host or (url.port is not None and not 0 < url.port < 65536):
        raise invalid("the URL names no host", code="INVALID_URL")
    return url.copy_with(fragment=None)


def _with_query(url: httpx.URL, query: Mapping[str, Any]) -> httpx.URL:
    pairs: list[tuple[str, str | int | float | bool | None]] = [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    if not pairs:
        return url
    return url.copy_with(params=url.params.merge(pairs) if url.params else pairs)


def origin(url: httpx.URL) -> str:
    """Scheme, host and port: what may be said of an address. Paths and queries may hold secrets."""
    # In ASCII: no letter of another script can pass for one of a host that people know
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def moved(message: Message, status: int, location: str) -> Message:
    """The message that a redirect asks for.

    Raises `ActionFailed`: ``INVALID_URL``, or ``REDIRECT_REFUSED`` where it leads from https to http, or would hand a
    body to another origin. To another origin go no headers but harmless ones.
    """
    url = _url(urljoin(str(message.url), location))
    if message.url.scheme == "https" and url.scheme != "https":
        raise _refused(f"{origin(message.url)} redirects to {origin(url)}, which is not encrypted")
    method, content, headers = message.method, message.content, dict(message.headers)
    if status == 303 or (status in {301, 302} and method not in _SAFE_METHODS):
        method, content = ("HEAD" if method == "HEAD" else "GET"), b""
        for name in ("content-type", "idempotency-key"):
            headers.pop(name, None)
    if origin(url) != origin(message.url):
        if content:
            raise _refused(f"{origin(message.url)} redirects to {origin(url)}, which nobody gave the body to")
        ours = {"accept-encoding", "connection"}
        headers = {name: value for name, value in headers.items() if name in _HARMLESS | ours}
    return replace(message, method=method, url=url, headers=headers, content=content)


def _refused(message: str) -> ActionFailed:
    return ActionFailed(message, code="REDIRECT_REFUSED")
