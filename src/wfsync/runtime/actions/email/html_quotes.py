"""What of a mail's HTML is a quotation or a signature, by the marks that mail programs leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from wfsync.runtime.actions.email.html_tokens import Token, tokens

__all__ = ["Parts", "part"]

_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)

_REST_IDS: Final = frozenset({"divrplyfwdmsg", "appendonsend", "replysplit", "reply-intro", "stopspelling"})
_REST_CLASSES: Final = frozenset({"moz-cite-prefix", "moz-forward-container"})
"""From here to the end everything is quoted (Outlook; Thunderbird, but for a quotation with an answer below)."""
_QUOTE_CLASSES: Final = frozenset(
    {"gmail_quote", "gmail_quote_container", "gmail_attr", "yahoo_quoted", "protonmail_quote", "zmail_extra", "quote"}
    | {"tutanota_quote", "freebirdfxr_quote", "ms-outlook-quote"}
)
_QUOTE_IDS: Final = frozenset(
    {"yahoo_quoted", "isforwardcontent", "isreplycontent", "mail-editor-reference-message-container"}
)
_SIGNATURE_CLASSES: Final = frozenset({"gmail_signature", "moz-signature", "protonmail_signature_block", "signature"})
_SIGNATURE_IDS: Final = frozenset(
    {"signature", "ms-outlook-mobile-signature", "applemailsignature", "composer_signature"}
)

_Role = Literal["quote", "rest", "signature"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The source of a mail in three."""

    new: str
    quoted: str
    signature: str


def part(source: str) -> Parts:
    """Divide ``source``. Elements that are taken out are taken out whole; nothing else is changed."""
    pieces: dict[str, list[str]] = {"new": [], "quote": [], "signature": []}
    at = depth = 0
    inside: str | None = None
    role = "new"

    def close(end: int, following: str) -> None:
        nonlocal at, role
        pieces[role].append(source[at:end])
        at, role = end, following

    for token in tokens(source):
        if token.kind == "text":
            continue
        if inside is not None:
            depth += _step(token, inside)
            if depth == 0:
                inside = None
                close(token.end, "new")
            continue
        found = _role(token)
        if found == "rest":
            close(token.start, "quote")
            break
        if found is not None:
            close(token.start, found)
            inside, depth = token.name, 1
    close(len(source), "new")
    return Parts("".join(pieces["new"]), "".join(pieces["quote"]), "".join(pieces["signature"]))


def _step(token: Token, inside: str) -> int:
    if token.name != inside:
        return 0
    return 1 if token.kind == "start" else -1


def _role(token: Token) -> _Role | None:
    if token.kind != "start" or token.name in _VOID:
        return None
    if token.name == "blockquote":
        return "quote"
    attributes = token.attributes
    classes = frozenset(attributes.get("class", "").lower().split())
    # Outlook on the web puts x_ before names when it quotes.
    name = attributes.get("id", "").lower().removeprefix("x_").removesuffix("_mail_signature")
    if name in _REST_IDS or classes & _REST_CLASSES:
        return "rest"
    if name in _QUOTE_IDS or classes & _QUOTE_CLASSES:
        return "quote"
    return "signature" if name in _SIGNATURE_IDS or classes & _SIGNATURE_CLASSES else None
