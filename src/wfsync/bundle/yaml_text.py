"""The strict YAML reader: one document, YAML 1.2's core schema, with the place of every value and every name.

`bundle.md`, "Canonical bytes and digest". PyYAML parses, but only to events; the tree is built here with an explicit
stack, so depth, repeated names and the expansion of aliases are checked before anything is built from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from wfsync.bundle.decode import UNSTORABLE, Faults, Repeats, add_unstorable, decode, shown, storable
from wfsync.bundle.model import MAX_DEPTH, MAX_WORKFLOW_BYTES, Json
from wfsync.bundle.numbers import OutOfRange
from wfsync.bundle.source_map import Document, Lines, Outline, Path, SourceMap
from wfsync.bundle.yaml_events import (
    NotYaml,
    Prepared,
    PurePythonParser,
    SurrogateEscape,
    default_parser,
    parse_events,
    prepare,
)
from wfsync.bundle.yaml_scalars import resolve
from wfsync.errors import InputError, Problem

__all__ = ["MAX_ALIAS_CHARACTERS", "MAX_ALIAS_VALUES", "has_comments", "read_yaml"]

MAX_ALIAS_VALUES: Final = 100_000
"""How many values all aliases of a file may stand for together."""

MAX_ALIAS_CHARACTERS: Final = MAX_WORKFLOW_BYTES
"""How many characters of text all aliases of a file may stand for together."""

_COMMENT: Final = re.compile(r"(?:^|(?<=[ \t\r\n]))#")
_LINE: Final = re.compile(r"[^\r\n]*")


def read_yaml(data: bytes, *, file: str, max_depth: int = MAX_DEPTH, parser: Any = None) -> Document:
    """Read one YAML document from the bytes of ``file`` (the name is only for messages).

    Plain scalars mean what the core schema of YAML 1.2 says; ``<<`` is a name like any other. An alias is replaced by
    an independent copy of what it stands for, so the result is a tree; positions in it are those of the anchor. A UTF-8
    byte order mark is accepted and ignored, a directive ``%YAML 1.2`` too. Escaped surrogate pairs are one character,
    as in JSON. ``parser`` is for tests: a PyYAML parser class other than the fastest there is.

    Numbers outside binary64, ``.inf``, ``.nan``, U+0000 and lone surrogates are ``INVALID_VALUE`` faults in
    ``Document.problems``. Raises `InputError` with ``INVALID_BUNDLE`` problems, each with line, column and pointer:
    every repeated name, every name that is not a text (``1:``, ``true:``), every tag, and the first fault of another
    kind (syntax, encoding, depth, several documents, no document, aliases that stand for too much).
    """
    text = decode(data, file)
    try:
        return _Builder(text, file, max_depth).read(parser or default_parser())
    except SurrogateEscape:
        return _Builder(text, file, max_depth).read(PurePythonParser)


def has_comments(data: bytes) -> bool:
    """Whether the YAML text has comments; ``#`` inside a text is none.

    A file with comments is never rewritten (`bundle.md`), so what cannot be parsed is said to have them wherever ``#``
    might begin one.
    """
    if b"#" not in data:
        return False
    text = ""
    position = 0
    try:
        text = prepare(decode(data, "")).text
        parser = default_parser()(text)
        while parser.check_token():
            token = parser.get_token()
            if type(token) is yaml.ScalarToken:
                start, end = token.start_mark.index, token.end_mark.index
                if _has_comment(text, position, start):
                    return True
                header = _LINE.match(text, start) if token.style in ("|", ">") else None
                if header and "#" in header.group():
                    return True
                position = end
    except (yaml.YAMLError, NotYaml, InputError, ValueError, OverflowError):
        return not text or _has_comment(text, position, len(text))
    return _has_comment(text, position, len(text))


def _has_comment(text: str, start: int, end: int) -> bool:
    if text.find("#", start, end) < 0:
        return False
    return any(match.start() >= start for match in _COMMENT.finditer(text, max(start - 1, 0), end))


@dataclass(slots=True)
class _Anchor:
    """A node with an anchor; ``complete`` when all of it has been read."""

    ordinal: int
    value: Json
    characters: int
    complete: bool


class _Builder:
    def __init__(self, text: str, file: str, max_depth: int) -> None:
        self.text = text
        self.max_depth = max_depth
        self.outline = Outline()
        self.source = SourceMap(file, Lines(text), self.outline)
        self.faults = Faults(self.source)
        self.repeats = Repeats()
        self.prepared = Prepared(text, {})
        self.has_escapes = "\\" in text
        self.memo: dict[str, str] = {}
        self.stand_ins: set[str] = set()
        """Names of members that replace what jsonb cannot hold; two may be equal where the written names were not."""
        self.anchors: dict[str, _Anchor] = {}
        self.opened: list[int] = []
        """Ordinals of the containers that are open."""
        self.steps: list[str | int] = []
        """Names or indexes of the open containers in their parents, without the root's."""
        self.containers: list[Any] = [[]]
        """The open containers, below a list that takes the root."""
        self.names: list[tuple[str | None, int]] = [(None, 0)]
        """For each of them the name, and its offset, that waits for its value."""
        self.open_anchors: list[_Anchor | None] = []
        self.characters = 0
        self.alias_values = 0
        self.alias_characters = 0

    def read(self, parser: Any) -> Document:
        try:
            self.prepared = prepare(self.text)
            self.build(parse_events(self.prepared.text, parser))
            if not self.containers[0] or self.is_nothing():
                raise NotYaml(0, "the file is empty", "A file holds one document.")  # noqa: TRY301 - one place reports
        except NotYaml as fault:
            self.report_repeats()
            self.faults.raise_any(
                Problem(
                    code="INVALID_BUNDLE",
                    message=f"not valid YAML: {fault.message}",
                    place=self.source.at(fault.offset, self.steps),
                    hint=fault.hint,
                    related=() if fault.opened is None else (self.source.at(fault.opened),),
                )
            )
        self.report_repeats()
        self.faults.raise_any()
        return Document(self.containers[0][0], self.source, self.faults.of("INVALID_VALUE"))

    def is_nothing(self) -> bool:
        """True when the root is what YAML makes of no text at all."""
        offset = self.outline.offsets[0]
        return self.containers[0][0] is None and self.text[offset : offset + 1] not in tuple("~nN")

    def report_repeats(self) -> None:
        for ordinal in self.opened:
            self.outline.close(ordinal)
        self.repeats.report(self.faults, self.outline)

    def build(self, events: Iterable[Any]) -> None:
        documents = 0
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self.scalar(event)
            elif kind is yaml.MappingStartEvent:
                self.open(event, {})
            elif kind is yaml.SequenceStartEvent:
                self.open(event, [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.close()
            elif kind is yaml.AliasEvent:
                self.alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    message = "a second document begins here"
                    raise NotYaml(event.start_mark.index, message, "A file holds one document; make it two files.")

    def scalar(self, event: Any) -> None:
        start: int = event.start_mark.index
        self.refuse_tag(event, start)
        text = self.prepared.restore(event.value)
        self.characters += len(text)
        plain = not event.style
        if self.awaits_name():
            self.name(text, start, self.plain(text, start) if plain else text)
            if event.anchor:
                # A name may be anchored like any node; it has no place in the outline, an alias for it points here.
                self.anchors[event.anchor] = _Anchor(-1, text, len(text), complete=True)
            return
        value: Json = text
        if plain:
            value = self.plain(text, start)
        elif self.has_escapes and UNSTORABLE.search(text):
            value = self.unstorable(text, start)
        ordinal = self.attach(value, start)
        if event.anchor:
            self.anchors[event.anchor] = _Anchor(ordinal, value, len(text), complete=True)

    def plain(self, text: str, start: int) -> Json:
        try:
            return resolve(text)
        except OutOfRange as error:
            if not self.awaits_name():
                lacking = f"JSON has no {text}" if text[-1].isalpha() else None
                message = lacking or f"the number {error} is outside the range of a binary64"
                hint = "No database column or reader can hold it; write it as a text, in quotes."
                self.faults.add("INVALID_VALUE", message, start, self.path(), hint=hint)
            return 0

    def open(self, event: Any, value: Json) -> None:
        start: int = event.start_mark.index
        if self.awaits_name():
            raise NotYaml(start, "the name of a member must be a text, not a list or an object")
        self.refuse_tag(event, start)
        if len(self.opened) == self.max_depth:
            raise NotYaml(start, f"nested deeper than {self.max_depth} levels", "Flatten the document.")
        step = self.path()[-1:]
        ordinal = self.attach(value, start)
        anchor = None
        if event.anchor:
            anchor = self.anchors[event.anchor] = _Anchor(ordinal, value, self.characters, complete=False)
        self.steps.extend(step)
        self.opened.append(ordinal)
        self.containers.append(value)
        self.names.append((None, 0))
        self.open_anchors.append(anchor)

    def close(self) -> None:
        self.outline.close(self.opened.pop())
        self.containers.pop()
        self.names.pop()
        if self.opened:
            self.steps.pop()
        anchor = self.open_anchors.pop()
        if anchor is not None:
            anchor.characters = self.characters - anchor.characters
            anchor.complete = True

    def alias(self, event: Any) -> None:
        start: int = event.start_mark.index
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            raise NotYaml(start, f"the alias *{shown(event.anchor)[1:-1]} has no anchor before it")
        if not anchor.complete:
            raise NotYaml(start, "an alias stands for a value that contains it", "Write the value out.")
        if self.awaits_name():
            self.name(str(anchor.value), start, anchor.value)
            return
        self.alias_values += max(1, self.outline.sizes[anchor.ordinal] if anchor.ordinal >= 0 else 1)
        self.alias_characters += anchor.characters
        self.characters += anchor.characters
        if self.alias_values > MAX_ALIAS_VALUES or self.alias_characters > MAX_ALIAS_CHARACTERS:
            message = f"aliases stand for more than {MAX_ALIAS_VALUES} values or {MAX_ALIAS_CHARACTERS} characters"
            raise NotYaml(start, message, "Write values out, or use fewer aliases.")
        copied = self.copy(anchor.value, len(self.opened), start)
        if anchor.ordinal < 0:
            self.attach(copied, start)
        else:
            name, name_at = self.names[-1]
            self.outline.copy(anchor.ordinal, name, name_at)
            self.place(copied)

    def copy(self, value: Json, depth: int, start: int) -> Json:
        if not isinstance(value, dict | list):
            return value
        if depth == self.max_depth:
            raise NotYaml(
                start, f"nested deeper than {self.max_depth} levels through an alias", "Flatten the document."
            )
        if isinstance(value, dict):
            return {name: self.copy(inner, depth + 1, start) for name, inner in value.items()}
        return [self.copy(inner, depth + 1, start) for inner in value]

    def awaits_name(self) -> bool:
        return self.names[-1][0] is None and type(self.containers[-1]) is dict

    def name(self, text: str, start: int, value: Json) -> None:
        if not isinstance(value, str):
            path = (*self.steps, text) if self.opened else ()
            what = f"the name {shown(text)[1:-1]} is not a text" if text else "the name of a member is missing"
            self.faults.add("INVALID_BUNDLE", what, start, path, hint="Put the name in quotes." if text else None)
        if self.has_escapes and UNSTORABLE.search(text):
            text = self.unstorable(text, start)
            self.stand_ins.add(text)
        self.names[-1] = (self.memo.setdefault(text, text), start)

    def attach(self, value: Json, start: int) -> int:
        """Give the value its place in the outline and in its container."""
        name, name_at = self.names[-1]
        ordinal = self.outline.add(start, name, name_at)
        self.place(value)
        return ordinal

    def place(self, value: Json) -> None:
        container = self.containers[-1]
        name, name_at = self.names[-1]
        if name is None:
            container.append(value)
            return
        if name in container and name not in self.stand_ins:
            self.repeats.add(self.opened[-1], name, name_at, (*self.steps, name))
        else:
            while name in container:
                name += "\ufffd"
            container[name] = value
        self.names[-1] = (None, 0)

    def unstorable(self, text: str, start: int) -> str:
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        add_unstorable(self.faults, joined, start, self.path())
        return storable(joined)

    def refuse_tag(self, event: Any, start: int) -> None:
        if event.tag is not None:
            message = f"tags are not supported: {shown(event.tag)[1:-1]}"
            self.faults.add("INVALID_BUNDLE", message, start, self.path(), hint="Remove the tag; quote what is text.")

    def path(self) -> Path:
        """The path of the value or member that is being read in the innermost container."""
        if not self.opened:
            return ()
        name = self.names[-1][0]
        if name is not None:
            return (*self.steps, name)
        container = self.containers[-1]
        return tuple(self.steps) if isinstance(container, dict) else (*self.steps, len(container))
