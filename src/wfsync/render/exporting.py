"""What an export did, as text for a person; the last line is the one to grep."""

from __future__ import annotations

from typing import Final

from wfsync.export.report import ExportReport, ExportState
from wfsync.render.escape import plain
from wfsync.render.style import Paint, Style

__all__ = ["export_text"]

_SYMBOLS: Final[dict[ExportState, tuple[str, Style, str]]] = {
    "created": ("+", "green", "new"),
    "updated": ("~", "yellow", "changed"),
    "unchanged": ("=", "dim", "unchanged"),
    "kept": ("!", "red", "differs, left alone for its comments"),
    "overlaid": ("!", "red", "differs where an overlay lies on it, left alone"),
    "no_row": ("?", "cyan", "not in the database"),
}


def export_text(report: ExportReport, *, check: bool = False, verbose: int = 0, color: bool = False) -> str:
    """``report`` as text that ends with one newline: a line for each file that is not simply unchanged."""
    paint = Paint(color)
    lines = []
    for item in report.items:
        if item.state != "unchanged" or verbose:
            symbol, style, words = _SYMBOLS[item.state]
            lines.append(f"{paint(style, symbol)} {plain(item.path)}  {words}")
    if lines:
        lines.append("")
    if report.commit is not None:
        lines.append(f"Commit: {report.commit}")
    verb = "to write" if check else "written"
    created, updated, equal = report.count("created"), report.count("updated"), report.count("unchanged")
    lines.append(
        f"Export: {created + updated} {verb} ({created} new, {updated} changed), "
        f"{equal} unchanged, {report.count('kept', 'overlaid')} left alone, "
        f"{report.count('no_row')} not in the database."
    )
    return "\n".join(lines) + "\n"
