"""Codes about `wfsync watch`."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

SERVICE: Final = Chapter(
    "The service",
    "What `wfsync watch` adds; its syncs fail with the codes of the other chapters.",
    (
        Explanation(
            "LISTEN",
            1,
            "The address of --listen cannot be used: something else has it, it is not one of this machine, or the port"
            " needs more rights.",
            "Choose another address, or end what uses this one.",
        ),
    ),
)
