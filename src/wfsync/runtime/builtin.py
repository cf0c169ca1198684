"""The node types that wfsync brings, with JSON Schemas of their ``config`` (spec: runtime.md "Node types").

An expression may stand for every value except what publishing must know beforehand: which action a step calls in which
version, where its output goes, which kind of wait it is. ``action.call`` keeps fields of its own for designers; in the
others an unknown field is a slip of the pen. What expressions say and where assignments lead is checked elsewhere.
"""

from __future__ import annotations

from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.filters import OPERATORS
from wfsync.runtime.registry import NodeType, Plugin

__all__ = ["BUILT_IN", "NODE_TYPES", "built_in"]

BUILT_IN: Final = "built-in"
"""The name of the plugin that wfsync itself is."""

_EXPRESSION: Final[JsonObject] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["$expr"],
    "properties": {"$expr": {"type": "string", "minLength": 1}},
}
_ON_ERROR: Final[JsonObject] = {
    "description": "What follows a failure; the step's own onError wins.",
    "type": "object",
    "additionalProperties": False,
    "required": ["policy"],
    "properties": {"policy": {"enum": ["fail", "continue"]}},
}
_ASSIGN: Final[JsonObject] = {
    "description": "Values by the path that they are assigned to.",
    "type": "object",
    "propertyNames": {"minLength": 1},
}
_SAVE_AS: Final[JsonObject] = {
    "description": "Where the output goes; a bare name means vars.<name>.",
    "type": ["string", "null"],
    "minLength": 1,
}
_DATE_TIME: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
)


def _given(description: str, **rules: Json) -> JsonObject:
    """A value that ``rules`` describe, or an expression for one. (Not anyOf: its messages say nothing.)"""
    return {
        "description": description,
        "if": {"type": "object", "required": ["$expr"]},
        "then": _EXPRESSION,
        "else": rules,
    }


def _config(required: JsonObject, optional: JsonObject, *, closed: bool = True, **rules: Json) -> JsonObject:
    schema: JsonObject = {
        "type": "object",
        "properties": {**required, **optional, "onError": _ON_ERROR},
        "required": list(required),
        **rules,
    }
    return {**schema, "additionalProperties": False} if closed else schema


def _is(name: str, rule: JsonObject) -> JsonObject:
    return {"required": [name], "properties": {name: rule}}


_TEXT: Final[JsonObject] = {"type": "string", "minLength": 1}
_OPTIONAL_TEXT: Final[JsonObject] = {"type": ["string", "null"]}

_FILTER: Final[JsonObject] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path", "op"],
    "properties": {
        "path": _given("Where in the event's payload.", **_TEXT),
        "op": {"enum": list(OPERATORS)},
        "value": {"description": "What is compared with."},
    },
    "allOf": [
        {
            "if": _is("op", {"not": {"enum": ["exists", "not_exists"]}}),
            "then": {"required": ["value"]},
        },
        {
            "if": _is("op", {"enum": ["in", "not_in"]}),
            "then": {"properties": {"value": _given("Any of these.", type="array")}},
        },
    ],
}

NODE_TYPES: Final = (
    NodeType(
        "action.call",
        _config(
            {
                "actionId": {"description": "Which action.", **_TEXT},
                "version": {"description": "Which version of it.", "type": "integer", "minimum": 1},
            },
            {
                "inputMapping": {"description": "The input, by its fields.", "type": "object"},
                "saveAs": _SAVE_AS,
                "idempotencyKey": _given(
                    "Calls with the same key happen once.", type=["string", "number", "null"], minLength=1
                ),
            },
            closed=False,
        ),
        "Call an action",
        "Calls a registered action with a mapped input; input and output are checked against the action's schemas.",
    ),
    NodeType(
        "email.parseBody",
        _config(
            {},
            {
                "text": _given("The body as text.", **_OPTIONAL_TEXT),
                "html": _given("The body as HTML.", **_OPTIONAL_TEXT),
                "saveAs": _SAVE_AS,
            },
        ),
        "Read an e-mail's body",
        "Separates what is new in a reply from what it quotes.",
    ),
    NodeType(
        "email.renderCommentBlocks",
        _config(
            {},
            {
                "text": _given("The body as text.", **_OPTIONAL_TEXT),
                "html": _given("The body as HTML.", **_OPTIONAL_TEXT),
                "saveAs": _SAVE_AS,
            },
        ),
        "E-mail to comment",
        "Turns the body of an e-mail into blocks of a comment.",
    ),
    NodeType(
        "event.wait",
        _config(
            {
                "eventName": _given("Which event.", **_TEXT),
                "correlationKey": _given("Which one of that name.", type=["string", "number"], minLength=1),
            },
            {
                "filters": _given("All of these hold for its payload.", type="array", items=_FILTER),
                "timeoutMs": _given("How long at most.", type="number", minimum=0),
                "assign": _ASSIGN,
            },
        ),
        "Wait for an event",
        "Parks the run until an event comes that matches; it is then vars.event, its name vars.eventName.",
    ),
    NodeType(
        "human.task",
        _config(
            {
                "taskType": _given("Which form is to be filled in.", **_TEXT),
                "title": _given("What the inbox shows.", **_TEXT),
            },
            {
                "description": _given("What is to be done.", **_OPTIONAL_TEXT),
                "contextData": {"description": "What the person should see."},
                "assign": _ASSIGN,
            },
        ),
        "Ask a person",
        "Opens a task in the inbox and waits for the answer.",
    ),
    NodeType(
        "state.set",
        _config({"state": _given("The new state.", **_TEXT)}, {}),
        "Set the state",
        "Sets meta.state.",
    ),
    NodeType(
        "time.wait",
        _config(
            {"mode": {"enum": ["duration", "until"]}},
            {
                "durationMs": _given("How long.", type="number", minimum=0),
                "until": _given(
                    "Until when, ISO 8601; UTC where it names no offset.", type="string", pattern=_DATE_TIME
                ),
                "assign": _ASSIGN,
            },
            allOf=[
                {"if": _is("mode", {"const": "duration"}), "then": {"required": ["durationMs"]}},
                {"if": _is("mode", {"const": "until"}), "then": {"required": ["until"]}},
            ],
        ),
        "Wait for a time",
        "Waits for a duration or until a moment, however long; what it waited for is then vars.timeWait.",
    ),
    NodeType(
        "transform.assign",
        _config({"assign": _ASSIGN}, {}),
        "Assign",
        "Computes all values against the envelope as it was, then assigns them.",
    ),
)
"""By id."""


def built_in() -> Plugin:
    """What wfsync itself offers: the node types above, and the actions of `wfsync.runtime.actions`."""
    from wfsync.runtime.actions import built_in_actions

    return Plugin(BUILT_IN, built_in_actions(), NODE_TYPES)
