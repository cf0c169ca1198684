"""Runs as flowcharts."""

from __future__ import annotations

from dataclasses import dataclass

from machines import attempt, call, control, definition, expr, loop
from wfsync.render.mermaid import run_mermaid


@dataclass(frozen=True)
class Taken:
    path: str
    iteration: str = ""
    attempt: int = 1
    status: str = "SUCCEEDED"


TREE = definition(
    control("i", "if", condition=expr("true"), then=[control("end", "return")], **{"else": [call("b")]}),
    loop("l", "[]", call("c")),
    attempt("t", [call("d")], [call("e")]),
    call("f"),
)


def test_the_chart_has_every_step_and_the_ways_between_them() -> None:
    lines = run_mermaid(TREE, []).splitlines()
    assert lines[0] == "flowchart TD"
    names = ["i", "end", "b", "l", "c", "t", "d", "e", "f"]
    for number, name in enumerate(names):
        assert any(line.startswith(f"  s{number}") and f'"{name}<br/>' in line for line in lines)
    assert [line.strip() for line in lines if "-->" in line] == [
        "begin --> s0",
        "s0 -->|then| s1",
        "s1 --> done",
        "s0 -->|else| s2",
        "s2 --> s3",
        "s3 -->|each item| s4",
        "s4 -->|next| s3",
        "s3 -->|done| s5",
        "s5 -->|try| s6",
        "s5 -->|catch| s7",
        "s6 --> s8",
        "s7 --> s8",
        "s8 --> done",
    ]


def test_what_became_of_each_step_is_its_colour() -> None:
    body = "root.steps[1].body.steps[0]"
    chart = run_mermaid(
        TREE,
        [
            Taken("root.steps[0]"),
            Taken("root.steps[1]"),
            Taken(body, "0", 1, "RETRY_SCHEDULED"),
            Taken(body, "0", 2),
            Taken(body, "1", 1, "FAILED"),
            Taken("root.steps[2]", status="STARTED"),
        ],
    )
    assert "class s4 FAILED" in chart
    assert "c<br/>action.call<br/>2 times, 1 failed<br/>2 attempts" in chart.replace("#44;", ",")
    assert "class s0,s3 SUCCEEDED" in chart
    assert "class s5 STARTED" in chart
    assert "class s1,s2,s6,s7,s8 NOT_REACHED" in chart


def test_names_cannot_break_out_of_their_labels() -> None:
    tree = {**definition(call('x"] --> y; <b>`\x1b[0m\n')), "name": 'a"]\nclick s0 "javascript:x"'}
    chart = run_mermaid(tree, [])
    assert len(chart.splitlines()) == len(run_mermaid(definition(call("x")), []).splitlines())
    for line in chart.splitlines():
        assert line.count('"') in {0, 2}
        assert "\x1b" not in line
        assert "<b>" not in line


def test_a_chart_is_no_larger_than_what_can_be_drawn() -> None:
    chart = run_mermaid(definition(*[call(f"c{n}") for n in range(500)]), [])
    assert "… and 100 more steps" in chart
    assert len(chart.splitlines()) < 1000


def test_a_definition_that_is_gone_is_an_empty_chart() -> None:
    assert "begin --> done" in run_mermaid({}, [Taken("root.steps[0]")])
