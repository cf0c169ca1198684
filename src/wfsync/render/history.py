"""The ledger for people and machines: ``history`` and ``show``. Names and digests only; no content of a workflow, and
without secrets what a server quoted of a row when an apply failed: an older wfsync has kept its words as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.plan.secrets import hide_message
from wfsync.render.escape import json_document, plain
from wfsync.render.style import Paint, Style
from wfsync.store.ledger.values import AppliedRow, ChangeRow

__all__ = ["apply_json", "apply_text", "history_json", "history_text"]

_SHORT: Final = 8
_SYMBOLS: Final[dict[str, tuple[str, Style]]] = {
    "create": ("+", "green"),
    "overwrite": ("~", "yellow"),
    "delete": ("-", "red"),
    "relink": ("~", "yellow"),
}


def history_text(applies: Sequence[AppliedRow], *, color: bool = False) -> str:
    """A line for each apply, the newest first; the last line counts."""
    paint = Paint(color)
    lines = []
    for row in applies:
        facts = [_when(row.at), paint("bold", row.id[:_SHORT]), f"{row.command:<8}", _counts(row), plain(row.actor)]
        facts += [plain(row.source), _revision(row)]
        if row.outcome == "failed":
            facts.append(paint("red", f"failed: {plain(row.error_code or 'unknown')}"))
        lines.append("  ".join(fact for fact in facts if fact))
    failed = sum(row.outcome == "failed" for row in applies)
    number = len(applies)
    lines.append(f"History: {number} appl{'y' if number == 1 else 'ies'}, {failed} of them failed.")
    return "\n".join(lines) + "\n"


def history_json(applies: Sequence[AppliedRow]) -> str:
    """One document: ``applies``, the newest first, each with everything but its changes."""
    return json_document({"format_version": PLAN_FORMAT_VERSION, "applies": [_apply_value(row) for row in applies]})


def apply_text(row: AppliedRow, changes: Sequence[ChangeRow], *, color: bool = False) -> str:
    """Everything that is known of one apply, and two lines for each workflow that it changed."""
    paint = Paint(color)
    lines = [f"{name}: {plain(value)}" for name, value in _facts(row) if value]
    if changes:
        lines.append("")
    for change in changes:
        lines += _change_lines(change, paint)
    counts = row.counts
    numbers = ", ".join(f"{counts.get(name, 0)} to {name}" for name in ("create", "overwrite", "delete", "relink"))
    lines += ["", f"Plan: {numbers}, {counts.get('unchanged', 0)} unchanged."]
    return "\n".join(lines) + "\n"


def apply_json(row: AppliedRow, changes: Sequence[ChangeRow]) -> str:
    """One document: ``apply`` and its ``changes``."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "apply": _apply_value(row),
            "changes": [_change_value(change) for change in changes],
        }
    )


def _facts(row: AppliedRow) -> Iterator[tuple[str, str | None]]:
    yield "Apply", row.id
    yield "When", _when(row.at)
    yield "Command", row.command
    yield (
        "Outcome",
        row.outcome if row.error_code is None else f"{row.outcome}, {row.error_code}: {hide_message(row.error or '')}",
    )
    yield "Actor", f"{row.actor} ({row.actor_origin})"
    yield "Run", row.run_url
    yield "Source", " ".join(filter(None, (row.source, _revision(row))))
    yield "Target", row.target
    yield "Options", ", ".join(_option(name, value) for name, value in sorted(row.options.items()))
    yield "Digest", row.plan_digest
    yield "wfsync", row.wfsync
    yield "Seconds", f"{row.seconds:.2f}"


def _option(name: str, value: object) -> str:
    if value is True:
        return name
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{name} {text}"


def _change_lines(change: ChangeRow, paint: Paint) -> Iterator[str]:
    symbol, style = _SYMBOLS.get(change.action, ("!", "yellow"))
    versions = ", ".join(map(str, change.versions)) or "none"
    if change.before_id is not None and change.after_id is not None and change.before_id != change.after_id:
        identity = f"{change.before_id} → {change.after_id}"
    else:
        identity = change.after_id or change.before_id or "none"
    key = paint("bold", plain(change.key))
    yield f"{paint(style, symbol)} {key}  {plain(change.action)}, id {plain(identity)}, versions {versions}"
    yield f"    digest {change.before_digest or 'none'} → {change.after_digest or 'none'}"


def _counts(row: AppliedRow) -> str:
    words = {"relink": " relinked"}  # whose symbol is also that of an overwrite
    return " ".join(
        f"{symbol}{row.counts[name]}{words.get(name, '')}"
        for name, (symbol, _) in _SYMBOLS.items()
        if row.counts.get(name)
    )


def _revision(row: AppliedRow) -> str:
    if row.commit is None:
        return plain(row.branch or "")
    at = f"{row.branch}@" if row.branch else ""
    return plain(f"{at}{row.commit[:12]}{' (dirty)' if row.dirty else ''}")


def _when(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M:%SZ")


def _apply_value(row: AppliedRow) -> JsonObject:
    return {
        "id": row.id,
        "at": None if row.at is None else row.at.isoformat().replace("+00:00", "Z"),
        "command": row.command,
        "outcome": row.outcome,
        "error_code": row.error_code,
        "error": None if row.error is None else hide_message(row.error),
        "actor": row.actor,
        "actor_origin": row.actor_origin,
        "run_url": row.run_url,
        "source": row.source,
        "branch": row.branch,
        "commit": row.commit,
        "dirty": row.dirty,
        "target": row.target,
        "plan_digest": row.plan_digest,
        "options": dict(row.options),
        "counts": dict(row.counts),
        "wfsync": row.wfsync,
        "seconds": row.seconds,
    }


def _change_value(change: ChangeRow) -> JsonObject:
    return {
        "key": change.key,
        "action": change.action,
        "before_digest": change.before_digest,
        "after_digest": change.after_digest,
        "before_id": change.before_id,
        "after_id": change.after_id,
        "versions": list(change.versions),
        "has_rows_before": change.has_image,
    }
