"""PyYAML's parser as we use it: events only, from a text prepared so that YAML 1.1's syntax reads it as 1.2 does.

Events come from libyaml when PyYAML has it, else from PyYAML's own parser; both see the same text and give the same
events. Faults are said in plain words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from yaml import Event, MarkedYAMLError, StreamEndEvent, YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from wfsync.bundle.decode import shown

try:
    from yaml._yaml import CParser

    _FASTEST: Any = CParser
except ImportError:  # pragma: no cover - every published wheel has libyaml
    _FASTEST = None

__all__ = ["NotYaml", "Prepared", "PurePythonParser", "SurrogateEscape", "default_parser", "parse_events", "prepare"]

_UNPRINTABLE: Final = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = re.compile("[\x85\u2028\u2029\ufeff]")
_PRIVATE_USE: Final = range(0xE000, 0xF900)
_DIRECTIVE: Final = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n?|\n))*+(%[^\r\n]*)")
_VERSION_1_2: Final = re.compile(r"%YAML[ \t]+1\.2(?:[ \t]+#.*|[ \t]*)")


class NotYaml(Exception):
    """The text stops being readable YAML at ``offset``; ``opened`` is where that begins which the fault is about."""

    def __init__(self, offset: int, message: str, hint: str | None = None, opened: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint
        self.opened = opened


class SurrogateEscape(Exception):
    """The escape of a surrogate: libyaml refuses it, PyYAML's own parser reads it."""


class PurePythonParser(Reader, Scanner, Parser):
    """PyYAML's own parser, without composer, constructor and resolver."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Skip white space and comments, with tabs where libyaml takes them: where they are no indentation."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0\r\n":
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True


class Prepared:
    """A text as the parser is given it; ``restore`` undoes in values what `prepare` did."""

    __slots__ = ("_restore", "text")

    def __init__(self, text: str, restore: dict[int, int]) -> None:
        self.text = text
        self._restore = restore

    def restore(self, value: str) -> str:
        """The value as the file has it."""
        return value.translate(self._restore) if self._restore else value


def default_parser() -> Any:
    """The parser of libyaml, or PyYAML's own where PyYAML was built without libyaml."""
    return _FASTEST or PurePythonParser


def prepare(text: str) -> Prepared:
    """Check what no YAML 1.2 text may have, and hide what YAML 1.1 would read differently.

    For 1.1, U+0085, U+2028 and U+2029 are line breaks; in 1.2 they are characters like any other, and so is U+FEFF
    behind the beginning. Each is replaced by a character of the private use area that the text has neither raw nor
    escaped, one for one, so that offsets stay. Raises `NotYaml`.
    """
    match = _UNPRINTABLE.search(text)
    if match:
        code = ord(match.group())
        message = f"the character U+{code:04X} must not stand in a YAML file"
        raise NotYaml(match.start(), message, f'Write it as the escape "\\u{code:04x}" in double quotes.')
    position = 0
    while match := _DIRECTIVE.match(text, position):
        if not _VERSION_1_2.fullmatch(match.group(1)):
            message = f"the directive {shown(match.group(1), 20)} is not supported"
            raise NotYaml(match.start(1), message, "Files are read as YAML 1.2, without tags; remove the directive.")
        position = match.end()
    special = {ord(char) for char in set(_SPECIAL.findall(text))}
    if not special:
        return Prepared(text, {})
    lowered = text.lower()
    free = (code for code in _PRIVATE_USE if chr(code) not in lowered and f"{code:04x}" not in lowered)
    hidden = dict(zip(sorted(special), free, strict=False))
    if len(hidden) < len(special):
        first = _SPECIAL.search(text)
        offset = first.start() if first else 0
        raise NotYaml(offset, f"the character U+{ord(text[offset]):04X} must be written as an escape in this file")
    return Prepared(text.translate(hidden), {stand_in: code for code, stand_in in hidden.items()})


def parse_events(text: str, parser_class: Any) -> Iterator[Event]:
    """The events of ``text`` up to the end of the stream.

    Raises `NotYaml` with the first fault of syntax, or `SurrogateEscape`.
    """
    parser = None
    try:
        parser = parser_class(text)
        while True:
            event = parser.get_event()
            yield event
            if type(event) is StreamEndEvent:
                return
    except MarkedYAMLError as error:
        if parser_class is not PurePythonParser and "escape code" in (error.problem or ""):
            raise SurrogateEscape from None
        raise _explained(error, text) from None
    except YAMLError as error:  # pragma: no cover - what a reader can refuse, `prepare` has refused
        raise NotYaml(0, str(error)) from None
    except (ValueError, OverflowError):
        # PyYAML's own parser turns any escape into a number and that into a character.
        offset = text.rfind("\\", 0, parser.index if parser else 0)
        raise NotYaml(max(offset, 0), "the escape is not a character", "The last character is \\U0010ffff.") from None


_COLUMNS = "Check the indentation: what belongs together begins in one column."
_EXPLAINED: Final[tuple[tuple[str, str, str | None], ...]] = (
    # part of PyYAML's or libyaml's words, ours, what to do
    (
        "mapping values are not",
        "a colon is not expected here",
        "Check the indentation; quote a text that contains ': '.",
    ),
    (
        "could not find expected ':'",
        "a name without a colon",
        "Check the indentation; a colon and a space follow a name.",
    ),
    ("expected ',' or ']'", "a comma or ] is expected", None),
    ("expected ',' or '}'", "a comma or } is expected", None),
    ("expected '-' indicator", "a list item (-) is expected", _COLUMNS),
    ("expected key", "the name of a member is expected", _COLUMNS),
    ("expected <block end>", "this does not belong to the block before it", _COLUMNS),
    ("document start", "the document is complete, but more text follows", "A file holds one document."),
    ("sequence entries are not", "a list item (-) is not expected here", "Begin the list on a line of its own."),
    ("mapping keys are not", "the name of a member is not expected here", None),
    ("unknown escape character", "the escape is not valid", "Write \\\\ for a backslash, or use single quotes."),
    ("hexdecimal", "the escape is not valid", "Hexadecimal digits are expected."),
    ("expected escape sequence", "the escape is not valid", "Hexadecimal digits are expected."),
    ("escape code", "the escape is not a character", "The last character is \\U0010ffff."),
    ("tag handle", "tags are not supported", "Remove the tag."),
    ("document indicator", "a quoted text has no closing quote", None),
    ("alphabetic or numeric", "an anchor or alias needs a name of letters and digits", "Quote a text that begins so."),
    ("node content", "a value is expected", None),
    ("indentation indicator", "the indentation indicator of a block text must be 1 to 9", None),
    ("comment or a line break", "nothing but a comment may follow here on this line", None),
)


def _explained(error: MarkedYAMLError, text: str) -> NotYaml:
    """The parser's fault with our place and, where we know the fault, in our words."""
    mark = error.problem_mark or error.context_mark
    offset = min(mark.index, len(text)) if mark else 0
    opened = error.context_mark.index if error.context_mark and error.context_mark.index < offset else None
    problem = error.problem or "not YAML"
    if "cannot start any token" in problem:
        return _bad_start(text, offset)
    if "end of stream" in problem and opened is not None:
        return NotYaml(opened, "this text has no closing quote")
    for part, message, hint in _EXPLAINED:
        if part in problem:
            return NotYaml(offset, message, hint, opened)
    return NotYaml(offset, problem, None, opened)


def _bad_start(text: str, offset: int) -> NotYaml:
    char = text[offset : offset + 1]
    if char == "\t":
        return NotYaml(offset, "a tab stands where only spaces may", "Indent with spaces.")
    return NotYaml(offset, f"a value cannot begin with {char}", "Put the text in quotes.")
