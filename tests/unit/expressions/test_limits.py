"""Limits hold against hostile expressions: the process survives, in time and in bounded memory, with a stable code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

import expression_attacks
from expression_attacks import ATTACKS
from wfsync.expressions import EvaluationAborted, EvaluationFailed, check_expression, compile_expression, limits

MEGABYTES = 64
SECONDS = 2.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Outcome(NamedTuple):
    """How an attack ended."""

    result: str
    seconds: float
    kilobytes: int


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every attack, in one process that must survive them all."""
    script = expression_attacks.__file__
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {name: Outcome(*rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="the highest memory of a process is read from /proc")
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.result == ATTACKS[name][1]
    assert outcome.seconds < SECONDS
    assert outcome.kilobytes < MEGABYTES * 1024


def evaluated(text: str, payload: object = None) -> object:
    return compile_expression(text).evaluate({"payload": payload}, NOW)


@pytest.mark.parametrize(
    ("most", "more", "code"),
    [
        (f"$length($pad('', {limits.MAX_TEXT}))", f"$length($pad('', {limits.MAX_TEXT + 1}))", limits.TEXT_TOO_LONG),
        (
            f"$count([1..{limits.MAX_SEQUENCE}])",
            f"$count([1..{limits.MAX_SEQUENCE + 1}])",
            limits.SEQUENCE_TOO_LONG,
        ),
        (f"$pad('', {limits.MAX_OUTPUT - 2})", f"$pad('', {limits.MAX_OUTPUT - 1})", limits.OUTPUT_TOO_LARGE),
        ("$pad('', 131071, 'é')", "$pad('', 131072, 'é')", limits.OUTPUT_TOO_LARGE),
        ("[1..40000].(1)", "[1..99000].(1)", limits.STEPS),
    ],
)
def test_limits_are_exact(most: str, more: str, code: str) -> None:
    evaluated(most)
    with pytest.raises(EvaluationFailed) as caught:
        evaluated(more)
    assert caught.value.code == code


def test_input_limit_counts_bytes_of_json_of_what_is_read() -> None:
    fitting = ["x" * (limits.MAX_INPUT - 4)]
    assert evaluated("$count(payload)", fitting) == 1
    with pytest.raises(EvaluationFailed) as caught:
        evaluated("$count(payload)", ["x" * (limits.MAX_INPUT - 3)])
    assert caught.value.code == limits.INPUT_TOO_LARGE
    assert compile_expression("1 + vars.n").evaluate({"payload": fitting * 2, "vars": {"n": 1}}, NOW) == 2


def test_steps_do_not_depend_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[1..2000].($ * 2)"
    monkeypatch.setattr(limits, "WALL_CLOCK", 1000)
    needed = steps_of(text)
    assert needed == steps_of(text) > 4000


def steps_of(text: str) -> int:
    """The smallest budget with which ``text`` can be evaluated."""
    low, high = 0, limits.MAX_STEPS
    while low < high:
        middle = (low + high) // 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "MAX_STEPS", middle)
            try:
                evaluated(f"$count({text})")
                high = middle
            except EvaluationFailed:
                low = middle + 1
    return low


def test_the_wall_clock_only_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WALL_CLOCK", -1)
    assert evaluated("payload + 1", 1) == 2
    with pytest.raises(EvaluationAborted):
        evaluated("[1..20000].($ * 2)")
    with pytest.raises(EvaluationFailed):  # what is too much is too much however slow the machine is
        evaluated("$pad('', 1000000000)")


@pytest.fixture
def short_stack() -> Iterator[None]:
    """Python's own limit, whatever other tests have imported."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("short_stack")
def test_depth_does_not_depend_on_the_caller() -> None:
    text = "(" * 190 + "payload" + ")" * 190

    def from_below(frames: int) -> object:
        return from_below(frames - 1) if frames else evaluated(text, 1)

    compile_expression("payload.shallow").evaluate({}, NOW)
    assert sys.getrecursionlimit() == 1000
    assert from_below(600) == 1
    assert check_expression(text) is None
