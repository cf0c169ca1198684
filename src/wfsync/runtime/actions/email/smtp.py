"""Handing a mail to a server: ``smtp://`` (with STARTTLS) and ``smtps://``."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from wfsync.runtime.actions.email.composing import Mail
from wfsync.runtime.registry import ActionFailed

__all__ = ["Server", "parse_server", "send"]

_PORTS: Final = {"smtp": 587, "smtps": 465}
_STARTTLS: Final = frozenset({"required", "never"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed in."""

    host: str
    port: int
    tls: str
    """``implicit``, ``required`` (STARTTLS) or ``never``."""
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)


def parse_server(url: str | None) -> Server:
    """The server of ``WFSYNC_SMTP_URL``: ``smtp(s)://[user:password@]host[:port][?starttls=never]``.

    STARTTLS is required, but for servers on this machine. Raises `ActionFailed` (``SMTP_NOT_CONFIGURED``).
    """
    if not url:
        raise _not_configured("WFSYNC_SMTP_URL is not set, so no mail can be sent")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
        options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise _malformed() from None
    starttls = options.pop("starttls", ["never" if host in _LOCAL else "required"])[-1]
    if parts.scheme not in _PORTS or not host or options or parts.path not in {"", "/"} or starttls not in _STARTTLS:
        raise _malformed()
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    tls = "implicit" if parts.scheme == "smtps" else starttls
    if user is not None and tls == "never" and host not in _LOCAL:
        raise _not_configured("WFSYNC_SMTP_URL would send its password without encryption: leave starttls=never out")
    return Server(host, port or _PORTS[parts.scheme], tls, user, password)


def _malformed() -> ActionFailed:
    return _not_configured("WFSYNC_SMTP_URL is not smtp(s)://[user:password@]host[:port][?starttls=required|never]")


def _not_configured(message: str) -> ActionFailed:
    return ActionFailed(message, code="SMTP_NOT_CONFIGURED")


def send(server: Server, mail: Mail, *, ca_file: str | None, timeout: float) -> tuple[str, ...]:
    """Hand ``mail`` in; the recipients that the server refused while it took others.

    Raises `ActionFailed`: ``SMTP_CONNECTION`` (trying again may help), ``SMTP_TIMEOUT``, ``SMTP_REFUSED``,
    ``SMTP_LOGIN``. What the server says is left out: it may repeat what it was told.
    """
    place = f"the mail server {server.host}:{server.port}"
    try:
        return _send(server, mail, ca_file, timeout)
    except TimeoutError:
        raise ActionFailed(
            f"{place} did not answer in time", category="TimeoutError", code="SMTP_TIMEOUT", retryable=True
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _refused(f"{place} refuses every recipient", min(codes, default=550)) from None
    except smtplib.SMTPAuthenticationError as error:
        raise ActionFailed(
            f"{place} does not accept the user and password of WFSYNC_SMTP_URL",
            category="TransientError" if error.smtp_code < 500 else "ActionError",
            code="SMTP_LOGIN",
            details={"status": error.smtp_code},
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise ActionFailed(f"{place} offers no STARTTLS, or no login", code="SMTP_LOGIN") from None
    except ssl.SSLCertVerificationError as error:
        raise _lost(f"the certificate of {place} is not trusted: {error.verify_message}") from None
    except smtplib.SMTPResponseException as error:
        raise _refused(f"{place} refuses the mail", error.smtp_code) from None
    except (smtplib.SMTPException, OSError):
        raise _lost(f"{place} cannot be reached, or ended the connection") from None


def _send(server: Server, mail: Mail, ca_file: str | None, timeout: float) -> tuple[str, ...]:
    context = ssl.create_default_context(cafile=ca_file or None)
    connection = (
        smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
        if server.tls == "implicit"
        else smtplib.SMTP(server.host, server.port, timeout=timeout)
    )
    with connection as smtp:
        if server.tls == "required":
            smtp.starttls(context=context)
        if server.user is not None:
            smtp.login(server.user, server.password or "")
        refused = smtp.send_message(mail.message, mail.sender, list(mail.recipients))
    return tuple(refused)


def _refused(message: str, status: int) -> ActionFailed:
    transient = 400 <= status < 500
    return ActionFailed(
        f"{message} ({status})",
        category="TransientError" if transient else "ActionError",
        code="SMTP_REFUSED",
        details={"status": status},
    )


def _lost(message: str) -> ActionFailed:
    return ActionFailed(message, category="TransientError", code="SMTP_CONNECTION")
