"""Plans as annotations of a pull request, and what `validate` found as test results."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from plans import CREATE, FULL, HOSTILE, plan
from wfsync.errors import InputError, Place, Problem
from wfsync.plan.change import Change
from wfsync.render.annotations import failure_annotations, plan_annotations
from wfsync.render.junit import validation_junit
from wfsync.render.problems import problems_github

ERROR = Problem(code="DUPLICATE_KEY", message="taken", place=Place("a.json", 3, 5, "/workflows/0/key"), hint="rename")
WARNING = Problem(code="INVALID_DEFINITION", message="unfinished", severity="warning", place=Place("b.json"))


def test_a_plan_is_annotated_beginning_with_the_line_to_grep() -> None:
    lines = problems_github(plan_annotations(FULL)).splitlines()
    assert lines[0].startswith("::notice title=wfsync plan::Plan: 1 to create, 1 to overwrite, 0 to delete")
    assert lines[1].startswith("::warning title=WORKFLOW_KEY_CONFLICT::greeting: apply would refuse: exists and")
    assert any(line.startswith("::warning file=workflows/new.json,line=3,col=5,title=NON_PORTABLE") for line in lines)
    [overwrite] = [line for line in lines if "title=overwrite greeting" in line]
    assert overwrite.startswith("::warning file=workflows/greeting.json")
    assert "deletes 3 workflow_runs" in overwrite
    assert "::notice title=create new::not in the database" in lines


def test_a_large_plan_has_a_line_for_those_that_are_not_shown() -> None:
    changes = [Change(f"k{number:03}", "create", "not in the database") for number in range(60)]
    lines = problems_github(plan_annotations(plan(*changes))).splitlines()
    assert len(lines) == 52
    assert lines[-1] == "::notice title=wfsync plan::10 more workflows would change"


def test_a_failure_is_annotated_with_every_fault() -> None:
    error = InputError("2 errors", problems=[ERROR, WARNING])
    lines = problems_github(failure_annotations(error)).splitlines()
    assert [line.partition("title=")[2].partition(":")[0] for line in lines] == ["DUPLICATE_KEY", "INVALID_DEFINITION"]
    assert problems_github(failure_annotations(InputError("no"))) == "::error title=INVALID_BUNDLE::no\n"


@pytest.mark.parametrize("bad", HOSTILE)
def test_one_change_is_one_command_whatever_it_is_called(bad: str) -> None:
    text = problems_github(plan_annotations(plan(Change(bad, "create", bad, file=bad))))
    assert text.count("\n") == 2


def test_each_file_is_a_case() -> None:
    text = validation_junit(["a.json", "b.json", "c.json"], [ERROR, ERROR, WARNING, Problem(code="X", message="all")])
    suite = ET.fromstring(text)[0]  # noqa: S314 - our own text
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    a, b, c, general = suite
    assert [case.get("name") for case in suite] == ["a.json", "b.json", "c.json", "repository"]
    [failure] = a
    assert (failure.get("type"), failure.get("message")) == ("DUPLICATE_KEY", "taken (and 1 more)")
    assert (failure.text or "").count("a.json:3:5: error DUPLICATE_KEY: taken\n") == 2
    assert [(child.tag, child.text) for child in b] == [
        ("system-out", "b.json: warning INVALID_DEFINITION: unfinished\n")
    ]
    assert list(c) == []
    assert general[0].tag == "failure"


@pytest.mark.parametrize("bad", [*HOSTILE, "]]>", "<&\"'>"])
def test_any_text_is_sound_xml(bad: str) -> None:
    problem = Problem(code=bad, message=bad, key=bad, hint=bad, place=Place(bad, 1, 1, bad))
    ET.fromstring(validation_junit([bad], [problem]))  # noqa: S314 - our own text


def test_no_plan_has_an_annotation_for_what_does_not_change() -> None:
    assert len(list(plan_annotations(plan(CREATE)))) == 2
