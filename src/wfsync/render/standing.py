"""``status``, ``adopt`` and ``release``, for people and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from wfsync.bundle.model import JsonObject
from wfsync.pipeline.stock import QUIET, Item, Stock
from wfsync.plan.change import last_update
from wfsync.plan.codec import PLAN_FORMAT_VERSION, problem_value, source_value, target_value
from wfsync.plan.ownership import STATES, State
from wfsync.render.escape import json_document, plain
from wfsync.render.problems import problem_lines
from wfsync.render.style import Paint, Style
from wfsync.render.words import source_line, target_line

if TYPE_CHECKING:
    from wfsync.pipeline.adopting import Managing, Taken

__all__ = ["managing_json", "managing_text", "stock_json", "stock_line", "stock_text", "stock_value"]

_WORDS: Final[dict[State, tuple[str, Style, str]]] = {
    "in_sync": ("=", "dim", "in sync"),
    "git_changed": ("~", "yellow", "changed in git"),
    "database_changed": ("!", "red", "changed in the database"),
    "both_changed": ("!", "red", "changed in both"),
    "git_only": ("+", "green", "only in git"),
    "database_deleted": ("+", "red", "gone from the database"),
    "database_only_managed": ("-", "yellow", "gone from git"),
    "database_only_unmanaged": ("=", "dim", "only in the database"),
    "unmanaged_differs": ("~", "yellow", "differs, not ours"),
    "held": ("=", "cyan", "held"),
}
_BASE_UNKNOWN: Final[tuple[str, Style, str]] = ("~", "yellow", "differs, base unknown")
"""Of what was last applied under other field policies, or another overlay: nobody can tell who changed it."""


def stock_text(stock: Stock, *, color: bool = False, verbose: int = 0) -> str:
    """What does not agree, a line each; the last line counts."""
    paint = Paint(color)
    lines = [f"Target: {target_line(stock.target)}", f"Source: {source_line(stock.source)}"]
    lines += [f"Managed as: {plain(stock.source_name)}", ""]
    if not stock.has_ledger:
        lines += ["There is no ledger that can be read: who changed what is not known.", ""]
    shown = [item for item in stock.items if verbose or item.state not in QUIET]
    pad = max((len(plain(item.key)) for item in shown), default=0)
    for item in shown:
        symbol, style, words = _words(item)
        facts = "; ".join(_facts(item))
        line = f"{plain(item.key):<{pad}}  {words:<23}  {facts}".rstrip()
        lines.append(f"{paint(style, symbol)} {line}")
    if shown:
        lines.append("")
    for warning in stock.warnings:
        lines += problem_lines(warning, paint)
    if stock.warnings:
        lines.append("")
    return "\n".join([*lines, stock_line(stock)]) + "\n"


def stock_line(stock: Stock) -> str:
    """The line to grep: the last one."""
    counts = Counter(_words(item)[2] for item in stock.items)
    counts.update({_WORDS[state][2]: count for state, count in stock.unlisted.items()})
    words = [_WORDS[state][2] for state in STATES]
    words.insert(words.index("changed in git") + 1, _BASE_UNKNOWN[2])
    listed = [f"{counts[name]} {name}" for name in words if counts[name]]
    listed += [f"{len(stock.ambiguous)} ambiguous"] if stock.ambiguous else []
    return f"Status: {', '.join(listed) or 'nothing on either side'}."


def _words(item: Item) -> tuple[str, Style, str]:
    """Symbol, colour and words of a key's state."""
    unknown = item.state == "git_changed" and not item.standing.base_known
    return _BASE_UNKNOWN if unknown else _WORDS[item.state]


def _facts(item: Item) -> Iterator[str]:
    its = item.standing
    if its.drift:
        yield f"changed in the database{plain(last_update(item.updated_by, item.updated_at))}"
    elif item.state == "git_changed" and not its.base_known:
        yield "field policies or the overlay changed since the last apply, so nobody can tell what else did"
    if its.managed_by is not None:
        yield f"managed by {plain(its.managed_by)}"
    if its.prunable:
        yield "apply --prune would delete it" if item.stays is None else f"kept from apply --prune: {plain(item.stays)}"
    elif its.unprunable is not None:
        yield f"never pruned: {its.unprunable}"


def stock_json(stock: Stock) -> str:
    """`stock_value` as a document that ends with one newline."""
    return json_document(stock_value(stock))


def stock_value(stock: Stock) -> JsonObject:
    """One document with an item for every key."""
    counts = _counts(stock.items)
    return {
        "format_version": PLAN_FORMAT_VERSION,
        "source": {**source_value(stock.source), "name": stock.source_name},
        "target": target_value(stock.target),
        "ledger": stock.has_ledger,
        "summary": {state: counts[state] for state in STATES},
        "items": [_item_value(item) for item in stock.items],
        "ambiguous": list(stock.ambiguous),
        "warnings": [problem_value(problem) for problem in stock.warnings],
        "errors": [],
    }


def _item_value(item: Item) -> JsonObject:
    its = item.standing
    return {
        "key": item.key,
        "state": item.state,
        "drift": its.drift,
        "base_known": its.base_known,
        "file": item.file,
        "workflow_id": item.workflow_id,
        "origin": None if item.managed is None else item.managed.origin,
        "managed_by": its.managed_by,
        "prunable": its.prunable,
        "stays": item.stays,
        "updated_at": item.updated_at,
        "updated_by": item.updated_by,
    }


def _counts(items: Sequence[Item]) -> dict[State, int]:
    counts: dict[State, int] = dict.fromkeys(STATES, 0)
    for item in items:
        counts[item.state] += 1
    return counts


def managing_text(managing: Managing) -> str:
    """What became of each key; the last line counts."""
    lines = [f"Target: {target_line(managing.target)}", f"Managed as: {plain(managing.source_name)}", ""]
    lines += [f"{plain(taken.key)}  {_became(taken)}" for taken in managing.keys]
    lines.append("")
    if managing.apply_id is not None:
        lines.append(f"Recorded as: {managing.apply_id}")
    done = sum(1 for taken in managing.keys if taken.action != "unchanged")
    verb = "released" if any(taken.action == "released" for taken in managing.keys) else "adopted"
    lines.append(f"{verb.capitalize()}: {done}, {len(managing.keys) - done} unchanged.")
    return "\n".join(lines) + "\n"


def _became(taken: Taken) -> str:
    match taken.action:
        case "released":
            return "released; the next apply makes it what git says (without a file: --prune may delete it)"
        case "unchanged":
            return "is managed from here already"
        case "adopted":
            before = "" if taken.taken_from is None else f" from {plain(taken.taken_from)}"
            nows = {
                "in_sync": "in sync",
                "database_deleted": "not in the database: the next apply creates it",
            }
            now = nows.get(taken.state or "", "differs: `wfsync apply --force` would overwrite it")
            return f"adopted{before}; {now}; never pruned"


def managing_json(managing: Managing) -> str:
    """One document with an item for every key."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "source": {"name": managing.source_name},
            "target": target_value(managing.target),
            "apply_id": managing.apply_id,
            "items": [
                {"key": t.key, "action": t.action, "taken_from": t.taken_from, "state": t.state} for t in managing.keys
            ],
            "errors": [],
        }
    )
