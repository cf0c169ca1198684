"""``==`` is read as ``=``, and positions stay those of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.expressions.spelling import respell


@pytest.mark.parametrize(
    ("text", "respelled"),
    [
        ("a == b", "a = b"),
        ("a==b==c", "a=b=c"),
        ("a != b", "a != b"),
        ("a === b", "a == b"),
        ("'==' == \"==\"", "'==' = \"==\""),
        ("'it\\'==' == 1", "'it\\'==' = 1"),
        ("`a==b` == 1", "`a==b` = 1"),
        ("/* a == b */ a == b", "/* a == b */ a = b"),
        ("a ~> /x==y/ == b", "a ~> /x==y/ = b"),
        ("a / b == c / d", "a / b = c / d"),
        ("(a) / b == c", "(a) / b = c"),
        ("$f(a, /[/==]/, b == c)", "$f(a, /[/==]/, b = c)"),
        ("'open == ", "'open == "),
    ],
)
def test_respelled(text: str, respelled: str) -> None:
    assert respell(text).text == respelled


@given(st.text(st.sampled_from("a=='\"`/*[( \\"), max_size=30))
def test_every_kept_character_is_found_again(text: str) -> None:
    spelled = respell(text)
    for offset, character in enumerate(spelled.text):
        assert text[spelled.original(offset)] == character
    assert spelled.original(len(spelled.text)) == len(text)
