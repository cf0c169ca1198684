"""What every stable code means and what to do about it: the words of `explain` and of ``docs/errors.md``.

Belongs here: one `Explanation` for each code that wfsync raises, and nothing that is not raised (a test compares both
with the source). Does not belong here: what is known only when it happens, such as names and places; errors say that
themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.render.explanations.actions import ACTIONS
from wfsync.render.explanations.databases import DATABASES
from wfsync.render.explanations.entry import Explanation
from wfsync.render.explanations.environments import ENVIRONMENTS
from wfsync.render.explanations.files import FILES
from wfsync.render.explanations.ownership import OWNERSHIP
from wfsync.render.explanations.plans import PLANS
from wfsync.render.explanations.publishing import PUBLISHING
from wfsync.render.explanations.registry import REGISTRY
from wfsync.render.explanations.remotes import REMOTES
from wfsync.render.explanations.repositories import REPOSITORIES
from wfsync.render.explanations.rollbacks import ROLLBACKS
from wfsync.render.explanations.runs import RUNS
from wfsync.render.explanations.runtime import RUNTIME
from wfsync.render.explanations.secrets import SECRETS
from wfsync.render.explanations.service import SERVICE

__all__ = ["CATALOGUE", "Explanation", "explanation_text", "listing", "nearest", "page"]

_CHAPTERS: Final = (
    FILES,
    ENVIRONMENTS,
    PLANS,
    OWNERSHIP,
    ROLLBACKS,
    REPOSITORIES,
    REMOTES,
    DATABASES,
    SERVICE,
    RUNTIME,
    RUNS,
    REGISTRY,
    PUBLISHING,
    SECRETS,
    ACTIONS,
)

CATALOGUE: Final[dict[str, Explanation]] = {e.code: e for chapter in _CHAPTERS for e in chapter.entries}
"""Every code, in the order of the documentation."""


def explanation_text(explanation: Explanation) -> str:
    """One code for a terminal."""
    return f"{explanation.code}\n\n{explanation.meaning}\n\nWhat to do: {explanation.action}\n\n{explanation.ends}\n"


def listing() -> str:
    """Every code with the first sentence of its meaning, by chapter."""
    width = max(map(len, CATALOGUE))
    return "\n".join(_lines(width)) + "\n"


def _lines(width: int) -> Iterator[str]:
    for chapter in _CHAPTERS:
        yield f"{chapter.title}:"
        for entry in chapter.entries:
            yield f"  {entry.code:<{width}}  {entry.summary}"
        yield ""
    yield "`wfsync explain CODE` says more about one of them."


def nearest(code: str) -> list[str]:
    """Up to three known codes that resemble ``code``, the most similar first."""
    from difflib import get_close_matches

    wanted = code.upper()
    inside = [known for known in CATALOGUE if wanted and wanted in known]
    return list(dict.fromkeys([*get_close_matches(wanted, CATALOGUE, n=3, cutoff=0.6), *inside]))[:3]


def page() -> str:
    """``docs/errors.md``."""
    lines = [
        "# Error codes",
        "",
        "Written by `make docs` from the same words as `wfsync explain CODE`. Codes are stable: scripts may compare",
        "them. A code stands in the text of an error, in `errors[].code` and `warnings[].code` of JSON, and in the",
        "title of a GitHub annotation.",
    ]
    for chapter in _CHAPTERS:
        lines += ["", f"## {chapter.title}", "", chapter.about]
        for entry in chapter.entries:
            lines += ["", f"### `{entry.code}`", "", entry.meaning]
            lines += ["", f"**What to do:** {entry.action}", "", entry.ends]
    return "\n".join(lines) + "\n"
