"""Evaluates hostile expressions one after the other, as one worker would; prints how each ended, what it took and by
how much it raised the highest memory that the process ever had. Run by test_limits.py in a process of its own.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

from wfsync.expressions import EvaluationAborted, EvaluationFailed, ExpressionFault, compile_expression, limits

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STATUS = Path("/proc/self/status")


def doubled(start: str, step: str, times: int, name: str = "a") -> str:
    """``start`` in a variable, and ``step`` of it in the next, over and over."""
    parts = (step.replace("X", f"${name}{n}") for n in range(times))
    return f"${name}0 := {start}; " + "; ".join(f"${name}{n} := {part}" for n, part in enumerate(parts, 1))


def grown(start: str, end: str, step: str = "[[X], [X]]") -> str:
    """An expression of a value that is shared within itself: written out, 2^59 times as large as ``start``."""
    return f"({doubled(start, step, 59)}; {end.replace('X', '$a59')})"


TWO = f"({doubled('1', '[[X], [X]]', 59)}; {doubled('1', '[[X], [X]]', 59, 'b')}; "
STEPS, TEXT, SEQUENCE, OUTPUT = "TOO_MANY_STEPS", "TEXT_TOO_LONG", "SEQUENCE_TOO_LONG", "OUTPUT_TOO_LARGE"

ATTACKS: dict[str, tuple[str, str]] = {
    # texts
    "pad": ("$pad('x', 999999999)", TEXT),
    "pad left": ("$pad('x', -1e15, 'ab')", TEXT),
    "pad many": ("[1..99999].$pad('x', 1000000)", STEPS),
    "doubled text": (f"({doubled('payload.long', 'X & X', 59)}; $a59)", TEXT),
    "join": ("$join([1..60000].('xxxxxxxxxxxxxxxx'), 'yyyyyyyyyyyyyyyy')", TEXT),
    "join with a long mark": ("$join([1..50000].('x'), payload.long)", TEXT),
    "replace by a long text": ("$replace(payload.long, 'a', payload.long)", TEXT),
    "replace matches by a long text": ("$replace(payload.long, /a/, payload.long)", TEXT),
    "split into characters": ("$split(payload.long & payload.long, '')", SEQUENCE),
    "split over and over": ("[1..99999].$split('a,b,c,d,e,f,g,h', ',')", STEPS),
    "string of a large array": ("$string([1..60000].('xxxxxxxxxxxxxxxxxxxx'))", TEXT),
    "string over and over": ("[1..9999].$string($$.payload.numbers)", STEPS),
    "base64 over and over": ("[1..9999].$base64encode($$.payload.long)", STEPS),
    "url over and over": ("[1..9999].$encodeUrl($$.payload.long)", STEPS),
    "uppercase over and over": ("[1..9999].$uppercase($$.payload.long)", STEPS),
    "equal texts": ("[1..99999][$$.payload.twin1 = $$.payload.twin2]", STEPS),
    "ordered texts": ("[1..99999][$$.payload.twin1 < $$.payload.twin2]", STEPS),
    "a text among texts": ("[1..99999][$$.payload.twin1 in [$$.payload.twin2]]", STEPS),
    "texts in texts": ("[1..99999].$contains($$.payload.twin1, 'yy')", STEPS),
    # sequences
    "range": ("[1..9999999]", SEQUENCE),
    "sum of a range": ("$sum([1..9999999])", SEQUENCE),
    "ranges of ranges": ("[1..99999].[1..99999]", STEPS),
    "loops in loops": ("[1..1000].([1..1000].([1..1000]))", STEPS),
    "doubled array": (f"({doubled('[1, 2, 3]', '$append(X, X)', 59)}; $a59)", SEQUENCE),
    "distinct": ("$count($distinct([1..99999])) & $distinct([1..99999].$string())", STEPS),
    "reverse over and over": ("[1..9999].$reverse([1..9999])", STEPS),
    "sort": ("$sort([1..99999].$string())", STEPS),
    "order": ("[1..99999]^(>$)", STEPS),
    "zip": (f"$zip({', '.join(['[1..99999]'] * 12)})", STEPS),
    "map": ("$map([1..99999], $pad(?, 20))", "T0410"),
    "map over and over": ("[1..999].$map([1..999], $string)", STEPS),
    "reduce": ("$reduce([1..99999], $append)", STEPS),
    "each": ("[1..999].$each($$.payload.object, $string)", STEPS),
    "merge": ("$merge([1..9999].($$.payload.object))", STEPS),
    "spread": ("[1..9999].$spread($$.payload.object)", STEPS),
    "filters": ("[1..9999][$ in [1..9999]]", STEPS),
    "filters by index": ("[1..9999][[1..9999]]", STEPS),
    "groups": ("[1..99999]{$string($): $}", STEPS),
    "one group": ("[1..99999]{'all': $}", OUTPUT),
    "joined tuples": ("payload.rows@$a.$$.payload.rows@$b.($a & $b)", SEQUENCE),
    "parents": ("payload.rows.cells.%.cells.%.cells.%.cells", STEPS),
    "wildcards": ("payload.**.**.**", SEQUENCE),
    "wildcards of wildcards": ("payload.*.*.**.*.**", STEPS),
    # values that share themselves
    "shared, returned": (grown("1", "X"), OUTPUT),
    "shared objects, returned": (grown("1", "X", '{"a": X, "b": X}'), OUTPUT),
    "shared, as text": (grown("1", "$string(X)"), STEPS),
    "shared, joined to text": (grown("1", "'' & X"), STEPS),
    "shared, compared": (f"{TWO} $a59 = $b59)", STEPS),
    "shared, looked for": (f"{TWO} [$b59] in [[$a59]])", STEPS),
    "shared, as truth": (grown("[]", "X ? 1 : 2"), STEPS),
    "shared, distinct": (f"{TWO} $distinct([[$a59], [$b59]]))", STEPS),
    "shared, all of it": (grown("1", "X.**"), STEPS),
    "shared, its members": (grown("1", "X.*"), STEPS),
    "shared, one field": (grown('{"q": 1}', "X.q"), STEPS),
    "shared, looked up": (grown('{"q": 1}', "$lookup(X, 'q')"), STEPS),
    "shared, its keys": (grown('{"q": 1}', "$keys(X)"), STEPS),
    "shared, spread": (grown('{"q": 1}', "$spread(X)"), STEPS),
    "shared, transformed": (grown('{"q": 1}', "X ~> |$|{'z': 1}|"), STEPS),
    "too deep to return": (f"({doubled('1', '[[X]]', 250)}; $a250)", "TOO_DEEP"),
    "too deep to compare": (f"({doubled('1', '[[X]]', 250)}; $a250 = $a250)", "TOO_DEEP"),
    "functions in functions": (f"({doubled('$string', '$map(?, X)', 250)}; $a250([1]))", "TOO_DEEP"),
    # patterns
    "backtracking": ("$match(payload.long & 'b', /^(a+)+$/) ? 1 : 'none'", "none"),
    "backtracking, contains": ("$contains(payload.long & 'b', /(a|aa)+$/) ? 1 : 'none'", "none"),
    "quadratic matches": ("$match(payload.long, /a.*?b|a/)", STEPS),
    "quadratic replace": ("$replace(payload.long, /a(.*b)?/, '')", STEPS),
    "a large automaton": ("$contains(payload.long, /((a{0,50}){0,19})b/)", STEPS),
    "many states": ("$match(payload.ab, /(a|b)*a(a|b){20}c|a/)", STEPS),
    "many matches": ("$match(payload.long, /a/)", STEPS),
    "pattern of options": (
        "$formatNumber(1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0', {'digit': '(a+)+b'})",
        "BAD_ARGUMENT",
    ),
    "pattern of a picture": ("$toMillis($pad('', 180, '1') & 'x', $pad('', 180, '[D1]')) ? 1 : 'none'", "none"),
    # numbers and pictures
    "power": ("$power(10, 400)", "D3061"),
    "squares": (f"({doubled('10', 'X * X', 59)}; $a59)", "D1001"),
    "long picture": ("$formatNumber(1, $pad('0', 100000, '0'))", TEXT),
    "wide picture": ("$fromMillis(0, '[Y,*-999999999]')", "BAD_ARGUMENT"),
    "wide month": ("$fromMillis(0, '[M,999999999]')", "BAD_ARGUMENT"),
    "roman": ("$formatInteger(1e15, 'I')", "D1001"),
    "words": ("$formatInteger(1e300, 'w')", "D1001"),
    "letters": ("$formatInteger(1e300, 'A')", "D1001"),
    "digits": ("$number($pad('', 200000, '9'))", "D3030"),
    # input and output
    "input": ("$count(payload.huge)", "INPUT_TOO_LARGE"),
    "output": ("payload.rows", OUTPUT),
    "output of a path": ("payload.rows.cells", OUTPUT),
    "output in one text": ("payload.long & payload.long & payload.long & payload.long & payload.long", OUTPUT),
    "itself within itself": ("payload ~> |$|{'a': $}| ~> |$|{'a': $}| ~> |**|{'a': $$.payload}|", STEPS),
}


def scope(name: str) -> dict[str, Any]:
    """What the expressions read."""
    if name == "input":
        return {"payload": {"huge": ["x" * 1_000_000] * 5}}
    return {
        "payload": {
            "long": "a" * 60_000,
            "ab": "".join("ab"[(n * 7919 >> 3) & 1] for n in range(60_000)),
            "twin1": "x" * 999_999 + "y",
            "twin2": "x" * 999_999 + "z",
            "numbers": list(range(30_000)),
            "object": {f"k{n}": n for n in range(10_000)},
            "rows": [{"cells": list(range(200))} for _ in range(400)],
        }
    }


def ended(name: str, text: str) -> str:
    """The code of its failure, or what it gives."""
    try:
        return str(compile_expression(text).evaluate(scope(name), NOW))[:100]
    except ExpressionFault as fault:
        return f"fault: {fault.code}"
    except EvaluationFailed as failure:
        return failure.code
    except EvaluationAborted:
        return "aborted"


def most_memory() -> int:
    """Kilobytes that the process had at most."""
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))


def main() -> None:
    """One line of JSON for each attack."""
    ended("", "payload.numbers[0]")  # which loads the libraries
    # Steps decide, however busy the machine is
    limits.WALL_CLOCK = 60.0  # type: ignore[misc]
    for name, (text, _) in ATTACKS.items():
        before, began = most_memory(), process_time()
        outcome = ended(name, text)
        took = process_time() - began
        print(json.dumps([name, outcome, took, most_memory() - before]))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
