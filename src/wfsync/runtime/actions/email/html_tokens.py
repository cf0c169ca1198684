"""HTML cut into tags and text, in time proportional to its length.

Not the standard library's parser: on unfinished tags, comments and quotes that takes time in the square of the length,
and mails come from strangers. Errors are mended as browsers do where that is simple; nothing is ever refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Token", "tokens"]

_TAG: Final = re.compile(r"<(?=/?[A-Za-z]|[!?])")
"""Any other ``<`` is text."""
_NAME: Final = re.compile(r"[A-Za-z][^\s/>]{0,63}")
_TAG_END: Final = re.compile(r"[>\"']")
_ATTRIBUTE: Final = re.compile(r"([^\s=>\"'/]{1,64})\s{0,8}(?:=\s{0,8}(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
_HUGE_NUMBER: Final = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
_OPAQUE: Final = frozenset(
    {"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "template"}
)
"""What stands inside is no text of the mail, and tags in it are none."""
_LONGEST_TAG: Final = 8192
"""Of which attributes are read; longer ones carry pictures in their addresses."""


@dataclass(frozen=True, slots=True)
class Token:
    """A tag or a text, and where it stands in the source."""

    kind: Literal["start", "end", "text"]
    name: str
    """Of a tag, in lower case."""
    text: str
    """Of a text, without entities; of a start tag, its attributes as they are written."""
    start: int
    end: int

    @property
    def attributes(self) -> dict[str, str]:
        """Of a start tag; names in lower case, values without entities; of two with one name the first counts."""
        found: dict[str, str] = {}
        if len(self.text) <= _LONGEST_TAG:
            for name, double, single, bare in _ATTRIBUTE.findall(self.text):
                found.setdefault(name.lower(), _decoded(double or single or bare))
        return found


def tokens(source: str) -> Iterator[Token]:
    """The tags and texts of ``source``; comments, declarations, scripts and styles are left out."""
    lower = _lowered(source)
    at = 0
    while at < len(source):
        found = _TAG.search(source, at)
        tag = len(source) if found is None else found.start()
        if tag > at:
            yield _text(source, at, tag)
        if tag == len(source):
            return
        at, token = _tag(source, tag)
        if token is None:
            continue
        yield token
        if token.kind == "start" and token.name in _OPAQUE:
            at = lower.find(f"</{token.name}", at)
            if at < 0:
                return


def _lowered(source: str) -> str:
    """In lower case and of the same length: ``İ`` alone becomes two."""
    lower = source.lower()
    return lower if len(lower) == len(source) else source.translate(_ASCII_LOWER)


_ASCII_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _text(source: str, start: int, end: int) -> Token:
    return Token("text", "", _decoded(source[start:end]), start, end)


def _decoded(text: str) -> str:
    """Without entities. Numbers that no character has go first: the library would read them digit by digit."""
    return html.unescape(_HUGE_NUMBER.sub("\ufffd", text)) if "&" in text else text


def _tag(source: str, at: int) -> tuple[int, Token | None]:
    """What begins with the ``<`` at ``at``, and where to go on. Whatever has no end takes the rest with it."""
    if source.startswith("<!--", at):
        end = source.find("-->", at + 4)
        return (len(source) if end < 0 else end + 3), None
    following = source[at + 1 : at + 2]
    if following in {"!", "?"}:
        end = source.find(">", at)
        return (len(source) if end < 0 else end + 1), None
    closing = following == "/"
    name = _NAME.match(source, at + 2 if closing else at + 1)
    assert name is not None  # noqa: S101 - `_TAG` has seen its first letter
    end = _end_of_tag(source, name.end())
    if end < 0:
        return len(source), _text(source, at, len(source))
    kind: Literal["start", "end"] = "end" if closing else "start"
    return end, Token(kind, name.group().lower(), source[name.end() : end - 1], at, end)


def _end_of_tag(source: str, at: int) -> int:
    """Behind the ``>`` that is in no quotes; -1 where there is none."""
    while found := _TAG_END.search(source, at):
        if found.group() == ">":
            return found.end()
        at = source.find(found.group(), found.end()) + 1
        if at == 0:
            return -1
    return -1
