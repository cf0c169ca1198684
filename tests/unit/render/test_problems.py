"""Problems as text, JSON and annotations."""

from __future__ import annotations

import json

import pytest

from plans import HOSTILE
from wfsync.errors import Place, Problem
from wfsync.render.problems import problems_github, problems_json, problems_text

ERROR = Problem(
    code="DUPLICATE_KEY",
    message="the key is taken",
    key="greeting",
    place=Place("workflows/a,b:c%.json", 12, 7, "/workflows/0/key"),
    related=(Place("workflows/other.json", 3, 1),),
    hint="rename one",
)
NOTE = Problem(code="DEPENDENCIES", message="differ", severity="note")
WARNING = Problem(code="INVALID_DEFINITION", message="unfinished", severity="warning", place=Place("a.json"))


def test_text() -> None:
    assert problems_text([ERROR, NOTE]) == (
        "workflows/a,b:c%.json:12:7: error DUPLICATE_KEY: greeting: the key is taken\n"
        "    at /workflows/0/key\n"
        "    see workflows/other.json:3:1\n"
        "    rename one\n"
        "note DEPENDENCIES: differ\n"
    )
    assert problems_text([]) == ""
    assert "\x1b[31merror DUPLICATE_KEY\x1b[0m" in problems_text([ERROR], color=True)


def test_json() -> None:
    document = json.loads(problems_json([ERROR, NOTE, WARNING]))
    assert document["summary"] == {"errors": 1, "warnings": 1, "notes": 1}
    assert document["errors"][0]["place"] == {
        "file": "workflows/a,b:c%.json",
        "line": 12,
        "column": 7,
        "pointer": "/workflows/0/key",
    }
    assert [w["code"] for w in document["warnings"]] == ["DEPENDENCIES", "INVALID_DEFINITION"]


def test_github() -> None:
    assert problems_github([ERROR, WARNING, NOTE]).splitlines() == [
        (
            "::error file=workflows/a%2Cb%3Ac%25.json,line=12,col=7,title=DUPLICATE_KEY"
            "::greeting: the key is taken%0Aat /workflows/0/key%0Arename one"
        ),
        "::warning file=a.json,title=INVALID_DEFINITION::unfinished",
        "::notice title=DEPENDENCIES::differ",
    ]


@pytest.mark.parametrize("bad", [*HOSTILE, "100%\r\nnext\r", "%0A::error::x"])
def test_one_problem_is_one_command_whatever_it_says(bad: str) -> None:
    problem = Problem(code=bad, message=bad, key=bad, hint=bad, place=Place(bad, 1, 1, bad))
    text = problems_github([problem])
    assert text.count("\n") == 1
    assert "\r" not in text
    assert text.startswith("::error file=")
    properties = text.split("::")[1]
    assert properties.count(",") == 3
    assert "%0A::" not in text.split("::error file=")[1].split("::", 1)[0]
    assert not any(line.startswith("::") for line in problems_text([problem]).splitlines())
