"""Faulty expressions are found wherever they stand in a definition, and placed inside the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bundles import bundle
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.parse import Syntax
from wfsync.errors import Problem

OPTIONS = LoadOptions(expressions=True)


def problems(text: str, syntax: Syntax, options: LoadOptions = OPTIONS) -> list[Problem]:
    return [p for p in load(text.encode(), syntax, "file", options).problems if p.severity != "note"]


def holding(value: Any, *, where: str = "published") -> dict[str, Any]:
    """A bundle with ``value`` in a step."""
    steps = [{"id": "set", "type": "state.set", "config": {"state": value}}]
    return bundle("a.b", draft=steps if where == "draft" else None, published={1: steps} if where != "draft" else None)


@pytest.mark.parametrize(
    ("written", "syntax", "shown"),
    [
        ('{"$expr": "vars.b & $now()"}', "json", "$now()"),
        ('{"$expr": "\'\\u00e9\\ud83d\\ude00\\n\\"\' & $now()"}', "json", "$now()"),
        ('{"$expr": "vars.b &\\t"}', "json", '"}'),
        ("{$expr: vars.b & $now()}", "yaml", "$now()"),
        ('{$expr: "vars.b & $now()"}', "yaml", "$now()"),
        ("{$expr: '''x'' & $now()'}", "yaml", "$now()"),
        # spelled in ways that are not followed: the value's own place
        ('{$expr: "vars.b\\x20& $now()"}', "yaml", '"vars.b'),
        ("{$expr: 'vars.b &\n  $now()'}", "yaml", "'vars.b"),
    ],
)
def test_place(written: str, syntax: Syntax, shown: str) -> None:
    text = json.dumps(holding("HERE")).replace('"HERE"', f"\n {written}")
    (problem,) = problems(text, syntax)
    assert (problem.code, problem.severity) == ("INVALID_DEFINITION", "error")
    assert problem.place is not None
    assert problem.place.line is not None
    assert problem.place.column is not None
    line = text.split("\n")[problem.place.line - 1]
    assert line[problem.place.column - 1 :].startswith(shown)


def test_everywhere_in_a_definition() -> None:
    wrong = {"$expr": "1 +"}
    tree = bundle("a.b", published={1: [{"id": "x", "type": "state.set", "config": {"state": {"a": [[wrong]]}}}]})
    definition = tree["workflows"][0]["publishedVersions"][0]["definition"]
    definition["trigger"] = {
        "type": "event",
        "eventName": "E",
        "sourcePayloadSchemaRef": "payload.X.v1",
        "payloadMapping": {"id": wrong},
    }
    definition["steps"].append(
        {
            "id": "if",
            "type": "control.if",
            "condition": wrong,
            "then": [],
            "else": [{"id": "r", "type": "control.return"}],
        }
    )
    found = {p.place.pointer for p in problems(json.dumps(tree), "json") if p.place and p.details.get("fault")}
    base = "/workflows/0/publishedVersions/0/definition"
    assert found == {
        f"{base}/trigger/payloadMapping/id/$expr",
        f"{base}/steps/0/config/state/a/0/0/$expr",
        f"{base}/steps/1/condition/$expr",
    }


def test_severity() -> None:
    text = json.dumps(holding({"$expr": "1 +"}, where="draft"))
    assert {p.severity for p in problems(text, "json") if p.details.get("fault")} == {"warning"}
    text = json.dumps(holding({"$expr": "1 +"}))
    warn = LoadOptions(expressions=True, definitions="warn")
    assert {p.severity for p in problems(text, "json", warn) if p.details.get("fault")} == {"warning"}
    assert problems(text, "json", LoadOptions()) == []


def test_details() -> None:
    (problem,) = problems(json.dumps(holding({"$expr": "payload.a == $eval('1')"})), "json")
    assert problem.details == {
        "stepPath": "root.steps[0]",
        "reason": "INVALID_EXPR",
        "fault": "FORBIDDEN",
        "offset": 13,
    }
    assert problem.message.startswith("the expression is wrong, at character 14 of 23: $eval is not allowed")


def test_an_expression_that_ends_too_early_has_no_place_inside() -> None:
    (problem,) = problems(json.dumps(holding({"$expr": "1 +"})), "json")
    assert problem.message == "the expression is wrong: the expression ends too early"
    assert problem.details["offset"] == 3
