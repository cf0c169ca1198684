"""The input of ``email.send`` → a message, and who gets it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from hashlib import sha256
from typing import Any, Final

from wfsync.bundle.model import JsonObject
from wfsync.runtime.actions.declaring import invalid
from wfsync.runtime.registry import ActionFailed

__all__ = ["Mail", "compose"]

MAX_MESSAGE: Final = 10 * 1024 * 1024
MAX_RECIPIENTS: Final = 100
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@(?=.{1,253}\Z)[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.[^\W_](?:[\w-]{0,61}[^\W_])?){0,20}"
)
_ENCODED: Final = re.compile(r"=\?[^?]{0,80}\?[bBqQ]\?")
"""A word that is encoded already: the library would decode it, line breaks included, and write those as they are."""
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_HEADER_NAME: Final = re.compile(
    r"(?:X-|List-|Auto-Submitted|In-Reply-To|References|Importance|Precedence)[A-Za-z0-9-]*"
)
_MIME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9.+-]{0,126}")
_POLICY: Final = SMTP.clone(max_line_length=200)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, and the addresses of its envelope."""

    message: EmailMessage = field(repr=False)
    sender: str
    recipients: tuple[str, ...]

    @property
    def message_id(self) -> str:
        """``<…@…>``."""
        return str(self.message["Message-ID"])


def compose(given: JsonObject, default_sender: str | None, key: str, now: datetime) -> Mail:
    """The mail that the input asks for. ``key`` makes its Message-ID: a repeated call sends the same mail again.

    Raises `ActionFailed`: ``INVALID_ADDRESS``, ``INVALID_HEADER``, ``NO_RECIPIENT``, ``NO_SENDER``,
    ``INVALID_ATTACHMENT``, ``MAIL_TOO_LARGE``.
    """
    sender = given.get("from") or default_sender
    if not sender:
        raise invalid("nobody says who sends: give `from`, or set WFSYNC_SMTP_FROM", code="NO_SENDER")
    message = EmailMessage(policy=_POLICY)
    origin = _addresses([sender], "from")[:1]
    message["From"] = origin
    recipients: dict[str, None] = {}
    for name in ("to", "cc", "bcc", "replyTo"):
        found = _addresses(_listed(given.get(name)), name)
        if name != "replyTo":
            recipients |= dict.fromkeys(address.addr_spec for address in found)
        if found and name != "bcc":
            message["Reply-To" if name == "replyTo" else name.capitalize()] = found
    if not recipients:
        raise invalid("the mail has no recipient", code="NO_RECIPIENT")
    if len(recipients) > MAX_RECIPIENTS:
        raise invalid(f"the mail has more than {MAX_RECIPIENTS} recipients", code="NO_RECIPIENT")
    message["Subject"] = _one_line(given.get("subject") or "", "subject")
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}@{origin[0].domain}>"
    _add_headers(message, given.get("headers") or {})
    _add_bodies(message, given)
    _add_attachments(message, given.get("attachments") or [])
    if len(message.as_bytes()) > MAX_MESSAGE:
        raise ActionFailed(
            f"the mail has more than {MAX_MESSAGE} bytes", code="MAIL_TOO_LARGE", details={"limit": MAX_MESSAGE}
        )
    return Mail(message, origin[0].addr_spec, tuple(recipients))


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _addresses(texts: Iterable[str], name: str) -> list[Address]:
    """``Ann Lee <ann@example.com>`` or ``ann@example.com``, several of them separated by commas."""
    found: list[Address] = []
    for text in texts:
        line = _one_line(text, name)
        pairs = getaddresses([line]) if line.strip() else []
        if len(pairs) != _count(line) or not all(_ADDRESS.fullmatch(address) for _, address in pairs):
            raise invalid(
                f"`{name}` has something that is no mail address", code="INVALID_ADDRESS", details={"field": name}
            )
        found += [_address(shown, address, name) for shown, address in pairs]
    return found


def _count(line: str) -> int:
    """How many addresses a line is meant to have: commas outside of quotes, and one."""
    return len(re.sub(r'"(?:[^"\\]|\\.)*"', "", line).split(",")) if line.strip() else 0


def _address(shown: str, address: str, name: str) -> Address:
    user, _, domain = address.rpartition("@")
    try:
        return Address(shown, user, domain.encode("idna").decode("ascii"))
    except (MessageError, ValueError, UnicodeError):
        raise invalid(
            f"`{name}` has something that is no mail address", code="INVALID_ADDRESS", details={"field": name}
        ) from None


def _one_line(text: str, name: str) -> str:
    """``text`` if it can be one header: a line break would begin another one."""
    if _BREAKS.search(text) or _ENCODED.search(text) or any("\ud800" <= character <= "\udfff" for character in text):
        raise invalid(
            f"`{name}` has a line break, another control character or an encoded word",
            code="INVALID_HEADER",
            details={"field": name},
        )
    return text


def _add_headers(message: EmailMessage, headers: JsonObject) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise invalid(
                f"the header {name[:100]!r} cannot be set; `X-…`, `List-…`, `References` and a few others can",
                code="INVALID_HEADER",
                details={"header": name[:100]},
            )
        message[name] = _one_line(str(value), f"headers.{name}")


def _add_bodies(message: EmailMessage, given: JsonObject) -> None:
    text, html = given.get("text"), given.get("html")
    if text is not None or html is None:
        message.set_content(_body(text or ""))
    if html is not None:
        if text is None:
            message.set_content(_body(html), subtype="html")
        else:
            message.add_alternative(_body(html), subtype="html")


def _body(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _add_attachments(message: EmailMessage, attachments: list[JsonObject]) -> None:
    for number, attachment in enumerate(attachments):
        where = f"attachments[{number}]"
        name = _one_line(attachment["filename"], where)
        if "/" in name or "\\" in name:
            raise _no_attachment(f"`{where}.filename` has a folder in it")
        kind = attachment.get("contentType", "application/octet-stream")
        if not _MIME.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
            raise _no_attachment(f"`{where}.contentType` is none")
        if "text" in attachment:
            content = attachment["text"].encode("utf-8", "replace")
        else:
            try:
                content = base64.b64decode(attachment["base64"], validate=True)
            except (binascii.Error, ValueError):
                raise _no_attachment(f"`{where}.base64` is no base64") from None
        main, _, sub = kind.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)


def _no_attachment(message: str) -> ActionFailed:
    return invalid(message, code="INVALID_ATTACHMENT")
