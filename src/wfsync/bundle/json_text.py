"""The strict JSON reader: RFC 8259, nothing more, with the place of every value and every name.

Stricter than the standard library where a workflow needs it (`bundle.md`): a repeated name in an object is a fault,
depth is limited before anything deep is built, numbers are exact, and what PostgreSQL's jsonb cannot hold is noted. One
loop with an explicit stack, so depth costs no recursion; strings are scanned by the standard library's C scanner.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out; it is old and stable
from typing import Any, Final

from wfsync.bundle import json_slips
from wfsync.bundle.decode import UNSTORABLE, Faults, Repeats, add_unstorable, decode, storable
from wfsync.bundle.json_slips import NotJson
from wfsync.bundle.model import MAX_DEPTH, Json
from wfsync.bundle.numbers import OutOfRange, parse_number
from wfsync.bundle.source_map import Document, Lines, Outline, Path, SourceMap
from wfsync.errors import Problem

__all__ = ["read_json"]

_space: Final = re.compile(r"[ \t\n\r]*").match
_colon: Final = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_after: Final = re.compile(r"[ \t\n\r]*(?:(,)[ \t\n\r]*|([\]}]))").match
_number: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:(\.[0-9]+)?([eE][+-]?[0-9]+)?)").match
_literal: Final = re.compile(r"true|false|null").match
_LITERALS: Final = {"true": True, "false": False, "null": None}
_NUMBER_STARTS: Final = frozenset("-0123456789")

_SAFE_DIGITS: Final = 300
"""Integers of fewer digits are inside binary64's range and cost nothing to convert."""


def read_json(data: bytes, *, file: str, max_depth: int = MAX_DEPTH) -> Document:
    """Read one JSON document from the bytes of ``file`` (the name is only for messages).

    A UTF-8 byte order mark is accepted and ignored. Numbers are exact ints or floats that are not integral
    (`wfsync.bundle.numbers`). A number outside binary64, U+0000 and lone surrogates are ``INVALID_VALUE`` faults in
    ``Document.problems``.

    Raises `InputError` with ``INVALID_BUNDLE`` problems, each with line, column and pointer: every repeated name (its
    first place is ``related``) and the first fault of syntax, encoding or depth (more than ``max_depth`` nested lists
    and objects).
    """
    return _Reader(decode(data, file), file, max_depth).read()


class _Reader:
    def __init__(self, text: str, file: str, max_depth: int) -> None:
        self.text = text
        self.max_depth = max_depth
        self.outline = Outline()
        self.source = SourceMap(file, Lines(text), self.outline)
        self.faults = Faults(self.source)
        self.memo: dict[str, str] = {}
        self.stand_ins: set[str] = set()
        """Names of members that replace what jsonb cannot hold; two may be equal where the written names were not."""
        # Only an escape can make a character that UTF-8 cannot carry; without one no string needs to be searched.
        self.has_escapes = "\\u" in text
        self.opened: list[int] = []
        """Ordinals of the containers that are open."""
        self.steps: list[str | int] = []
        """Names or indexes of the open containers in their parents, without the root's."""
        self.repeats = Repeats()

    def read(self) -> Document:
        try:
            tree = self.parse()
        except NotJson as fault:
            self.report_repeats()
            related = () if fault.opened is None else (self.source.at(fault.opened),)
            place = self.source.at(fault.offset, self.steps)
            self.faults.raise_any(
                Problem(
                    code="INVALID_BUNDLE",
                    message=f"not valid JSON: {fault.message}",
                    place=place,
                    hint=fault.hint,
                    related=related,
                )
            )
            raise  # pragma: no cover - raise_any has raised
        self.report_repeats()
        self.faults.raise_any()
        return Document(tree, self.source, self.faults.of("INVALID_VALUE"))

    def parse(self) -> Json:  # noqa: C901, PLR0912, PLR0915 - one loop: every call in it would cost a fifth of its speed
        text = self.text
        add_offset, add_key = self.outline.offsets.append, self.outline.key_offsets.append
        add_name, add_size = self.outline.names.append, self.outline.sizes.append
        has_escapes = self.has_escapes
        parents: list[Any] = []
        container: Any = []
        is_object = False
        name: str | None = None
        name_at = 0
        value: Json
        position = _space(text, 0).end()  # type: ignore[union-attr]
        while True:
            # A value begins at position.
            start = position
            char = text[start : start + 1]
            if char == '"':
                try:
                    value, position = scanstring(text, start + 1)
                except json.JSONDecodeError as error:
                    raise json_slips.in_string(text, error) from None
                if has_escapes and UNSTORABLE.search(value):
                    value = self.unstorable(value, start, self.path(container, name))
            elif char in _NUMBER_STARTS and (match := _number(text, start)):
                position = match.end()
                if match.lastindex is None and position - start < _SAFE_DIGITS:
                    value = int(match.group())
                else:
                    value = self.number(match.group(), start, container, name)
            elif char in ("{", "["):
                if len(parents) == self.max_depth:
                    message = f"nested deeper than {self.max_depth} levels"
                    raise NotJson(start, message, "Flatten the document.")
                position = _space(text, start + 1).end()  # type: ignore[union-attr]
                closing = "}" if char == "{" else "]"
                value = {} if char == "{" else []
                if text[position : position + 1] == closing:
                    position += 1
                else:
                    add_offset(start)
                    add_key(name_at)
                    add_name(name)
                    add_size(1)
                    if name is not None:
                        if name in container:
                            self.repeat(container, name, name_at, value)
                        else:
                            container[name] = value
                    else:
                        container.append(value)
                    if parents:
                        self.steps.append(len(container) - 1 if name is None else name)
                    self.opened.append(len(self.outline.offsets) - 1)
                    parents.append(container)
                    container = value
                    is_object = char == "{"
                    if is_object:
                        name, name_at, position = self.name(position, container)
                    else:
                        name, name_at = None, 0
                    continue
            elif match := _literal(text, start):
                position = match.end()
                value = _LITERALS[match.group()]
            else:
                raise json_slips.before_value(text, start, self.bracket())
            add_offset(start)
            add_key(name_at)
            add_name(name)
            add_size(1)
            if name is not None:
                if name in container:
                    self.repeat(container, name, name_at, value)
                else:
                    container[name] = value
            else:
                container.append(value)
            # A value has ended at position: a comma, or one or more containers close.
            while parents:
                match = _after(text, position)
                if match is None:
                    after = _space(text, position).end()  # type: ignore[union-attr]
                    raise json_slips.after_value(text, after, start, self.bracket())
                position = match.end()
                if match.lastindex == 1:
                    if is_object:
                        name, name_at, position = self.name(position, container)
                    else:
                        name, name_at = None, 0
                    break
                if (match.group(2) == "}") is not is_object:
                    raise json_slips.after_value(text, position - 1, start, self.bracket())
                self.outline.close(self.opened.pop())
                container = parents.pop()
                if parents:
                    self.steps.pop()
                is_object = type(container) is dict
            else:
                break
        end = _space(text, position).end()  # type: ignore[union-attr]
        if end != len(text):
            raise json_slips.after_value(text, end, start, None)
        return container[0]

    def name(self, start: int, container: dict[str, Json]) -> tuple[str, int, int]:
        """The member's name that begins at ``start``, its offset, and where its value begins."""
        text = self.text
        if text[start : start + 1] != '"':
            raise json_slips.before_name(text, start, self.outline.offsets[self.opened[-1]])
        try:
            name, end = scanstring(text, start + 1)
        except json.JSONDecodeError as error:
            raise json_slips.in_string(text, error) from None
        match = _colon(text, end)
        if match is None:
            end = _space(text, end).end()  # type: ignore[union-attr]
            raise json_slips.before_colon(text, end, self.outline.offsets[self.opened[-1]])
        if self.has_escapes and UNSTORABLE.search(name):
            name = self.unstorable(name, start, self.path(container, name))
            self.stand_ins.add(name)
        return self.memo.setdefault(name, name), start, match.end()

    def repeat(self, container: dict[str, Json], name: str, name_at: int, value: Json) -> None:
        """A member whose name is in ``container`` already: a fault, unless one of the two is only a stand-in."""
        if name not in self.stand_ins:
            self.repeats.add(self.opened[-1], name, name_at, (*self.steps, name))
            return
        while name in container:
            name += "\ufffd"
        container[name] = value

    def number(self, written: str, start: int, container: Any, name: str | None) -> int | float:
        try:
            return parse_number(written)
        except OutOfRange as error:
            message = f"the number {error} is outside the range of a binary64"
            hint = "No database column or reader can hold it; write it as a text."
            self.faults.add("INVALID_VALUE", message, start, self.path(container, name), hint=hint)
            return 0

    def unstorable(self, value: str, start: int, path: Path) -> str:
        add_unstorable(self.faults, value, start, path)
        return storable(value)

    def path(self, container: Any, name: str | None) -> Path:
        """The path of the value or member that is being read in the innermost container."""
        if not self.opened:
            return ()
        return (*self.steps, len(container) if name is None else name)

    def bracket(self) -> int | None:
        """The offset of the innermost open bracket."""
        return self.outline.offsets[self.opened[-1]] if self.opened else None

    def report_repeats(self) -> None:
        for ordinal in self.opened:  # a fault of syntax leaves containers open
            self.outline.close(ordinal)
        self.repeats.report(self.faults, self.outline)
