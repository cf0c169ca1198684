"""Workflows that stand for those which a test does not want to be run: one call of an action that only tests know."""

from __future__ import annotations

from collections.abc import Iterable

from wfsync.bundle.model import JsonObject
from wfsync.testing.model import ChildReply

__all__ = ["ACTION", "substitute"]

ACTION = "wfsync.test.child"
"""Gives ``{vars, payload?}`` of the reply, or fails as it says."""


def substitute(key: str, version: int, replies: Iterable[ChildReply]) -> JsonObject:
    """A definition that ends as the next of ``replies``, which whoever executes `ACTION` knows."""
    replies = tuple(replies)
    steps: list[JsonObject] = [
        {
            "id": "reply",
            "type": "action.call",
            "config": {
                "actionId": ACTION,
                "version": 1,
                "saveAs": "wfsyncReply",
                "inputMapping": {"workflow": key},
            },
        }
    ]
    for root, names in (("vars", _names(replies)), ("payload", _payload_names(replies))):
        for name in names:
            found = f"vars.wfsyncReply.{root}.`{name}`"
            steps.append(
                {
                    "id": f"{root}-{name}",
                    "type": "control.if",
                    "condition": {"$expr": f"$exists({found})"},
                    "then": [
                        {
                            "id": f"set-{root}-{name}",
                            "type": "transform.assign",
                            "config": {"assign": {f"{root}.{name}": {"$expr": found}}},
                        }
                    ],
                }
            )
    return {"version": version, "name": key, "payloadSchemaRef": "any", "steps": steps}


def _names(replies: tuple[ChildReply, ...]) -> list[str]:
    return sorted({name for reply in replies for name in reply.vars})


def _payload_names(replies: tuple[ChildReply, ...]) -> list[str]:
    return sorted({name for reply in replies if isinstance(reply.payload, dict) for name in reply.payload})
