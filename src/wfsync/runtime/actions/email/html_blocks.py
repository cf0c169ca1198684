"""HTML of a mail → blocks. Nothing active comes through: text, a few marks and links to harmless places."""

from __future__ import annotations

import re
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.email.blocks import MARKS, BlockBuilder
from wfsync.runtime.actions.email.html_tokens import Token, tokens

__all__ = ["blocks_of_html", "safe_link"]

_MARKS: Final = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em", "cite"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strike"),
    **dict.fromkeys(("code", "tt", "kbd", "samp"), "code"),
}
_BREAKING: Final = frozenset(
    {"address", "article", "aside", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure"}
    | {"footer", "form", "header", "html", "main", "nav", "p", "section", "table", "tbody", "tfoot", "thead", "tr"}
)
"""Elements before and behind which a block ends."""
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_DEEPEST_LIST: Final = 9
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\ufeff]+")
_SCHEME: Final = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
_LONGEST_LINK: Final = 2000


def blocks_of_html(source: str) -> tuple[list[Json], bool]:
    """The blocks of ``source``, and whether there was more than fits."""
    writer = _Writer()
    for token in tokens(source):
        writer.take(token)
    writer.out.end()
    return writer.out.blocks, writer.out.truncated


def safe_link(address: str) -> str | None:
    """``address`` if it leads to the web, to a mailbox or to a telephone; else None. Tricks with blanks are undone."""
    cleaned = _CONTROL.sub("", address)
    return cleaned if _SCHEME.match(cleaned) and len(cleaned) <= _LONGEST_LINK else None


class _Writer:
    """Where the reading stands. Counters instead of a tree: an element that is never closed costs nothing."""

    def __init__(self) -> None:
        self.out = BlockBuilder()
        self._open: dict[str, int] = dict.fromkeys(MARKS, 0)
        self._link: str | None = None
        self._lists: list[bool] = []
        self._quotes = 0
        self._verbatim = 0
        self._cells = 0

    def take(self, token: Token) -> None:
        if token.kind == "text":
            self.out.add(token.text, self._marks, verbatim=self._verbatim > 0)
        elif token.name in _MARKS:
            mark = _MARKS[token.name]
            self._open[mark] = max(self._open[mark] + (1 if token.kind == "start" else -1), 0)
        elif token.kind == "start":
            self._start(token)
        else:
            self._end(token.name)

    @property
    def _marks(self) -> JsonObject:
        if self._verbatim:
            return {}
        marks: JsonObject = {mark: True for mark, count in self._open.items() if count}
        return marks if self._link is None else marks | {"href": self._link}

    def _start(self, token: Token) -> None:
        name = token.name
        if name == "br":
            self.out.break_line(self._marks)
        elif name == "a":
            # Links do not nest: a new one ends the last, as in browsers.
            self._link = safe_link(token.attributes.get("href", ""))
        elif name == "img":
            if alternative := token.attributes.get("alt", "").strip():
                self.out.add(f"[{alternative}]", self._marks)
        elif name == "hr":
            self.out.begin("divider")
            self.out.end()
        elif name in {"td", "th"}:
            self._cell()
        else:
            self._start_block(name)

    def _start_block(self, name: str) -> None:
        if name in _HEADINGS:
            self.out.begin("heading", level=int(name[1]))
        elif name in {"ul", "ol", "menu"}:
            self._lists.append(name == "ol")
            self.out.end()
        elif name == "li":
            ordered = self._lists[-1] if self._lists else False
            self.out.begin("listItem", ordered=ordered, level=min(max(len(self._lists), 1), _DEEPEST_LIST))
        elif name == "blockquote":
            self._quotes += 1
            self._paragraph()
        elif name == "pre":
            self._verbatim += 1
            self.out.begin("code")
        elif name in _BREAKING and not self._verbatim and not self.out.is_empty_item:  # an item's own <p> is the item
            self._cells = 0
            self._paragraph()

    def _end(self, name: str) -> None:
        if name == "a":
            self._link = None
        elif name in {"ul", "ol", "menu"}:
            if self._lists:
                self._lists.pop()
            self._paragraph()
        elif name == "blockquote":
            self._quotes = max(self._quotes - 1, 0)
            self._paragraph()
        elif name == "pre":
            self._verbatim = max(self._verbatim - 1, 0)
            self._paragraph()
        elif name in _HEADINGS or name == "li" or (name in _BREAKING and not self._verbatim):
            self._paragraph()

    def _paragraph(self) -> None:
        if self._quotes:
            self.out.begin("quote")
        else:
            self.out.end()

    def _cell(self) -> None:
        self._cells += 1
        if self._cells > 1:
            self.out.add(" | ", {})
