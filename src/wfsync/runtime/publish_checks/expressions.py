"""``INVALID_EXPR``: every ``{"$expr": text}``, wherever it stands, with the position inside the text."""

from __future__ import annotations

from collections.abc import Iterator

from wfsync.bundle.source_map import Path
from wfsync.expressions import ExpressionFault, compile_expression
from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean
from wfsync.runtime.publish_checks.values import Special

__all__ = ["check_expression"]


def check_expression(subject: Subject, special: Special) -> Iterator[Finding]:
    """What is wrong with one expression. ``special.value`` is an object that has ``$expr``."""
    text = special.value["$expr"]
    others = sorted(name for name in special.value if name != "$expr")
    if _is_checked_by_schema(special.path):
        others = []
    if others:
        yield finding_at(
            subject.definition,
            special.path,
            "INVALID_EXPR",
            f'an expression is {{"$expr": text}} and nothing else; {others[0]!r} stands beside it',
            did_you_mean(others[0], ("$expr",)) or f"move {others[0]!r} out of the object",
            member=others[0],
        )
    if not isinstance(text, str):
        if not _is_checked_by_schema(special.path):
            yield finding_at(
                subject.definition, (*special.path, "$expr"), "INVALID_EXPR", "the text of an expression must be text"
            )
        return
    try:
        compile_expression(text)
    except ExpressionFault as fault:
        yield finding_at(
            subject.definition,
            (*special.path, "$expr"),
            "INVALID_EXPR",
            _words(text, fault),
            fault.hint,
            offset=fault.offset,
        )


def _is_checked_by_schema(path: Path) -> bool:
    """Whether the definition's schema has said already what is wrong with the object."""
    return path[-1] in ("condition", "items") and isinstance(path[-2], int)


def _words(text: str, fault: ExpressionFault) -> str:
    if fault.offset is None or not 0 <= fault.offset <= len(text):
        return fault.message
    before = text[: fault.offset]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    at = f"character {column}" if "\n" not in text else f"line {line}, character {column}"
    return f"{fault.message} (at {at} of the expression)"
