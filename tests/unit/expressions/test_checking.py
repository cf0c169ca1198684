"""What can be said of an expression without data: faults with their places, paths, functions."""

from __future__ import annotations

import pytest

from wfsync.expressions import ExpressionFault, check_expression, compile_expression


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("$eval('1')", 0),
        ("($f := $eval; $f('1'))", 7),
        ("'1' ~> $eval", 7),
        ("'1' ~> $eval()", 7),
        ("$eval(?, payload)", 0),
        ("$map(payload.texts, $eval)", 20),
        ("[$eval][0]('1')", 1),
        ("{'f': $eval}.f('1')", 6),
        ("payload.texts.$eval($)", 14),
        ("payload[$eval('1')]", 8),
        ("payload^($eval('1'))", 9),
        ("payload{'a': $eval('1')}", 13),
        ("payload ~> |$|{'a': $eval('1')}|", 20),
        ("(($eval := 1); $eval('1'))", 15),
        ("$random()", 0),
        ("payload.a == 1 ? $now() : 2", 17),
        ("payload.a ?? $millis()", 13),
        ("$shuffle([1, 2])", 0),
        ("$fetch('http://localhost')", 0),
        ("$map([1], function($x) { $x })", 18),
        ("(λ($x) { $x })(1)", 2),
        ("($f := function() { $f() }; $f())", 15),
    ],
)
def test_forbidden(text: str, offset: int) -> None:
    fault = check_expression(text)
    assert fault is not None
    assert (fault.code, fault.offset) == ("FORBIDDEN", offset)
    with pytest.raises(ExpressionFault, match="allowed"):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "code", "offset", "words"),
    [
        ("", "SYNTAX", 0, "ends too early"),
        ("payload.a ==", "SYNTAX", 12, "ends too early"),
        ("payload.a == 'x' == = 1", "SYNTAX", 20, "'=' is not expected"),
        ("payload.a b", "SYNTAX", 10, "'b' is not expected"),
        ("payload.a 'hunter2'", "SYNTAX", 10, "a text is not expected"),
        ("[payload.a, 'hunter2' 'hunter2']", "SYNTAX", 22, "not a text"),
        ("'open", "SYNTAX", 5, "closing quote"),
        ("payload.`open", "SYNTAX", 13, "backquote"),
        ("1 /* open", "SYNTAX", 2, "comment"),
        ("f(", "SYNTAX", 2, "ends too early"),
        ("(1", "SYNTAX", 2, "ends too early"),
        ("payload.(", "SYNTAX", 9, "ends too early"),
        ("!payload.a", "SYNTAX", 1, ""),
        ("payload.1", "SYNTAX", 8, "cannot be a step"),
        ("'\\x'", "SYNTAX", 2, "escape"),
        ("1e999", "SYNTAX", 0, "out of range"),
        ("%.a", "SYNTAX", 0, "no parent"),
        ("1 := 2", "SYNTAX", 0, ""),
        ("lowercase('A')", "UNKNOWN_NAME", 0, "lowercase"),
        ("1 + $lowrecase('A')", "UNKNOWN_NAME", 4, "lowrecase"),
        ("payload.a == $limit", "UNKNOWN_NAME", 13, "limit"),
        ("$payload.a", "UNKNOWN_NAME", 0, "payload"),
        ("payload.a()", "UNKNOWN_NAME", 8, "a"),
        ("$contains('a', /(?=a)/)", "REGEX", 15, "(?="),
        ("$contains('a', /(a/)", "SYNTAX", 20, "closing slash"),
        ("(" * 300 + "1" + ")" * 300, "TOO_DEEP", None, "nested"),
        ("-" * 9000 + "1", "TOO_DEEP", None, "nested"),
        ("&".join(["1"] * 300), "TOO_DEEP", None, "nested"),
        ("a." * 4000 + "a", "TOO_DEEP", None, "nested"),
        ("(" * 30 + "a" + " ?? b)" * 30, "TOO_LONG", None, "parts"),
        ("'" + "x" * 10_000 + "'", "TOO_LONG", None, "longer"),
        ("$contains('', /" + "x" * 1001 + "/)", "TOO_LONG", 14, "longer"),
        ("[" + ", ".join(["$contains('', /x/)"] * 17) + "]", "TOO_LONG", 335, "regular expressions"),
        ("$contains('', /((a{1,100}){1,100}){1,100}/)", "REGEX", 14, ""),
        ("$contains('', /(\\pL{1,900}){1,9}/)", "REGEX", 14, ""),
    ],
)
def test_faults(text: str, code: str, offset: int | None, words: str) -> None:
    fault = check_expression(text)
    assert fault is not None
    assert (fault.code, fault.offset) == (code, offset)
    assert words in fault.message
    assert "hunter2" not in fault.message


def test_hints_name_what_was_meant() -> None:
    hints = [check_expression(text) for text in ("lowercase('A')", "$lowrecase('A')", "$vars.a")]
    assert [fault and fault.hint for fault in hints] == [
        "write $lowercase(…)",
        "did you mean $lowercase?",
        "write vars, without $",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "($now := nowIso(); $now)",
        "payload.a@$x.b[$x.c = c]",
        "payload.a#$i[$i > 0]",
        "($f := $uppercase; $f('a'))",
        "$map(payload.a, $substring(?, 0, 1))",
        "($f := $trim ~> $uppercase; 'a' ~> $f)",
        "payload.function",
        "$$.payload",
        "payload.items ~> |$|{'a': 1}|",
        "$toMillis('07:30', '[H]:[m]')",
        "payload.`eval`",
        "'$eval(1)'",
        "/* $eval */ 1",
    ],
)
def test_allowed(text: str) -> None:
    assert check_expression(text) is None


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("payload.ticket.id", ["payload.ticket.id"]),
        ("payload.items[price > vars.limit].sku", ["payload.items.sku"]),
        ("payload.items[price > $$.vars.limit]", ["payload.items", "vars.limit"]),
        ("coalesce(payload.a, vars.b.c) & meta.state", ["payload.a", "vars.b.c", "meta.state"]),
        ("payload.items.{'a': b, 'c': $$.vars.d}", ["payload.items", "vars.d"]),
        ("{'a': payload.b}", ["payload.b"]),
        ("(payload.a; vars.b)", ["payload.a", "vars.b"]),
        ("payload.a ? vars.b : error.c", ["payload.a", "vars.b", "error.c"]),
        ("payload.items^(price).sku", ["payload.items.sku"]),
        ("payload.a & payload.a.b", ["payload.a", "payload.a.b"]),
        ("payload.a@$x.vars.b", ["payload.a", "payload.vars.b"]),
        ("payload.`two words`.'three'", ["payload.two words.three"]),
        ("payload.a ~> $uppercase", ["payload.a"]),
        ("(payload.a).b", ["payload.a"]),
        ("payload.*.a", ["payload"]),
        ("gateway", ["gateway"]),
        ("1 + 2", []),
    ],
)
def test_paths(text: str, paths: list[str]) -> None:
    assert compile_expression(text).paths == {tuple(path.split(".")) for path in paths}


def test_roots_and_functions() -> None:
    expression = compile_expression("'==' == payload.a and $count(foo.bar) == len(foo.x) and payload.b == $sum(1)")
    assert expression.roots == {"payload": 8, "foo": 29}
    assert expression.functions == {"count", "len", "sum"}


def test_compiled_once() -> None:
    assert compile_expression("payload.once") is compile_expression("payload.once")
