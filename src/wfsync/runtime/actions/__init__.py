"""The actions that wfsync brings (spec: runtime.md "Registry"): values of `wfsync.runtime.registry.Action`.

Belongs here: what a call does with its checked input, and the JSON Schemas of both ends; ``docs/actions.md`` is written
from those. Does not belong here: steps, retries, secrets' stores, rows. Network libraries are imported by the call that
uses them, so that listing actions stays cheap.
"""

from __future__ import annotations

from functools import cache

from wfsync.runtime.registry import Action

__all__ = ["built_in_actions"]


@cache
def built_in_actions() -> tuple[Action, ...]:
    """Every action that works without a plugin, ordered by id and version."""
    from wfsync.runtime.actions.email import EMAIL
    from wfsync.runtime.actions.http import HTTP
    from wfsync.runtime.actions.log import LOG
    from wfsync.runtime.actions.transform import TRANSFORMS

    return tuple(sorted((*TRANSFORMS, *EMAIL, *HTTP, LOG), key=lambda action: (action.id, action.version)))
