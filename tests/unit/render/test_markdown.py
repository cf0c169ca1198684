"""Comments: complete, harmless, and never too long."""

from __future__ import annotations

import re

import pytest

from plans import FULL, HOSTILE, OVERWRITE, plan
from wfsync.errors import InputError, Place, Problem
from wfsync.plan.change import Blocked, Change, FieldChange
from wfsync.render.comment import MAX_COMMENT, marker, units
from wfsync.render.escape import code_span, fence_for, html_text, markdown_text
from wfsync.render.markdown import failure_markdown, plan_markdown


def test_a_comment_begins_with_its_marker_and_ends_with_the_line_to_grep() -> None:
    lines = plan_markdown(FULL).splitlines()
    assert lines[0].startswith("<!-- wfsync:plan ")
    assert lines[0].endswith(" -->")
    assert lines[-1] == "Plan: 1 to create, 1 to overwrite, 0 to delete, 1 to relink, 41 unchanged."
    assert "| 1 | 1 | 0 | 1 | 41 |" in lines
    assert '! draft.steps[notify].config.inputMapping.body: "a" → "b"' in lines
    assert any("WORKFLOW_KEY_CONFLICT" in line for line in lines)
    assert "<details><summary><code>greeting</code>: 6 changes</summary>" in lines


def test_the_marker_is_the_same_for_the_same_target() -> None:
    assert plan_markdown(FULL).splitlines()[0] == plan_markdown(plan(OVERWRITE)).splitlines()[0]
    assert marker("plan", tenant="a --> <script>") == "<!-- wfsync:plan tenant=a_-____script_ -->"


@pytest.mark.parametrize("limit", [MAX_COMMENT, 8000])
@pytest.mark.parametrize("letter", ["x", "é", "😀", "`", "<"])
def test_a_huge_plan_stays_below_the_limit_and_is_cut_on_a_row(letter: str, limit: int) -> None:
    paths = tuple(FieldChange("change", f"metadata.f{n}", letter * 300, letter * 299) for n in range(400))
    changes = tuple(Change(f"key-{n}", "overwrite", letter * 150, paths=paths if n < 20 else ()) for n in range(3000))
    text = plan_markdown(plan(*changes), limit=limit)
    assert len(text) < limit
    assert units(text) < limit
    assert len(text.encode()) < 4 * limit
    assert text.splitlines()[-1].startswith("Plan: ")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(row.endswith(" |") for row in rows)
    assert rows
    assert f"{3000 - len(rows)} of 3000 changes are not shown" in text
    assert text.count("<details>") == text.count("</details>")


def test_one_workflow_does_not_crowd_out_the_others() -> None:
    paths = tuple(FieldChange("change", f"metadata.f{n}", "x" * 300, "y" * 300) for n in range(1000))
    text = plan_markdown(plan(*(Change(f"key-{n}", "overwrite", "r", paths=paths) for n in range(3))))
    assert text.count("<details>") == 3
    assert text.count("more, left out here") == 3


@pytest.mark.parametrize("bad", HOSTILE)
def test_nothing_hostile_gets_out_of_its_place(bad: str) -> None:
    paths = (FieldChange("change", bad, bad, bad + "x"), FieldChange("add", bad, new={bad: [bad]}))
    warning = Problem(code="X", message=bad, severity="warning", key=bad, place=Place(bad))
    hostile = plan(
        Change(bad, "overwrite", bad, paths=paths), warnings=(warning,), blocks=(Blocked("Y", bad, bad, bad),)
    )
    harmless = plan(
        Change("k", "overwrite", "k", paths=tuple(FieldChange(p.op, "k", "k", "l") for p in paths)),
        warnings=(Problem(code="X", message="k", severity="warning", key="k", place=Place("k")),),
        blocks=(Blocked("Y", "k", "k", "k"),),
    )
    text = plan_markdown(hostile)
    # the same lines, so that no value has made one of its own
    assert [line[:2] for line in text.splitlines()] == [line[:2] for line in plan_markdown(harmless).splitlines()] or (
        text.count("\n") == plan_markdown(harmless).count("\n")
    )
    fence = next(line for line in text.splitlines() if line.endswith("diff"))[:-4]
    body = text.split(f"{fence}diff\n")[1].split(f"\n{fence}\n")[0]
    assert len(body.splitlines()) == 2
    outside = text.replace(body, "")
    prose = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub("<code>.*?</code>", "", outside))
    assert not re.search(r"<(?!!-- |details>|summary>|/summary>|/details>|br>)", prose)
    assert not re.search(r"@\w", prose)
    assert not re.search(r"#\d", prose)
    for row in (line for line in outside.splitlines() if line.startswith("| `")):
        assert len(re.findall(r"(?<!\\)\|", row)) == 5


@pytest.mark.parametrize("text", ["a", "`", "``a`b", " ", "", "a|b", "a`"])
def test_code_spans_hold_any_text(text: str) -> None:
    span = code_span(text)
    fence = re.match("`+", span)
    assert fence is not None
    assert span.endswith(fence.group())
    assert fence.group() not in text
    assert "|" not in span.replace("\\|", "")
    assert len(fence_for(text)) >= 3
    assert fence_for(text) not in text


def test_markup_is_taken_literally() -> None:
    assert markdown_text("a_b *c* <d> & `e`") == "a\\_b \\*c\\* &lt;d&gt; &amp; \\`e\\`"
    assert html_text("</code>'\"") == "&lt;/code&gt;&#x27;&quot;"


def test_a_failure_is_a_comment_too() -> None:
    problems = [
        Problem(code="INVALID_VALUE", message=f"bad @{n}", place=Place(f"f{n}.json", 1, 2)) for n in range(2000)
    ]
    text = failure_markdown(InputError("2000 problems", problems=problems, hint="fix them"))
    assert text.startswith("<!-- wfsync:plan failed=true -->\n")
    assert "`INVALID_VALUE` `f0.json:1:2` bad @<!-- -->0" in text
    assert "of 2000 problems are not shown" in text
    assert units(text) < MAX_COMMENT
