"""Nodes that call an action: ``action.call``, the two e-mail nodes, and node types of plugins.

Decision where the specification is silent: a node type that is not built in calls the action of its own name, in its
newest registered version, with its ``config`` as input; ``saveAs``, ``onError`` and ``idempotencyKey`` mean there what
they mean to ``action.call`` and are no part of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.nodes.fields import Templates, kind, saved_at, templates
from wfsync.runtime.nodes.node import Asked, Done, Parked, Standing
from wfsync.runtime.protocol import CallAction, Event, Succeeded
from wfsync.runtime.step_failure import invalid
from wfsync.runtime.template import Template, compile_template

__all__ = ["Calling", "action_call", "email_node", "plugin_node"]

EMAIL_ACTIONS: Final = {
    "email.parseBody": "parse_email_reply",
    "email.renderCommentBlocks": "convert_html_to_blocks",
}
"""Node type → the action that it calls."""

_NOT_INPUT: Final = frozenset({"saveAs", "onError", "idempotencyKey"})


@dataclass(frozen=True, slots=True)
class Calling:
    """Calls ``action`` with ``input``. ``version`` None: the newest that is registered."""

    action: Json
    version: Json
    input: Template
    fields: Templates
    """``saveAs`` and ``idempotencyKey``."""

    def enter(self, here: Standing) -> Done | Parked:
        """Ask for the call."""
        if not isinstance(self.action, str) or not self.action:
            raise invalid("config.actionId must be text", code="INVALID_CONFIG")
        version = here.newest(self.action) if self.version is None else self.version
        if isinstance(version, bool) or not isinstance(version, int):
            raise invalid("config.version must be an integer", code="INVALID_CONFIG")
        value = here.resolve(self.input)
        call = CallAction(here.pos, self.action, version, value, self._key(here), self.input.secrets)
        return Parked(call, input=value)

    def _key(self, here: Standing) -> str | None:
        template = self.fields.get("idempotencyKey")
        if template is None or (template.constant and template.literal is None):
            return None
        key = here.resolve(template)
        if isinstance(key, int | float) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key:
            # Falling back to another key could repeat an effect that this one was to prevent.
            what = "empty" if key == "" else kind(key)
            raise invalid(f"the idempotency key must be text or a number, not {what}", code="INVALID_IDEMPOTENCY_KEY")
        return key

    def resume(self, here: Standing, command: Asked, event: Event) -> Done:  # noqa: ARG002 — the signature of `Node`
        """Save the output."""
        output = cast("Succeeded", event).output
        return Done(saved_at(self.fields, output), output=output, input=cast("CallAction", command).input)


def action_call(config: JsonObject) -> Calling:
    """``action.call``. Without ``inputMapping`` the input is ``{}``."""
    mapping = config.get("inputMapping")
    return Calling(
        config.get("actionId"),
        config.get("version", 1),
        compile_template({} if mapping is None else mapping),
        templates(config, ("saveAs", "idempotencyKey")),
    )


def email_node(kind_: str, config: JsonObject) -> Calling:
    """``email.parseBody`` and ``email.renderCommentBlocks``: call their action with ``text`` and ``html``."""
    given = {name: config[name] for name in ("text", "html") if name in config}
    return Calling(EMAIL_ACTIONS[kind_], None, compile_template(given), templates(config, ("saveAs",)))


def plugin_node(kind_: str, config: JsonObject) -> Calling:
    """Any other node type: see the module."""
    given = {name: value for name, value in config.items() if name not in _NOT_INPUT}
    return Calling(kind_, None, compile_template(given), templates(config, ("saveAs", "idempotencyKey")))
