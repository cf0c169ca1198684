"""email.send against real servers (docs/actions.md)."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from runtime_actions import Calling, call, refuses
from web_servers import certificate
from wfsync.runtime.actions.email.smtp import parse_server
from wfsync.runtime.registry import ActionFailed

PASSWORD = "p@ss:w/rd"


class Box:
    """Keeps every mail; refuses what ``refusals`` says."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[LoginPassword] = []
        self.recipients: dict[str, str] = {}
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refusal = self.recipients.get(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self.answer.startswith("250"):
            self.envelopes.append(envelope)
        return self.answer

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        self.logins.append(given)
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


def newest(box: Box) -> EmailMessage:
    return message_from_bytes(cast("bytes", box.envelopes[-1].content), policy=default)


@contextmanager
def mail_server(box: Box, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    # Its own look whether it is ready speaks no TLS
    controller._trigger_server = lambda: socket.create_connection(("127.0.0.1", port)).close()  # type: ignore[method-assign]
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def server() -> Iterator[tuple[Box, Calling]]:
    box = Box()
    with mail_server(box) as port:
        settings = {"WFSYNC_SMTP_URL": f"smtp://127.0.0.1:{port}", "WFSYNC_SMTP_FROM": "Help <help@example.com>"}
        yield box, Calling(settings)


def send(context: Calling, **more: Any) -> Any:
    return call("email.send", {"to": "ann@example.com", "subject": "Hi", "text": "Hello.\n", **more}, context)


def failure(context: Calling, **more: Any) -> ActionFailed:
    with pytest.raises(ActionFailed) as caught:
        send(context, **more)
    return caught.value


def test_a_mail_arrives_as_it_was_meant(server: tuple[Box, Calling]) -> None:
    box, context = server
    output = send(
        context,
        to=['"Änn, the first" <ann@example.com>', "bo@bücher.example"],
        cc="cy@example.com, Di <di@example.com>",
        bcc="secret@example.com",
        replyTo="team@example.com",
        subject="Grüße – a subject",
        text="Tëxt\r\n.\nline\n",
        html="<p>Tëxt</p>",
        headers={"X-Kind": "test", "Auto-Submitted": "auto-generated"},
        attachments=[
            {"filename": "bericht ü.csv", "contentType": "text/csv", "text": "a;b\n"},
            {"filename": "x.bin", "base64": base64.b64encode(bytes(range(256))).decode()},
        ],
    )
    everyone = ["ann@example.com", "bo@xn--bcher-kva.example", "cy@example.com", "di@example.com", "secret@example.com"]
    assert output == {"messageId": newest(box)["Message-ID"], "accepted": everyone, "rejected": []}
    assert box.envelopes[0].rcpt_tos == everyone
    assert box.envelopes[0].mail_from == "help@example.com"
    mail = newest(box)
    assert mail["From"] == "Help <help@example.com>"
    assert mail["To"].addresses[0].display_name == "Änn, the first"
    assert mail["Cc"] == "cy@example.com, Di <di@example.com>"
    assert mail["Bcc"] is None
    assert mail["Reply-To"] == "team@example.com"
    assert mail["Subject"] == "Grüße – a subject"
    assert mail["X-Kind"] == "test"
    assert mail["Date"] == "Mon, 04 May 2026 09:30:00 +0000"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == "Tëxt\n.\nline\n"
    assert html.get_content().strip() == "<p>Tëxt</p>"
    first, second = mail.iter_attachments()
    assert first.get_filename() == "bericht ü.csv"
    assert first.get_content_type() == "text/csv"
    assert second.get_payload(decode=True) == bytes(range(256))
    assert b"secret@" not in cast("bytes", box.envelopes[0].content)


def test_a_repeated_call_sends_the_same_mail(server: tuple[Box, Calling]) -> None:
    box, context = server
    ids = [send(context)["messageId"] for _ in range(2)]
    ids.append(send(Calling(context.settings, idempotency_key="another"))["messageId"])
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].endswith("@example.com>")
    assert box.envelopes[0].content == box.envelopes[1].content


def test_html_alone_and_nothing_at_all(server: tuple[Box, Calling]) -> None:
    box, context = server
    send(context, text=None, html="<b>x</b>")
    assert newest(box).get_content_type() == "text/html"
    send(context, text=None, subject="")
    assert newest(box).get_content().strip() == ""


INJECTIONS = [
    {"subject": "a\r\nBcc: evil@example.com"},
    {"subject": "a\nBcc: evil@example.com"},
    {"subject": "a\u2028b"},
    {"subject": "=?utf-8?q?a=0D=0ABcc:_evil@example.com?="},
    {"to": "ann@example.com\nBcc: evil@example.com"},
    {"to": '"=?utf-8?b?YQpCY2M6IHg=?=" <ann@example.com>'},
    {"from": "a@example.com\r\nX: y"},
    {"replyTo": "a@example.com\rX: y"},
    {"headers": {"X-A": "1\r\nBcc: evil@example.com"}},
    {"headers": {"Bcc": "evil@example.com"}},
    {"headers": {"To": "evil@example.com"}},
    {"headers": {"X-A\r\nBcc": "evil@example.com"}},
    {"headers": {"Content-Type": "text/html"}},
    {"attachments": [{"filename": 'a"\r\nX: y', "text": ""}]},
]


@pytest.mark.parametrize("given", INJECTIONS)
def test_no_header_is_smuggled_in(server: tuple[Box, Calling], given: dict[str, Any]) -> None:
    box, context = server
    failed = failure(context, **given)
    assert failed.code == "INVALID_HEADER"
    assert not failed.retryable
    assert "evil" not in failed.message
    assert box.envelopes == []


@pytest.mark.parametrize(
    "to",
    [
        "nobody",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b@c.example",
        "a@-b.example",
        "a@b..example",
        "ann@example.com,",
        "ann@example.com evil@example.com",
        "ä@example.com",
        "a@[127.0.0.1]",
        "a@" + "b" * 300,
        "alice@example.org)bob@example.com",
        '"a" <a@b.example>, c',
        "Ann <ann@example.com> evil@example.com",
    ],
)
def test_what_is_no_address(server: tuple[Box, Calling], to: str) -> None:
    box, context = server
    assert failure(context, to=to).code == "INVALID_ADDRESS"
    assert box.envelopes == []


def test_nobody_and_too_many(server: tuple[Box, Calling]) -> None:
    _, context = server
    assert failure(context, to=[]).code == "NO_RECIPIENT"
    assert failure(context, to="").code == "NO_RECIPIENT"
    assert failure(context, to=[f"a{n}@example.com" for n in range(101)]).code == "NO_RECIPIENT"
    assert failure(Calling({"WFSYNC_SMTP_URL": context.settings["WFSYNC_SMTP_URL"]})).code == "NO_SENDER"
    assert send(context, to=["a@example.com", "a@example.com"], cc="a@example.com")["accepted"] == ["a@example.com"]


def test_attachments_that_are_none(server: tuple[Box, Calling]) -> None:
    _, context = server
    for attachment in (
        {"filename": "../x", "text": ""},
        {"filename": "x", "base64": "%"},
        {"filename": "x", "text": "", "contentType": "text"},
        {"filename": "x", "text": "", "contentType": "message/rfc822"},
    ):
        assert failure(context, attachments=[attachment]).code == "INVALID_ATTACHMENT"
    assert failure(context, text="x" * (10 * 1024 * 1024)).code == "MAIL_TOO_LARGE"
    assert refuses("email.send", {"to": "a@example.com", "subject": "", "attachments": [{"filename": "x"}]})
    assert refuses("email.send", {"to": "a@example.com", "subject": "", "template": "x"})


def test_what_the_server_says(server: tuple[Box, Calling]) -> None:
    box, context = server
    box.recipients = {"bad@example.com": "550 no such user"}
    assert send(context, to="ann@example.com, bad@example.com")["rejected"] == ["bad@example.com"]
    cases = [
        ({"to": "bad@example.com"}, "550", "250 OK", "ActionError", False),
        ({"to": "bad@example.com"}, "451", "250 OK", "TransientError", True),
        ({}, "250", "554 spam pl4nted", "ActionError", False),
        ({}, "250", "452 later", "TransientError", True),
    ]
    for given, recipient, answer, category, retryable in cases:
        box.recipients = {"bad@example.com": f"{recipient} pl4nted"}
        box.answer = answer
        failed = failure(context, **given)
        assert (failed.code, failed.category, failed.retryable) == ("SMTP_REFUSED", category, retryable)
        assert "pl4nted" not in failed.message


def test_a_server_that_is_not_there_or_no_mail_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    settings = {"WFSYNC_SMTP_URL": f"smtp://u:x@127.0.0.1:{port}", "WFSYNC_SMTP_FROM": "a@example.com"}
    failed = failure(Calling(settings))
    assert (failed.code, failed.category) == ("SMTP_CONNECTION", "TransientError")


# The server does not know that a connection that begins with TLS is safe enough for passwords.
@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_login_and_encryption(tmp_path: Path) -> None:
    tls, file = certificate(tmp_path, "127.0.0.1")
    user = "u%40x:p%40ss%3Aw%2Frd"
    base = {"WFSYNC_SMTP_FROM": "a@example.com", "WFSYNC_SMTP_CA_FILE": str(file)}
    box = Box()
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("smtp", "?starttls=required", {"tls_context": tls, "require_starttls": True}),
        ("smtps", "", {"ssl_context": tls, "auth_require_tls": False}),
    ]
    for scheme, query, options in ways:
        with mail_server(box, authenticator=box.login, auth_required=True, **options) as port:
            url = f"{scheme}://{user}@127.0.0.1:{port}{query}"
            assert send(Calling({**base, "WFSYNC_SMTP_URL": url}))["accepted"] == ["ann@example.com"]
            assert box.logins[-1].login == b"u@x"
            wrong = failure(Calling({**base, "WFSYNC_SMTP_URL": url.replace("p%40ss", "wrong")}))
            assert (wrong.code, wrong.retryable) == ("SMTP_LOGIN", False)
            assert "wrong" not in json.dumps([wrong.message, wrong.details, str(wrong.__cause__)])
            untrusted = failure(Calling({**base, "WFSYNC_SMTP_URL": url, "WFSYNC_SMTP_CA_FILE": ""}))
            assert untrusted.code == "SMTP_CONNECTION"
            assert "certificate" in untrusted.message


def test_encryption_is_not_given_up(server: tuple[Box, Calling]) -> None:
    box, context = server
    url = context.settings["WFSYNC_SMTP_URL"] + "?starttls=required"
    failed = failure(Calling({**context.settings, "WFSYNC_SMTP_URL": url}))
    assert failed.code == "SMTP_LOGIN"
    assert box.envelopes == []


def test_settings() -> None:
    assert parse_server("smtp://mail.example.com").tls == "required"
    assert parse_server("smtp://mail.example.com").port == 587
    assert parse_server("smtps://u:p@mail.example.com").port == 465
    assert parse_server("smtp://localhost:25").tls == "never"
    assert "p4ss" not in repr(parse_server("smtps://u:p4ss@mail.example.com"))
    bare = ("smtp://", "smtp://x:port", "smtp://x/path", "smtp://x?a=1", "smtp://x?starttls=maybe")
    for url in (None, "", "mail.example.com", "http://x", *bare, "smtp://u:p4ss@x?starttls=never"):
        with pytest.raises(ActionFailed) as caught:
            parse_server(url)
        assert caught.value.code == "SMTP_NOT_CONFIGURED"
        assert "p4ss" not in caught.value.message


def test_log_write() -> None:
    context = Calling()
    assert call("log.write", {"message": "a\0b"}, context) == {"level": "INFO"}
    assert call("log.write", {"level": "warn", "message": "x" * 9000, "context": {"a": [1]}}, context) == {
        "level": "WARN"
    }
    assert context.lines == [("INFO", "a\ufffdb", None), ("WARN", "x" * 8192, {"a": [1]})]
    assert refuses("log.write", {"level": "loud", "message": ""})
    assert refuses("log.write", {"level": "info"})
