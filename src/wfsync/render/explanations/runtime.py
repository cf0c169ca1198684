"""Codes about the test instance: what executes and checks workflows."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

RUNTIME: Final = Chapter(
    "The test instance",
    "What executes workflows, and what it needs.",
    (
        Explanation(
            "RUNTIME_NOT_INSTALLED",
            1,
            "The command needs libraries that come with the extra `wfsync[runtime]`. Without it wfsync syncs files and"
            " databases, and neither executes workflows nor checks their expressions.",
            "`pip install 'wfsync[runtime]'`, in the environment in which wfsync itself is installed.",
        ),
    ),
)
