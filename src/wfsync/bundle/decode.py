"""What the JSON and the YAML reader share: bytes to text, faults of one file, and how a file's text is quoted."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Final

from wfsync.bundle.source_map import Lines, Outline, Path, SourceMap
from wfsync.errors import InputError, Place, Problem

__all__ = ["MAX_PROBLEMS", "UNSTORABLE", "Faults", "Repeats", "add_unstorable", "decode", "shown", "storable"]

MAX_PROBLEMS: Final = 1000
"""How many faults of one kind one file may list; the rest is counted. Keeps a hostile file's report bounded."""

UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""Characters that jsonb cannot hold: U+0000 and lone surrogates (`bundle.md`, rules beyond the schema)."""

_OTHER_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def decode(data: bytes, file: str) -> str:
    """The text of a file. A UTF-8 byte order mark is accepted and dropped; canonical text has none.

    Raises `InputError` (``INVALID_BUNDLE``) with the position of the first byte that is not UTF-8, or when the file
    begins with the mark of another encoding.
    """
    for mark, encoding in _OTHER_ENCODINGS:
        if data.startswith(mark):
            problem = Problem(
                code="INVALID_BUNDLE",
                message=f"the file is {encoding}, not UTF-8",
                place=Place(file, 1, 1),
                hint="Save the file as UTF-8.",
            )
            raise InputError(f"{file}: {problem.message}", hint=problem.hint, problems=[problem])
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        return str(memoryview(data)[start:], "utf-8")
    except UnicodeDecodeError as error:
        before = str(memoryview(data)[start : start + error.start], "utf-8")
        line, column = Lines(before).position(len(before))
        problem = Problem(
            code="INVALID_BUNDLE",
            message=f"the byte 0x{data[start + error.start]:02x} is not valid UTF-8",
            place=Place(file, line, column),
            hint="Save the file as UTF-8.",
        )
        raise InputError(f"{file}: {problem.message}", hint=problem.hint, problems=[problem]) from None


def shown(text: str, limit: int = 60) -> str:
    """``text`` in double quotes for a message: shortened, and without characters that could act on a terminal."""
    short = text if len(text) <= limit else f"{text[:limit]}…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short) + '"'


def storable(text: str) -> str:
    """``text`` with U+FFFD for each character that jsonb cannot hold."""
    return UNSTORABLE.sub("\ufffd", text)


class Faults:
    """Collects the faults of one file in order, at most `MAX_PROBLEMS` of each code and one that counts the rest."""

    __slots__ = ("_counts", "_problems", "source")

    def __init__(self, source: SourceMap) -> None:
        self.source = source
        self._problems: dict[str, list[Problem]] = {}
        self._counts: dict[str, int] = {}

    def add(
        self,
        code: str,
        message: str,
        offset: int,
        path: Sequence[str | int],
        *,
        hint: str | None = None,
        related: tuple[Place, ...] = (),
    ) -> None:
        """Note a fault at ``offset`` of the text, in the value at ``path``."""
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count <= MAX_PROBLEMS:
            place = self.source.at(offset, path)
            problem = Problem(code=code, message=message, place=place, hint=hint, related=related)
            self._problems.setdefault(code, []).append(problem)

    def full(self, code: str) -> bool:
        """True when further faults of ``code`` are only counted: their texts need not be made."""
        return self._counts.get(code, 0) >= MAX_PROBLEMS

    def skip(self, code: str, count: int) -> None:
        """Note ``count`` further faults that are only counted."""
        self._counts[code] = self._counts.get(code, 0) + count

    def of(self, code: str) -> tuple[Problem, ...]:
        """The faults of ``code``."""
        problems = self._problems.get(code, [])
        more = self._counts.get(code, 0) - len(problems)
        if not more:
            return tuple(problems)
        return (*problems, Problem(code=code, message=f"{more} more of these", place=Place(self.source.file)))

    def raise_any(self, last: Problem | None = None) -> None:
        """Raise `InputError` if there is an ``INVALID_BUNDLE`` fault or ``last``, the fault that ended the reading."""
        problems = self.of("INVALID_BUNDLE")
        if last is not None:
            problems = (*problems, last)
        if problems:
            first = problems[0]
            raise InputError(f"{first.place}: {first.message}", hint=first.hint, problems=problems)


def add_unstorable(faults: Faults, value: str, offset: int, path: Sequence[str | int]) -> None:
    """Note that the text ``value`` (or a member's name) has a character that jsonb cannot hold."""
    match = UNSTORABLE.search(value)
    if match is None or faults.full("INVALID_VALUE"):
        faults.skip("INVALID_VALUE", 1 if match else 0)
        return
    code = ord(match.group())
    what = "U+0000" if code == 0 else f"the lone surrogate U+{code:04X}"
    hint = "PostgreSQL's jsonb cannot hold this character; remove or replace it."
    faults.add("INVALID_VALUE", f"the text contains {what}", offset, path, hint=hint)


class Repeats:
    """Names that stand more than once in their object, reported at the end, when first places can be looked up."""

    __slots__ = ("_found", "_more")

    def __init__(self) -> None:
        self._found: list[tuple[int, str, int, Path]] = []
        self._more = 0

    def add(self, container: int, name: str, offset: int, path: Path) -> None:
        """Note that ``name``, which begins at ``offset``, repeats one in the object with the ordinal ``container``."""
        if len(self._found) < MAX_PROBLEMS:
            self._found.append((container, name, offset, path))
        else:
            self._more += 1

    def report(self, faults: Faults, outline: Outline) -> None:
        """Turn what was found into faults; every container of ``outline`` is closed by now."""
        for container, name, offset, path in self._found:
            first = outline.key_offsets[outline.children(container)[name]]
            faults.add(
                "INVALID_BUNDLE",
                f"the name {shown(name)} occurs more than once in its object",
                offset,
                path,
                hint="Remove or rename one of them.",
                related=(faults.source.at(first, path),),
            )
        faults.skip("INVALID_BUNDLE", self._more)
