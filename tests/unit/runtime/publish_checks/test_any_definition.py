"""Publish validation has an answer for whatever a draft holds, and the same one every time."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wfsync.runtime.plugins import installed
from wfsync.runtime.publish_checks import Finding, check, named_secrets
from wfsync.runtime.registry import PayloadSchema, Registry

REGISTRY = Registry.of(schemas=[PayloadSchema("p.v1", {"properties": {"a": {"type": "string"}}})]).over(installed())

SOUND: dict[str, Any] = {
    "version": 1,
    "name": "All kinds",
    "payloadSchemaRef": "p.v1",
    "trigger": {
        "type": "event",
        "eventName": "E",
        "sourcePayloadSchemaRef": "p.v1",
        "payloadMapping": {"a": {"$expr": "event.payload.a"}},
    },
    "steps": [
        {
            "id": "loop",
            "type": "control.forEach",
            "items": {"$expr": "payload.a"},
            "itemVar": "item",
            "body": [
                {
                    "id": "call",
                    "type": "action.call",
                    "config": {
                        "actionId": "transform.parse_json",
                        "version": 1,
                        "inputMapping": {"text": {"$expr": "item"}},
                        "saveAs": "parsed",
                    },
                    "retry": {"maxAttempts": 2, "backoffMs": 5},
                }
            ],
        },
        {
            "id": "try",
            "type": "control.tryCatch",
            "captureErrorAs": "wrong",
            "try": [
                {
                    "id": "child",
                    "type": "control.callWorkflow",
                    "workflowId": "other",
                    "workflowVersion": 1,
                    "outputMapping": {"vars.out": {"$expr": "payload.a"}},
                }
            ],
            "catch": [{"id": "set", "type": "state.set", "config": {"state": "FAILED"}}],
        },
        {"id": "wait", "type": "time.wait", "config": {"mode": "duration", "durationMs": 5}},
        {"id": "assign", "type": "transform.assign", "config": {"assign": {"payload.a": {"$secret": "KEY"}}}},
    ],
}

NAMES = st.sampled_from(["$expr", "$secret", "$x", "id", "type", "config", "steps", "then", "a", "", "__proto__"])
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.sampled_from(["", "x", "vars.x", "control.if", "action.call", "payload.(", "1 + 1", "KEY", "\x00", "é" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, item in inner for place in places(item, (*path, name)))]


PLACES = places(SOUND)[1:]


def spoil(data: st.DataObject) -> dict[str, Any]:
    definition = deepcopy(SOUND)
    for path in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        holder: Any = definition
        for part in path[:-1]:
            holder = holder[part] if isinstance(holder, dict) and part in holder else None
        if isinstance(holder, dict):
            holder[path[-1]] = data.draw(ANYTHING)
    return definition


def run(definition: dict[str, Any]) -> tuple[Finding, ...]:
    named_secrets(definition)
    return check(
        definition, metadata={"trigger": definition.get("trigger")}, registry=REGISTRY, secrets=["KEY"], workflows={}
    )


def test_the_sound_one_is_sound() -> None:
    assert run(SOUND) == ()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_draft_has_an_answer_that_does_not_depend_on_the_order_of_keys(data: st.DataObject) -> None:
    definition = spoil(data)
    found = run(definition)
    assert [f.to_json() for f in run(backwards(definition))] == [f.to_json() for f in found]
    for finding in found:
        assert finding.message
        assert finding.step_path.startswith("root")


def backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: backwards(item) for name, item in reversed(value.items())}
    return [backwards(item) for item in value] if isinstance(value, list) else value
