"""``-k``."""

from __future__ import annotations

import pytest

from wfsync.testing.model import Case
from wfsync.testing.selecting import InvalidExpression, selection

CASE = Case(
    file="tests/billing.yaml", path=("tests", 0), line=1, name="An invoice and a fee", workflow="finance.dunning"
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("invoice", True),
        ("INVOICE", True),
        ("billing.yaml", True),
        ("dunning", True),
        ("refund", False),
        ("not refund", True),
        ("not not refund", False),
        ("invoice and fee", True),
        ("invoice and refund", False),
        ("refund or invoice and fee", True),
        ("(refund or invoice) and refund", False),
        ('"an invoice and"', True),
        ("'a fee' and not (refund or 'not')", True),
        ("billing.yaml::an", True),
    ],
)
def test_what_is_meant(text: str, meant: bool) -> None:
    assert selection(text)(CASE) is meant


@pytest.mark.parametrize("text", ["", "and", "a or", "(a", "a)", "a b", "not", "'a", "a and or b", "()"])
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(InvalidExpression):
        selection(text)


def test_a_hostile_one_is_refused() -> None:
    with pytest.raises(InvalidExpression, match="500"):
        selection("(" * 100_000)
