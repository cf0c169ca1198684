"""``email.send``."""

from __future__ import annotations

from typing import Any, Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import array, obj, text
from wfsync.runtime.actions.email.composing import compose
from wfsync.runtime.actions.email.smtp import parse_server, send
from wfsync.runtime.registry import Action, ActionContext, RetryHint

__all__ = ["SENDING"]

_SECONDS: Final = 30.0


def _run(given: Any, context: ActionContext) -> Json:
    server = parse_server(context.setting("WFSYNC_SMTP_URL"))
    mail = compose(given, context.setting("WFSYNC_SMTP_FROM"), context.idempotency_key, context.now)
    refused = send(server, mail, ca_file=context.setting("WFSYNC_SMTP_CA_FILE"), timeout=_SECONDS)
    accepted = [recipient for recipient in mail.recipients if recipient not in refused]
    return {"messageId": mail.message_id, "accepted": accepted, "rejected": list(refused)}


def _addresses(description: str) -> JsonObject:
    return {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        "description": description,
    }


_OPTIONAL_TEXT: Final[list[Json]] = ["string", "null"]

SENDING: Final = Action(
    id="email.send",
    version=1,
    label="Send a mail",
    description="Hands a mail to the server of the setting `WFSYNC_SMTP_URL`. The Message-ID is made of the idempotency"
    " key, so that a mail that was sent twice, because nobody heard of the first time, is one for those who look. A"
    " server that is busy or cannot be reached is `TransientError`; one that refuses the mail is `ActionError`.",
    input_schema=obj(
        {
            "to": _addresses(
                "Who gets it: `ann@example.com` or `Ann Lee <ann@example.com>`, several as a list or with commas."
            ),
            "subject": text("The subject, one line.", maxLength=998),
        },
        {
            "text": {"type": _OPTIONAL_TEXT, "description": "The body as plain text."},
            "html": {"type": _OPTIONAL_TEXT, "description": "The body as HTML; with `text` both are sent."},
            "from": {"type": _OPTIONAL_TEXT, "description": "Who sends it; else the setting `WFSYNC_SMTP_FROM`."},
            "cc": _addresses("Who gets a copy."),
            "bcc": _addresses("Who gets a copy that nobody sees."),
            "replyTo": _addresses("Who gets answers."),
            "headers": {
                "type": ["object", "null"],
                "description": "More headers: `X-…`, `List-…`, `Auto-Submitted`, `References` and the like.",
                "additionalProperties": {"type": "string"},
                "maxProperties": 50,
            },
            "attachments": array(
                "Files that go along.",
                obj(
                    {"filename": text("Its name, without folders.", minLength=1, maxLength=255)},
                    {
                        "contentType": text("Its media type; else `application/octet-stream`."),
                        "text": text("Its content, as text."),
                        "base64": text("Its content, in base64."),
                    },
                    oneOf=[{"required": ["text"]}, {"required": ["base64"]}],
                ),
                maxItems=20,
            ),
        },
    ),
    output_schema=obj(
        {
            "messageId": text("The mail's Message-ID."),
            "accepted": array("The addresses that the server took.", {"type": "string"}),
            "rejected": array("Those that it refused while it took others.", {"type": "string"}),
        }
    ),
    retry_hint=RetryHint(5, 2000),
    run=_run,
)
