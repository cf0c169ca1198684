"""Documents: one, valid against the shipped schema, on every path."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from plans import FULL, HOSTILE, plan
from wfsync.apply.outcome import Applied, Outcome
from wfsync.errors import ConfigError, Conflict, InputError, Place, Problem, WfsyncError
from wfsync.plan.change import Change, FieldChange
from wfsync.render.json import failure_json, outcome_json, plan_json
from wfsync.render.outcome import outcome_text

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "plan.v1.schema.json").read_text())
PROBLEM = Problem(code="INVALID_VALUE", message="bad", place=Place("a.json", 1, 2, "/x"), related=(Place("b.json"),))
ERRORS: list[WfsyncError] = [
    ConfigError("no database", hint="name one"),
    InputError("wrong", problems=[PROBLEM, Problem(code="N", message="n", severity="note")]),
    Conflict("exists", details={"workflowKey": "a"}),
]
OUTCOME = Outcome(
    FULL,
    (
        Applied("greeting", "overwritten", "2" * 8, "11111111-1111-1111-1111-111111111111", (1, 2)),
        Applied("new", "created", "3" * 8),
        Applied("zcaller", "relinked", "4" * 8, None, (1,)),
    ),
    versions_written=2,
    seconds=0.25,
)


def valid(text: str) -> dict[str, object]:
    assert text.endswith("}\n")
    document: dict[str, object] = json.loads(text)
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA)
    return document


def test_a_plan() -> None:
    document = valid(plan_json(FULL))
    assert document["format_version"] == "1.0"
    assert document["summary"] == {"create": 1, "overwrite": 1, "delete": 0, "relink": 1, "unchanged": 41}
    assert document["errors"] == []
    changes = document["changes"]
    assert isinstance(changes, list)
    assert [change["key"] for change in changes] == ["greeting", "new", "zcaller"]
    assert changes[0]["paths"][0] == {
        "op": "change",
        "path": "draft.steps[notify].config.inputMapping.body",
        "old": "a",
        "new": "b",
        "masked": False,
        "note": None,
    }
    assert changes[0]["paths"][4]["old"] is None


@pytest.mark.parametrize("error", ERRORS)
def test_a_failure_has_the_same_members(error: WfsyncError) -> None:
    document = valid(failure_json(error, [PROBLEM]))
    assert document.keys() == valid(plan_json(FULL)).keys()
    assert [e["code"] for e in document["errors"]] == [error.problems[0].code if error.problems else error.code]  # type: ignore[attr-defined]


def test_a_plan_that_apply_refused_keeps_its_changes() -> None:
    document = valid(plan_json(FULL, ERRORS[2]))
    assert document["changes"]
    assert document["errors"][0]["code"] == "WORKFLOW_KEY_CONFLICT"  # type: ignore[index]


def test_an_outcome() -> None:
    document = valid(outcome_json(OUTCOME))
    outcome = document["outcome"]
    assert isinstance(outcome, dict)
    assert outcome["summary"] == {"created": 1, "overwritten": 1, "deleted": 0, "relinked": 1, "unchanged": 41}
    assert outcome["deleted_ids"] == ["11111111-1111-1111-1111-111111111111"]


def test_an_outcome_as_text() -> None:
    lines = outcome_text(OUTCOME).splitlines()
    assert lines[-1] == "Applied: 1 created, 1 overwritten, 0 deleted, 1 relinked, 41 unchanged."
    assert "~ greeting  overwritten, id 22222222, versions 1, 2" in lines
    assert "    - deleted id 11111111-1111-1111-1111-111111111111" in lines
    assert "    ! deleted 3 workflow_runs, more than 1000000 workflow_run_steps" in lines
    assert "2 published versions written in 0.25 s." in lines
    assert re.sub("\x1b\\[[0-9]+m", "", outcome_text(OUTCOME, color=True)) == outcome_text(OUTCOME)


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_values_are_escaped_and_come_back(bad: str) -> None:
    text = plan_json(plan(Change(bad, "overwrite", bad, paths=(FieldChange("change", bad, bad, {bad: bad}),))))
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0041]", text
    )
    assert "##[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    change = json.loads(text)["changes"][0]
    assert (change["key"], change["paths"][0]["new"]) == (bad, {bad: bad})


def test_numbers_are_exact() -> None:
    text = plan_json(plan(Change("k", "overwrite", "r", paths=(FieldChange("change", "p", 10**300, 1e-7),))))
    assert json.loads(text)["changes"][0]["paths"][0]["old"] == 10**300
