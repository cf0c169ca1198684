"""What expressions mean: every sentence of runtime.md "Expressions" that says what a value is."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from wfsync.expressions import MISSING, EvaluationFailed, compile_expression

NOW = datetime(2026, 11, 21, 1, 2, 3, 4567, tzinfo=UTC)
SCOPE: dict[str, Any] = {
    "payload": {
        "id": "T-1",
        "count": 3,
        "nothing": None,
        "empty": [],
        "items": [{"sku": "a", "price": 5}, {"sku": "b", "price": 9}, {"sku": "c", "price": None}],
        "mixed": [None, 1, None],
        "smile": "aé😀",
        "big": 12345678901234567890123,
        "id64": 9223372036854775807,
    },
    "vars": {"limit": 6, "list": [1, 2]},
    "meta": {"state": "OPEN"},
    "error": {"category": "ActionError", "message": "no"},
    "item": {"sku": "z"},
    "index": 0,
}


def value(text: str, scope: dict[str, Any] = SCOPE) -> Any:
    return compile_expression(text).evaluate(scope, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the roots, and inside a loop its variable and index
        ("payload.id", "T-1"),
        ("vars.limit", 6),
        ("meta.state", "OPEN"),
        ("error.category & ': ' & error.message", "ActionError: no"),
        ("item.sku & $string(index)", "z0"),
        # a name stands for a field of the context; $$ is the document
        ("payload.items[price = 9].sku", "b"),
        ("payload.items[price != null][price > $$.vars.limit].sku", "b"),
        ("payload.items.(sku & $$.payload.id)", ["aT-1", "bT-1", "cT-1"]),
        # == is =, but for where it is no operator
        ("payload.count == 3", True),
        ("payload.count==3 and payload.id == 'T-1'", True),
        ("'a == b' & \" == \"", "a == b == "),
        ("payload.items[sku == 'a'].price", 5),
        ("{'==': 1}.`==`", 1),
        ("$contains('a==b', /==/)", True),
        ("/* == */ 1 == 1 /* == */", True),
        ("4 / 2 == 2 and 4 / 2 == 2", True),
        # null and missing are two things
        ("payload.nothing", None),
        ("payload.nothing = null", True),
        ("payload.absent = null", False),
        ("$exists(payload.nothing)", True),
        ("$exists(payload.absent)", False),
        ("[payload.nothing, payload.absent]", [None]),
        ('{"a": payload.nothing, "b": payload.absent}', {"a": None}),
        ("payload.mixed", [None, 1, None]),
        ("payload.mixed[$ = null]", [None, None]),
        ("payload.items.price", [5, 9, None]),
        ("$type(payload.nothing)", "null"),
        # coalesce
        ("coalesce(payload.absent, payload.nothing, 'x')", "x"),
        ("$coalesce(payload.absent, 0, 'x')", 0),
        ("coalesce(payload.absent, false)", False),
        ("coalesce(payload.empty, 1)", []),
        # len: text in UTF-16 units, array, else 0
        ("len(payload.smile)", 4),
        ("len('')", 0),
        ("$len(payload.items)", 3),
        ("len(payload.empty)", 0),
        ("len(payload.absent)", 0),
        ("len(payload.nothing)", 0),
        ("len(payload.count)", 0),
        ("len(item)", 0),
        # toString
        ("toString(payload.count)", "3"),
        ("toString('x')", "x"),
        ("toString(true)", "true"),
        ("toString(null)", "null"),
        ("toString(item)", '{"sku":"z"}'),
        ("toString(payload.smile)", "aé😀"),
        ("toString([payload.smile])", '["aé😀"]'),
        ("toString(0.1 + 0.2)", "0.3"),
        ("toString(payload.id64)", "9223372036854775807"),
        # append
        ("append(vars.list, 3)", [1, 2, 3]),
        ("$append(vars.list, [3, 4])", [1, 2, 3, 4]),
        ("append(vars.absent, 1)", [1]),
        ("append(payload.empty, item)", [{"sku": "z"}]),
        ("append(vars.list, vars.absent)", [1, 2]),
        # nowIso
        ("nowIso()", "2026-11-21T01:02:03.004Z"),
        ("$substring($nowIso(), 0, 10)", "2026-11-21"),
        ("$toMillis(nowIso())", 1795222923004),
        # numbers: integral ones are integers, and what only passes through stays exact
        ("payload.count / 2", 1.5),
        ("payload.count * 2.0", 6),
        ("7.5 % 2", 1.5),
        ("payload.big", 12345678901234567890123),
        ("payload.id64 = 9223372036854775806", False),
        ("-payload.count", -3),
        # what the library gets wrong: a filter before ?? was applied twice, true was 1, ß became ss
        ("vars.list[1] ?? 9", 2),
        ("1 in [true, 2]", False),
        ("$distinct([1, true, 1])", [1, True]),
        ("$lowercase('Straße')", "straße"),
        ("'\\ud83d\\ude00'", "😀"),
        ("payload.id /* the last */", "T-1"),
        # dates that are not complete take the rest from the run's moment, not from the machine's clock
        ("$fromMillis($toMillis('07:30', '[H01]:[m01]'))", "2026-11-21T07:30:00.000Z"),
        ("$toMillis('2026-(a+)+01', '[Y0001]-(a+)+[M01]')", 1767225600000),
    ],
)
def test_values(text: str, expected: Any) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "payload.absent",
        "payload.absent.deeper",
        "payload.nothing.deeper",
        "absent",
        "payload.items[sku = 'q']",
        "coalesce(payload.absent, payload.nothing)",
        "payload.absent + 1",
        "$sum(payload.absent)",
        "item.sku.x",
        "()",
        "append(vars.absent, vars.absent2)",
        "toString(payload.absent)",
        "payload.count > payload.absent",
    ],
)
def test_missing(text: str) -> None:
    assert value(text) is MISSING


def test_the_moment_is_that_of_the_run_in_utc() -> None:
    there = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert compile_expression("nowIso()").evaluate({}, there) == "2026-02-28T22:30:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "payload",
        "$",
        "[payload.items, payload.items]",
        "payload.items[0]",
        "{'a': payload}",
        "payload.items{sku: $}",
        "payload ~> |items|{'price': 0}, 'sku'|",
        "payload.empty{'a': 1}",
        "payload.items^(>sku)",
        "$sort(vars.list)",
    ],
)
def test_nothing_that_is_read_is_changed_or_shared(text: str) -> None:
    scope = copy.deepcopy(SCOPE)
    result = value(text, scope)
    assert scope == SCOPE
    spoil(result)
    assert scope == SCOPE


def spoil(tree: Any) -> None:
    """Change every container of ``tree``."""
    if isinstance(tree, dict):
        for item in list(tree.values()):
            spoil(item)
        tree["spoilt"] = 1
    elif isinstance(tree, list):
        for item in tree:
            spoil(item)
        tree.append("spoilt")


def test_a_transform_changes_its_copy_only() -> None:
    with pytest.raises(EvaluationFailed, match="outside of it"):
        value("payload ~> |$$.vars|{'limit': 0}|")


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("1 + payload.id", "T2002", 2),
        ("payload.count == 3 and payload.id + 1", "T2001", 34),
        ("'abc' & $number('x1')", "D3030", 8),
        ("payload.id > 1", "T2009", 11),
        ("1 / 0", "D1001", 2),
        ("1e308 * 10", "D1001", 6),
        ("$power(10, 400)", "D3061", 0),
        ("$power(-8, 0.5)", "D3061", 0),
        ("$uppercase(1)", "T0410", 0),
        ("$uppercase(null)", "T0410", 0),
        ("$sum(['a'])", "T0412", 0),
        ("$error('it is so')", "D3137", 0),
        ("$assert(1 = 2, 'never')", "D3141", 0),
        ("$toMillis('yesterday')", "D3110", 0),
        ("$base64decode('ÿ')", "BAD_ARGUMENT", 0),
        ("$match('abc', /x*/)", "D1004", 0),
        ("$uppercase", "NOT_JSON", None),
        ("[1, $sum]", "NOT_JSON", None),
        ("'\\ud83d'", "NOT_JSON", None),
        ("'a\\u0000'", "NOT_JSON", None),
        ("{'\\u0000': 1}", "NOT_JSON", None),
        ("vars.list.$number('Infinity')", "D3030", 10),
        ("vars.list.$number('1_000')", "D3030", 10),
    ],
)
def test_failures_say_why_and_where(text: str, code: str, offset: int | None) -> None:
    with pytest.raises(EvaluationFailed) as caught:
        value(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)


def test_failures_do_not_repeat_data() -> None:
    for text in ("1 + payload.id", "payload.id > 1", "$number(payload.id)", "-payload.id", "$toMillis(payload.id)"):
        with pytest.raises(EvaluationFailed) as caught:
            value(text, {"payload": {"id": "hunter2"}})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(number: float) -> None:
    for text in ("payload", "payload.a & ''", "[payload.a]"):
        with pytest.raises(EvaluationFailed) as caught:
            value(text, {"payload": {"a": number}})
        assert caught.value.code in ("NOT_JSON", "D1001")
