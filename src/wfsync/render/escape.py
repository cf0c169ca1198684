"""Names and values made harmless for each output (spec: cli.md "Output").

Everything that a file or a row may hold goes through one of these before it is printed: a workflow's name must not
clear a terminal (an escape sequence), command a CI runner (``::set-env …``) or call people (``@everyone``).
"""

from __future__ import annotations

import html
import json
import re
from typing import Final

from wfsync.bundle.model import Json

__all__ = [
    "code_span",
    "fence_for",
    "github_data",
    "github_property",
    "html_text",
    "json_document",
    "json_text",
    "markdown_text",
    "plain",
    "raw_json",
    "safe_json",
]

# What is not seen, or changes what is seen: C0 and C1 controls, soft hyphen, bidirectional marks and overrides,
# zero-width characters, line separators, invisible fillers and operators, surrogates, tags, noncharacters.
_UNSEEN: Final = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Runners read "##[command]" (and Azure's, TeamCity's kin) anywhere in a line.
_RUNNER_COMMAND: Final = re.compile(r"##(?=\[|vso\[|teamcity\[)")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+.!|~&:@$^=-]")
_BACKTICKS: Final = re.compile("`+")


def plain(text: str) -> str:
    r"""For a terminal or a log, on one line: what cannot be seen becomes ``\n``, ``\x1b`` or ``\u202e``."""
    text = _UNSEEN.sub(_visible, text)
    text = _RUNNER_COMMAND.sub("#\\\\x23", text)
    stripped = text.lstrip()
    if stripped.startswith("::"):
        text = text[: len(text) - len(stripped)] + ":\\x3a" + stripped[2:]
    return text


def json_text(value: Json) -> str:
    """A value as JSON on one line, safe for a terminal: the text is quoted, and still is JSON."""
    return safe_json(raw_json(value))


def raw_json(value: Json) -> str:
    """A value as JSON on one line, to be cut and then made safe by `safe_json`: that costs a second for 3 MB."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def json_document(value: Json) -> str:
    r"""A whole JSON document, indented, one newline at the end; what cannot be seen stands as ``\uXXXX``."""
    return safe_json(json.dumps(value, ensure_ascii=False, indent=2), keep="\n") + "\n"


def github_data(text: str) -> str:
    """The message of a GitHub workflow command. Line ends stay line ends; other unseen characters become visible."""
    text = text.replace("\r\n", "\n")
    text = "\n".join(_UNSEEN.sub(_visible, line) for line in text.split("\n"))
    return _RUNNER_COMMAND.sub("#\\\\x23", text).replace("%", "%25").replace("\n", "%0A")


def github_property(text: str) -> str:
    """A property (file, title) of a GitHub workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")


def html_text(text: str) -> str:
    """For raw HTML inside markdown, such as a ``<summary>``; put it in ``<code>``, where no mention is looked for."""
    return html.escape(plain(text))


def markdown_text(text: str) -> str:
    """For running markdown text and table cells: no markup, no HTML, no mention, no reference to an issue."""
    return _MARKDOWN.sub(lambda found: _literally(found.group()), plain(text))


def code_span(text: str) -> str:
    """A code span, also inside a table: fenced by more backticks than the text has in a row."""
    text = plain(text).replace("|", "\\|")
    fence = "`" * (_longest_backticks(text) + 1)
    pad = " " if not text or text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def fence_for(content: str) -> str:
    """A code fence that nothing in ``content`` closes."""
    return "`" * max(3, _longest_backticks(content) + 1)


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def _visible(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    if code < 0x100:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _literally(character: str) -> str:
    # An entity or a backslash does not stop a mention: GitHub looks for it in the finished text. A comment splits that.
    if character == "@":
        return "@<!-- -->"
    if character == "#":
        return "\\#<!-- -->"
    return f"&{ {'<': 'lt', '>': 'gt', '&': 'amp'}[character] };" if character in "<>&" else f"\\{character}"


def safe_json(text: str, keep: str = "") -> str:
    r"""JSON text, or a part of one, with what cannot be seen (but ``keep``) as ``\uXXXX``; different texts stay so."""

    def escape(found: re.Match[str]) -> str:
        character = found.group()
        if character in keep:
            return character
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))

    return _RUNNER_COMMAND.sub("#\\\\u0023", _UNSEEN.sub(escape, text))
