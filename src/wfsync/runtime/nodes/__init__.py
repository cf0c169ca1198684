"""What each type of step does, apart from control: one class for a kind of node.

Belongs here: from a step's config and an envelope to writes or a command, and from an answer to writes. Does not: the
order of steps, retries and errors (`wfsync.runtime.interpreter`), carrying commands out, JSON Schemas of configs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.runtime.nodes.assigning import SetState, TransformAssign
from wfsync.runtime.nodes.calling import EMAIL_ACTIONS, action_call, email_node, plugin_node
from wfsync.runtime.nodes.node import Asked, Done, Node, Parked, Standing
from wfsync.runtime.nodes.waiting import EventWait, HumanTask, TimeWait

__all__ = ["EMAIL_ACTIONS", "Asked", "Done", "Node", "Parked", "Standing", "compile_node"]

_NODES: Final[dict[str, Callable[[JsonObject], Node]]] = {
    "state.set": SetState,
    "transform.assign": TransformAssign,
    "action.call": action_call,
    "event.wait": EventWait,
    "time.wait": TimeWait,
    "human.task": HumanTask,
}


def compile_node(kind: str, config: JsonObject) -> Node:
    """The node of a step of type ``kind``. Raises `ExpressionFault` for an expression that does not compile."""
    known = _NODES.get(kind)
    if known is not None:
        return known(config)
    return email_node(kind, config) if kind in EMAIL_ACTIONS else plugin_node(kind, config)
