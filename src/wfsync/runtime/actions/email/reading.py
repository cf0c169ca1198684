"""``parse_email_reply`` and ``convert_html_to_blocks``: what the two node types for e-mail call."""

from __future__ import annotations

import re
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import array, obj, pure
from wfsync.runtime.actions.email.blocks import blocks_of_text, text_of_blocks, within
from wfsync.runtime.actions.email.html_blocks import blocks_of_html
from wfsync.runtime.actions.email.html_quotes import part
from wfsync.runtime.actions.email.reply import divide
from wfsync.runtime.registry import Action

__all__ = ["READING"]

_MAX_SOURCE: Final = 256 * 1024
"""Characters of a body that are read; a longer one is cut. Its pictures make a mail long, not its words."""
_MAX_PART: Final = 60_000
"""Bytes of each part of a reply, so that all of them together are within the limit of an output."""
_TOKENS: Final = re.compile(r"\[#[A-Za-z0-9][A-Za-z0-9_-]{0,63}\]|\[ref:[A-Za-z0-9._:-]{1,128}\]")


def _parse_reply(given: JsonObject) -> Json:
    text, html = _source(given, "text"), _source(given, "html")
    parts = part(html) if html.strip() else None
    if text.strip():
        reply = divide(text)
        new, quoted, signature = reply.new, reply.quoted, reply.signature
    elif parts is not None:
        reply = divide(_plain(parts.new))
        new = reply.new
        quoted = "\n\n".join(filter(None, (reply.quoted, _plain(parts.quoted))))
        signature = "\n".join(filter(None, (reply.signature, _plain(parts.signature))))
    else:
        new = quoted = signature = ""
    return {
        "text": _fitting(new),
        "html": None if parts is None else _fitting(parts.new),
        "quoted": _fitting(quoted) or None,
        "signature": _fitting(signature) or None,
        "tokens": list(dict.fromkeys(_TOKENS.findall(text or _plain(html))))[:100],
    }


def _plain(html: str) -> str:
    return text_of_blocks(blocks_of_html(html)[0]) if html else ""


def _fitting(text: str) -> str:
    return within(text, _MAX_PART)[0]


def _source(given: JsonObject, name: str) -> str:
    return (given.get(name) or "")[:_MAX_SOURCE]


def _convert(given: JsonObject) -> Json:
    html = _source(given, "html")
    blocks, truncated = blocks_of_html(html) if html.strip() else ([], False)
    if not blocks:
        blocks, truncated = blocks_of_text(_source(given, "text"))
    longer = any(len(given.get(name) or "") > _MAX_SOURCE for name in ("html", "text"))
    return {"blocks": blocks, "truncated": truncated or longer}


def _optional(description: str) -> JsonObject:
    return {"type": ["string", "null"], "description": description}


_BODY: Final = obj({}, {"text": _optional("The body as plain text."), "html": _optional("The body as HTML.")})
_FLAG: Final[JsonObject] = {"const": True}
_PIECE: Final = obj(
    {"type": {"const": "text"}, "text": {"type": "string"}},
    {
        "bold": _FLAG,
        "italic": _FLAG,
        "underline": _FLAG,
        "strike": _FLAG,
        "code": _FLAG,
        "href": {"type": "string", "description": "Where it leads: `http:`, `https:`, `mailto:` or `tel:`."},
    },
)
_BLOCK: Final = obj(
    {
        "type": {
            "enum": ["paragraph", "heading", "listItem", "quote", "code", "divider"],
            "description": "What it is.",
        }
    },
    {
        "content": array("Its text in pieces of equal marks; a line ends with `\\n`.", _PIECE),
        "text": {"type": "string", "description": "Of `code`, which has no content."},
        "level": {
            "type": "integer",
            "minimum": 1,
            "maximum": 9,
            "description": "Of `heading` (1 to 6) and `listItem`.",
        },
        "ordered": {"type": "boolean", "description": "Of `listItem`: whether it is numbered."},
    },
)

READING: Final[tuple[Action, ...]] = (
    pure(
        "parse_email_reply",
        "Parse the body of a mail",
        "Tells what is new in a mail from what it quotes and from its signature, by the habits of mail programs in a"
        " score of languages. The text counts; where it is empty, it is made of the HTML. The step `email.parseBody`"
        " calls this.",
        takes=_BODY,
        gives=obj(
            {
                "text": {"type": "string", "description": "What is new."},
                "html": _optional("The same part of the HTML, not made safe; null where none was given."),
                "quoted": _optional("What is quoted, of every level; null where nothing is."),
                "signature": _optional("The signature below what is new; null where there is none."),
                "tokens": array("Marks such as `[#4711]` or `[ref:…]`, wherever they stand.", {"type": "string"}),
            }
        ),
        does=_parse_reply,
    ),
    pure(
        "convert_html_to_blocks",
        "Convert HTML to blocks",
        "Makes a flat list of blocks of a body: of the HTML, or of the text where the HTML says nothing. Nothing active"
        " comes through, and no link but to the web, to mailboxes and telephones. The step `email.renderCommentBlocks`"
        " calls this.",
        takes=_BODY,
        gives=obj(
            {
                "blocks": array("The blocks.", _BLOCK),
                "truncated": {
                    "type": "boolean",
                    "description": "Whether the body was too long, and its end is missing.",
                },
            }
        ),
        does=_convert,
    ),
)
