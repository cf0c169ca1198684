"""Blocks of rich text, and how they are put together: a flat list, so that nothing nests without bound."""

from __future__ import annotations

import re
from typing import Final, Literal

from wfsync.bundle.model import Json, JsonObject

__all__ = ["MARKS", "BlockBuilder", "blocks_of_text", "text_of_blocks", "within"]

MARKS: Final = ("bold", "italic", "underline", "strike", "code")
_MAX_BYTES: Final = 200 * 1024
"""Of all blocks as JSON, roughly: what is left of the limit of outputs is for the rest."""
_OVERHEAD: Final = 64
"""Bytes of JSON that a block or a piece of text takes besides its text, roughly."""
_BLANK: Final = " \t\r\n\u00a0\u200b"
_SPACE: Final = re.compile(r"[ \t\n\r\f\v]+")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ESCAPED: Final = re.compile(r'["\\\n\r\t]')
"""What JSON spells with one character more."""
_LINK: Final = re.compile(r"https?://[^\s<>\"'\u201d\u00bb]{1,2000}")

Kind = Literal["paragraph", "heading", "listItem", "quote", "code", "divider"]


class BlockBuilder:
    """Collects text with marks into blocks. `truncated` says that what came after a limit was left out."""

    def __init__(self) -> None:
        self.blocks: list[Json] = []
        self.truncated = False
        self._size = 0
        self._content: list[tuple[JsonObject, list[str]]] = []
        """Marks, and the text below them in parts: adding to one text again and again would copy it each time."""
        self._head: JsonObject = {"type": "paragraph"}

    @property
    def is_empty_item(self) -> bool:
        """Whether an item of a list was begun that has no text yet."""
        return self._head["type"] == "listItem" and not self._content

    def begin(self, kind: Kind, **more: Json) -> None:
        """End the block that is being written, and begin another one."""
        self.end()
        self._head = {"type": kind, **more}

    def add(self, text: str, marks: JsonObject, *, verbatim: bool = False) -> None:
        """Add text to the block. White space is one blank, and none at the start of a line, unless ``verbatim``."""
        if not verbatim:
            text = _SPACE.sub(" ", text)
            if self._stands_after((" ", "\n")):
                text = text.lstrip(" ")
        if not text:
            return
        fitting, size = within(text, _MAX_BYTES - self._size)
        if len(fitting) < len(text):
            self.truncated = self.truncated or bool(text[len(fitting) :].strip())
        if fitting:
            self._append(fitting, size, marks)

    def _append(self, text: str, size: int, marks: JsonObject) -> None:
        self._size += size
        if not self._content or self._content[-1][0] != marks:
            self._content.append((marks, []))
            self._size += _OVERHEAD + sum(len(str(value)) for value in marks.values())
        self._content[-1][1].append(text)

    def _stands_after(self, endings: tuple[str, ...]) -> bool:
        """Whether the last character is one of ``endings``; true at the beginning of a block."""
        return not self._content or self._content[-1][1][-1].endswith(endings)

    def break_line(self, marks: JsonObject) -> None:
        """A line ends. Two in a row end a paragraph."""
        if not self._content:
            return
        if self._head["type"] == "paragraph" and self._stands_after(("\n",)):
            self.end()
            return
        self.add("\n", marks, verbatim=True)

    def end(self) -> None:
        """End the block; one without text is left out. What follows is a paragraph unless `begin` says otherwise."""
        head, content = self._head, [("".join(parts), marks) for marks, parts in self._content]
        self._head, self._content = {"type": "paragraph"}, []
        if head["type"] == "divider":
            if self._size <= _MAX_BYTES:
                self.blocks.append(head)
                self._size += _OVERHEAD
            return
        while content and not content[-1][0].strip(_BLANK):
            content.pop()
        if not any(text.strip(_BLANK) for text, _ in content):
            return
        content[-1] = (content[-1][0].rstrip(_BLANK), content[-1][1])
        self._size += _OVERHEAD
        if head["type"] == "code":
            self.blocks.append(head | {"text": "".join(text for text, _ in content)})
        else:
            self.blocks.append(head | {"content": [{"type": "text", "text": text, **marks} for text, marks in content]})


def within(text: str, room: int) -> tuple[str, int]:
    """As much of ``text`` as takes at most ``room`` bytes inside of JSON, and how many it takes.

    Characters that are none of a text (controls, halves of surrogate pairs) are replaced one by one.
    """
    text = _CONTROLS.sub("\ufffd", text[: max(room, 0)])
    size = len(text.encode()) + len(_ESCAPED.findall(text))
    if size <= room:
        return text, size
    size, kept = 0, []
    for character in text:
        cost = len(character.encode()) + (_ESCAPED.match(character) is not None)
        if size + cost > room:
            break
        size += cost
        kept.append(character)
    return "".join(kept), size


def blocks_of_text(text: str) -> tuple[list[Json], bool]:
    """Plain text as paragraphs, split at empty lines, with its addresses as links; and whether it was too long."""
    builder = BlockBuilder()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line.strip():
            builder.end()
            continue
        if line.startswith(">"):
            builder.begin("quote")
            _add_linked(builder, line.lstrip("> "))
            builder.end()
            continue
        _add_linked(builder, line.rstrip())
        builder.add("\n", {}, verbatim=True)
    builder.end()
    return builder.blocks, builder.truncated


def _add_linked(builder: BlockBuilder, line: str) -> None:
    at = 0
    for link in _LINK.finditer(line):
        address = link.group().rstrip(".,;:!?)]}")
        builder.add(line[at : link.start()], {}, verbatim=True)
        builder.add(address, {"href": address}, verbatim=True)
        at = link.start() + len(address)
    builder.add(line[at:], {}, verbatim=True)


def text_of_blocks(blocks: list[Json]) -> str:
    """Blocks as plain text: quotations with ``> ``, items of lists with ``- `` or ``1. ``, an empty line between."""
    parts: list[str] = []
    number = 0
    for block in blocks:
        kind = block["type"]
        text = block["text"] if kind == "code" else "".join(part["text"] for part in block.get("content", []))
        number = number + 1 if kind == "listItem" and block["ordered"] else 0
        if kind == "listItem":
            text = f"{'  ' * (block['level'] - 1)}{f'{number}.' if number else '-'} {text}"
        elif kind == "quote":
            text = "\n".join(f"> {line}" for line in text.split("\n"))
        elif kind == "divider":
            text = "________________________________"
        parts += [text, "\n" if kind == "listItem" else "\n\n"]
    return "".join(parts).strip("\n")
