"""The schemas of the built-in node types: what publishing takes, and where it says no."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from wfsync.bundle.json_schema import compile_schema
from wfsync.bundle.parse import read_document
from wfsync.bundle.steps import walk
from wfsync.runtime.builtin import NODE_TYPES

WORKFLOWS: Final = Path(__file__).parents[3] / "examples" / "repo" / "workflows"
COMPILED: Final = {node.id: compile_schema(node.config_schema or False) for node in NODE_TYPES}
EXPR: Final = {"$expr": "payload.x"}


def faults(kind: str, config: Any) -> set[str]:
    return {"/".join(map(str, fault.path)) for fault in COMPILED[kind].faults(config)}


def test_the_node_types_of_the_specification() -> None:
    assert set(COMPILED) == {
        "state.set",
        "transform.assign",
        "action.call",
        "event.wait",
        "time.wait",
        "human.task",
        "email.parseBody",
        "email.renderCommentBlocks",
    }
    assert all(node.label and node.description for node in NODE_TYPES)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("state.set", {"state": "OPEN"}),
        ("state.set", {"state": EXPR, "onError": {"policy": "continue"}}),
        ("transform.assign", {"assign": {}}),
        ("transform.assign", {"assign": {"vars.a": EXPR, "/b": None}}),
        ("action.call", {"actionId": "a", "version": 1}),
        (
            "action.call",
            {
                "actionId": "a",
                "version": 2,
                "inputMapping": {"x": EXPR, "s": {"$secret": "TOKEN"}},
                "saveAs": "out",
                "idempotencyKey": EXPR,
                "onError": {"policy": "fail"},
                "designerGroup": {"x": 1},
            },
        ),
        ("action.call", {"actionId": "a", "version": 1, "saveAs": None, "idempotencyKey": None}),
        ("event.wait", {"eventName": "PAID", "correlationKey": EXPR}),
        ("event.wait", {"eventName": EXPR, "correlationKey": "k", "timeoutMs": EXPR, "assign": {}, "filters": []}),
        (
            "event.wait",
            {
                "eventName": "E",
                "correlationKey": 7,
                "timeoutMs": 0,
                "filters": [
                    {"path": "a.b", "op": "exists"},
                    {"path": "a", "op": "in", "value": ["x"]},
                    {"path": "a", "op": "not_in", "value": EXPR},
                    {"path": "a", "op": "=", "value": None},
                ],
            },
        ),
        ("event.wait", {"eventName": "E", "correlationKey": "k", "filters": EXPR}),
        ("time.wait", {"mode": "duration", "durationMs": 1000}),
        ("time.wait", {"mode": "duration", "durationMs": EXPR, "assign": {"vars.a": 1}}),
        ("time.wait", {"mode": "until", "until": "2026-06-21T03:00:00Z"}),
        ("time.wait", {"mode": "until", "until": "2026-06-21"}),
        ("time.wait", {"mode": "until", "until": EXPR}),
        ("human.task", {"taskType": "approval", "title": "Look"}),
        (
            "human.task",
            {"taskType": EXPR, "title": EXPR, "description": None, "contextData": [1], "assign": {"vars.x": EXPR}},
        ),
        ("email.parseBody", {}),
        ("email.parseBody", {"text": EXPR, "html": "<p>", "saveAs": "parsed"}),
        ("email.renderCommentBlocks", {"text": None, "saveAs": "vars.blocks"}),
    ],
)
def test_a_config_that_can_be_published(kind: str, config: Any) -> None:
    assert faults(kind, config) == set()


@pytest.mark.parametrize(
    ("kind", "config", "places"),
    [
        ("state.set", {}, {""}),
        ("state.set", {"state": ""}, {"state"}),
        ("state.set", {"state": 1}, {"state"}),
        ("state.set", {"state": {"$expr": ""}}, {"state/$expr"}),
        ("state.set", {"state": {"$expr": "a", "x": 1}}, {"state"}),
        ("state.set", {"state": "A", "stat": 1}, {""}),
        ("state.set", {"state": "A", "onError": {"policy": "retry"}}, {"onError/policy"}),
        ("transform.assign", {}, {""}),
        ("transform.assign", {"assign": []}, {"assign"}),
        ("action.call", {}, {""}),
        ("action.call", {"actionId": EXPR, "version": 1}, {"actionId"}),
        ("action.call", {"actionId": "a", "version": "1"}, {"version"}),
        ("action.call", {"actionId": "a", "version": 0}, {"version"}),
        ("action.call", {"actionId": "a", "version": 1, "inputMapping": []}, {"inputMapping"}),
        ("action.call", {"actionId": "a", "version": 1, "saveAs": EXPR}, {"saveAs"}),
        ("action.call", {"actionId": "a", "version": 1, "idempotencyKey": True}, {"idempotencyKey"}),
        ("event.wait", {"eventName": "E"}, {""}),
        ("event.wait", {"eventName": "E", "correlationKey": None}, {"correlationKey"}),
        ("event.wait", {"eventName": "E", "correlationKey": "k", "timeoutMs": -1}, {"timeoutMs"}),
        (
            "event.wait",
            {
                "eventName": "E",
                "correlationKey": "k",
                "filters": [{"path": "a", "op": "~", "value": 1}, {"path": "a", "op": "="}, {"op": "exists"}],
            },
            {"filters/0/op", "filters/1", "filters/2"},
        ),
        (
            "event.wait",
            {"eventName": "E", "correlationKey": "k", "filters": [{"path": "a", "op": "in", "value": "x"}]},
            {"filters/0/value"},
        ),
        ("time.wait", {}, {""}),
        ("time.wait", {"mode": "later"}, {"mode"}),
        ("time.wait", {"mode": "duration"}, {""}),
        ("time.wait", {"mode": "until", "durationMs": 1}, {""}),
        ("time.wait", {"mode": "until", "until": "tomorrow"}, {"until"}),
        ("time.wait", {"mode": "duration", "durationMs": "1s"}, {"durationMs"}),
        ("human.task", {"taskType": "a"}, {""}),
        ("human.task", {"taskType": "", "title": 1}, {"taskType", "title"}),
        ("email.parseBody", {"text": 1}, {"text"}),
        ("email.renderCommentBlocks", {"body": "x"}, {""}),
    ],
)
def test_a_config_that_cannot(kind: str, config: Any, places: set[str]) -> None:
    assert faults(kind, config) == places


@pytest.mark.parametrize("path", sorted(WORKFLOWS.rglob("*.*")), ids=lambda path: path.stem)
def test_every_config_of_the_example_can_be_published(path: Path) -> None:
    syntax: Any = "json" if path.suffix == ".json" else "yaml"
    [workflow] = read_document(path.read_bytes(), syntax, path.name).tree["workflows"]
    for holder in (workflow["draft"], *workflow["publishedVersions"]):
        for _, step in walk(holder["definition"]):
            if not step["type"].startswith("control."):
                assert faults(step["type"], step["config"]) == set(), step["id"]
