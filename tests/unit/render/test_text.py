"""The text of a plan: what it says, and that it ends with the line to grep."""

from __future__ import annotations

import re

import pytest

from plans import CREATE, FULL, HOSTILE, OVERWRITE, plan
from wfsync.plan.change import Blocked, Change, FieldChange
from wfsync.render.shorten import shorten, value_pair
from wfsync.render.text import differences_text, plan_text


def test_target_and_tenant_come_first_and_the_line_to_grep_last() -> None:
    lines = plan_text(FULL).splitlines()
    assert lines[0] == "Target: db.example.org:5432/app, tenant 00000000-0000-0000-0000-000000000001, layout A"
    assert lines[1] == "Source: /repo, folder workflows, branch main at abcdef123456, with uncommitted changes"
    assert lines[-1] == "Plan: 1 to create, 1 to overwrite, 0 to delete, 1 to relink, 41 unchanged."
    assert plan_text(FULL).endswith("unchanged.\n")


def test_an_empty_plan() -> None:
    empty = plan(CREATE, unchanged=0)
    empty = type(empty)(empty.source, empty.target, "update", (), 7)
    assert (
        plan_text(empty).splitlines()[-1] == "Plan: 0 to create, 0 to overwrite, 0 to delete, 0 to relink, 7 unchanged."
    )


@pytest.mark.parametrize(
    "line",
    [
        '    ~ draft.steps[notify].config.inputMapping.body: "a" → "b"',
        '    ~ draft.steps[a].config.apiKey: "[SECRET:REDACTED]" → "[SECRET:REDACTED]" (the hidden values differ)',
        "    ~ draft.steps[m]: moved from then of c to top level",
        "    + draft.steps[n]: action.call; at top level after m",
        "    - draft.steps[a].config.old: null",
        "    ! deletes 3 workflow_runs, more than 1000000 workflow_run_steps",
        "    ! detaches 2 audit",
        "    ! 2 RUNNING and 1 WAITING runs",
        "! WORKFLOW_KEY_CONFLICT: greeting: exists and differs",
        "    consent with --force",
        "    consent with --allow-running",
        "workflows/new.json:3:5: warning NON_PORTABLE_REFERENCE: the id belongs to no workflow",
    ],
)
def test_what_a_plan_says(line: str) -> None:
    assert line in plan_text(FULL).splitlines()


def test_each_workflow_has_its_symbol() -> None:
    heads = [line.split()[:3] for line in plan_text(FULL).splitlines() if re.match(r"[+~=-] ", line)]
    assert heads == [["~", "greeting", "overwrite"], ["+", "new", "create"], ["~", "zcaller", "relink"]]


def test_long_values_are_shortened_so_that_the_difference_is_seen() -> None:
    [line] = [line for line in plan_text(FULL).splitlines() if "metadata.name" in line]
    old, new = line.split(": ", 1)[1].split(" → ")
    assert old != new
    assert "y" in new
    assert "502 characters" in new
    assert len(line) < 200
    assert "x" * 500 in plan_text(FULL, verbose=1)


def test_a_hint_that_many_refusals_share_stands_once() -> None:
    many = plan(blocks=tuple(Blocked("WORKFLOW_KEY_CONFLICT", "exists", f"k{n}", "use --force") for n in range(5)))
    assert plan_text(many).count("use --force") == 1


def test_the_differences_alone() -> None:
    lines = differences_text(OVERWRITE.paths).splitlines()
    assert lines[0] == '~ draft.steps[notify].config.inputMapping.body: "a" → "b"'
    assert [line[0] for line in lines] == ["~", "~", "~", "~", "+", "-"]
    assert differences_text(()) == ""


def test_colour_changes_nothing_but_colour() -> None:
    painted = plan_text(FULL, color=True)
    assert painted != plan_text(FULL)
    assert re.sub("\x1b\\[[0-9]+m", "", painted) == plan_text(FULL)
    assert painted.splitlines()[-1] == plan_text(FULL).splitlines()[-1]


def test_verbose_shows_ids_and_digests() -> None:
    assert OVERWRITE.workflow_id is not None
    assert OVERWRITE.workflow_id not in plan_text(FULL)
    for fact in (OVERWRITE.workflow_id, "b" * 64, "c" * 64, "workflows/greeting.json"):
        assert fact in plan_text(FULL, verbose=1)


@pytest.mark.parametrize("bad", HOSTILE)
def test_nothing_hostile_reaches_the_terminal(bad: str) -> None:
    paths = (
        FieldChange("change", f"metadata.{bad}", bad, bad + "x", note=None),
        FieldChange("add", bad, new={bad: [bad]}),
    )
    moved = FieldChange("move", bad, bad, bad, note=bad)
    hostile = Change(bad, "overwrite", bad, file=bad, paths=(*paths, moved), active_runs={bad: 1}, updated_at=bad)
    text = plan_text(plan(hostile, blocks=(Blocked(bad, bad, bad, bad),)), verbose=1)
    assert (
        re.findall(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0041]", text
        )
        == []
    )
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "##[" not in text
    plain_lines = plan_text(plan(Change("k", "overwrite", "r", paths=(*paths, moved)))).count("\n")
    assert (
        plan_text(
            plan(Change("k", "overwrite", "r", paths=tuple(FieldChange(p.op, "p", "o", "n") for p in (*paths, moved))))
        ).count("\n")
        == plain_lines
    )


def test_shortening() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("a" * 100, 40) == "aaaaaaaaaaaaaa… (100 characters) …aaaaaa"
    big = "z" * 3_000_000
    assert value_pair(big, big + "!", 60) != (big, big + "!")
    left, right = value_pair(big, big + "!", 60)
    assert left != right
    assert len(left) < 120
    left, right = value_pair("a" * 500 + "1" + "b" * 500, "a" * 500 + "2" + "b" * 500, 60)
    assert "1" in left.replace("1003", "")
    assert "2" in right.replace("1003", "")
