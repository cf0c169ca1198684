"""Nodes that only assign: ``state.set`` and ``transform.assign``."""

from __future__ import annotations

from wfsync.bundle.model import JsonObject
from wfsync.runtime.assignment import path_text
from wfsync.runtime.nodes.fields import Assigns, templates, text
from wfsync.runtime.nodes.node import Asked, Done, Parked, Standing
from wfsync.runtime.protocol import Event
from wfsync.runtime.step_failure import invalid

__all__ = ["SetState", "TransformAssign"]


class _AtOnce:
    """A node that never waits."""

    __slots__ = ()

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:  # noqa: ARG002 — the signature of `Node`
        """Nothing is ever answered to a node that asks nothing."""
        raise AssertionError(f"{here.pos.path} does not wait")


class SetState(_AtOnce):
    """``state.set``: ``config.state`` becomes ``meta.state``."""

    __slots__ = ("_fields",)

    def __init__(self, config: JsonObject) -> None:
        self._fields = templates(config, ("state",))

    def enter(self, here: Standing) -> Done | Parked:
        """Set it."""
        state = text(here, self._fields, "state")
        return Done(((("meta", "state"), state),), output=state, input={"state": state})


class TransformAssign(_AtOnce):
    """``transform.assign``: all values are computed against the envelope as it was, then assigned."""

    __slots__ = ("_assigns", "_present")

    def __init__(self, config: JsonObject) -> None:
        self._present = config.get("assign") is not None
        self._assigns = Assigns(config.get("assign"))

    def enter(self, here: Standing) -> Done | Parked:
        """Assign it."""
        if not self._present:
            raise invalid("config.assign is missing", code="INVALID_CONFIG")
        assigned = self._assigns(here)
        return Done(assigned, output={path_text(path): value for path, value in assigned})
