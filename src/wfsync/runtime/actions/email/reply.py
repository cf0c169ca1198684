"""What of a mail's text is new, what is quoted, what is a signature: by the habits of mail programs.

There is no rule that is always right. Where a line may or may not begin a quotation, it counts as one only if what
follows looks like one, so that rather too much is kept than too little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wfsync.runtime.actions.email.reply_words import (
    CUT_MARKERS,
    DATED_SENDER,
    HEADERS,
    MOBILE_SIGNATURES,
    OPENERS,
    ORIGINAL_MESSAGES,
    WROTE,
)

__all__ = ["Reply", "divide"]

_LONGEST_LINE: Final = 1000
"""Of which a pattern looks at; lines of mails are short."""
_ATTRIBUTION_LINES: Final = 4
_VERB_WITHIN: Final = 200
"""Characters before the colon: in some languages the sender stands behind the verb."""
_RULE: Final = re.compile(r"[_=\u2500-]{10,}")
_HEADER: Final = re.compile(r"\*{0,2}([^\W\d_][\w .'’-]{0,30}?)\s?\*{0,2}\s?[:：]\*{0,2}\s?(.{0,200})")
_LONGEST_SIGNATURE: Final = 12


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts of a text. Empty where there is none."""

    new: str
    quoted: str
    signature: str


def divide(text: str) -> Reply:
    """Divide the text of a mail into what is new, what is quoted and the signature of the new part."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").split("\n")
    new: list[str] = []
    quoted: list[str] = []
    at = 0
    while at < len(lines):
        taken = _quotation(lines, at)
        if taken:
            quoted += lines[at : at + taken]
        else:
            new.append(lines[at])
        at += taken or 1
    body, signature = _without_signature(new)
    return Reply(_joined(body), _joined(quoted), _joined(signature))


def _joined(lines: Sequence[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")


def _quotation(lines: list[str], at: int) -> int:
    """How many lines from ``at`` on are quoted; 0 where that line is new."""
    line = lines[at][:_LONGEST_LINE].strip().strip("*").strip()
    if not line:
        return 0
    if lines[at].startswith(">"):
        return 1
    if ORIGINAL_MESSAGES.fullmatch(line) or CUT_MARKERS.search(line) or _begins_headers(lines, at, line):
        return len(lines) - at
    return _attribution(lines, at, line)


def _begins_headers(lines: list[str], at: int, line: str) -> bool:
    """Whether ``From: … Sent: … To: …`` begins here, perhaps after a rule."""
    start = at
    if _RULE.fullmatch(line):
        start = next((i for i in range(at + 1, min(at + 4, len(lines))) if lines[i].strip()), at)
    kinds = [_header_kind(candidate) for candidate in [c for c in lines[start : start + 9] if c.strip()][:5]]
    return kinds[:1] == ["from"] and len({kind for kind in kinds[1:] if kind is not None} - {"from"}) >= 2


def _header_kind(line: str) -> str | None:
    found = _HEADER.fullmatch(line[:_LONGEST_LINE].strip()[:250])
    return None if found is None or not found.group(2).strip() else HEADERS.get(found.group(1).strip().lower())


def _attribution(lines: list[str], at: int, line: str) -> int:
    """``On … wrote:``, over at most four lines, with a date or an address in it and a quotation behind it."""
    if not OPENERS.match(line):
        return 0
    joined = line
    for count in range(1, _ATTRIBUTION_LINES + 1):
        if _is_attribution(joined):
            return _with_quotation(lines, at, count)
        if at + count >= len(lines) or len(joined) > _LONGEST_LINE or not lines[at + count].strip():
            return 0
        joined = f"{joined} {lines[at + count][:_LONGEST_LINE].strip()}"
    return 0


def _is_attribution(text: str) -> bool:
    if len(text) > _LONGEST_LINE or not text.endswith((":", "：")):
        return False
    if not any(character.isdigit() or character == "@" for character in text):
        return False
    return WROTE.search(text[-_VERB_WITHIN:]) is not None or DATED_SENDER.fullmatch(text) is not None


def _with_quotation(lines: list[str], at: int, count: int) -> int:
    """The attribution's lines, and all that follows if what follows is not marked: then nothing of it is new."""
    behind = next((line for line in lines[at + count : at + count + 5] if line.strip()), None)
    if behind is not None and behind.startswith(">"):
        return count
    return len(lines) - at


def _without_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    lines = lines[:end]
    for index in range(len(lines) - 1, -1, -1):
        behind = len(lines) - index - 1
        if lines[index] == "-- " or (lines[index].rstrip() in {"--", "—"} and behind <= _LONGEST_SIGNATURE):
            return lines[:index], lines[index + 1 :]
        if behind > 200:
            break
    if lines and MOBILE_SIGNATURES.fullmatch(lines[-1].strip()[:200]):
        return lines[:-1], lines[-1:]
    return lines, []
