"""What happened, held against what a test expects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path
from wfsync.testing.matching import MISSING, mismatches
from wfsync.testing.model import Case, Expectation
from wfsync.testing.outcome import Difference, Outcome
from wfsync.testing.times import duration_text, moment, moment_text

__all__ = ["differences"]

_CALL: Final = ("action", "version", "step", "input")
_WHICH: Final = ("action", "version", "step")


class _Found(NamedTuple):
    """A `Difference` whose place is still a path."""

    what: str
    path: Path
    expected: Json
    actual: Json
    note: str = ""


def differences(case: Case, outcome: Outcome) -> tuple[Difference, ...]:
    """Everything that is not as ``case`` expects, in the order of what matters: first how the run ended."""
    at: Path = (*case.path, "expect")
    return tuple(
        Difference(what, expected, actual, note, str(case.source.value(path)))
        for what, path, expected, actual, note in _differences(case.expect, outcome, at)
    )


def _differences(expect: Expectation, outcome: Outcome, at: Path) -> Iterator[_Found]:
    if outcome.status != expect.status:
        yield _Found("status", (*at, "status"), expect.status, outcome.status, _how_it_ended(outcome))
    if expect.error is not None and (outcome.error is not None or outcome.status == expect.status):
        yield from _matched("error", (*at, "error"), expect.error, outcome.error or {})
    for root, pattern in expect.envelope.items():
        yield from _matched(root, (*at, root), pattern, outcome.envelope.get(root, MISSING))
    yield from _steps(expect, outcome, at)
    yield from _calls(expect, outcome, at)
    if expect.tasks is not None:
        yield from _matched("tasks", (*at, "tasks"), list(expect.tasks), list(outcome.tasks))
    if expect.children is not None:
        yield from _matched("children", (*at, "children"), list(expect.children), list(outcome.children))
    if expect.waits_for is not None and outcome.status == "WAITING":
        yield from _waits(expect.waits_for, outcome.waits, (*at, "waitsFor"))
    yield from _times(expect, outcome, at)
    if outcome.unsent and outcome.status != "WAITING":
        names = ", ".join(outcome.unsent)
        path = (*at[:-1], "events")
        yield _Found("events", path, f"a wait for {names}", MISSING, "never sent: no step waited for an event so named")


def _how_it_ended(outcome: Outcome) -> str:
    if outcome.error is not None:
        error = outcome.error
        where = error.get("step") or error.get("nodePath")
        return f"{error.get('category')} in {where}: {error.get('message')}"
    if outcome.waits:
        return f"it waits for {'; '.join(map(waiting_text, outcome.waits))}"
    return ""


def waiting_text(wait: JsonObject) -> str:
    """What a run waits for, and how a test brings it."""
    if "event" in wait:
        key = wait.get("correlationKey")
        if key is None:
            return f"the event {wait['event']} without a correlation key (step {wait['step']}), which nothing matches"
        return (
            f"the event {wait['event']} (step {wait['step']}): "
            f"events: [{{name: {wait['event']}, correlationKey: {key}, payload: {{…}}}}] would bring one"
        )
    return (
        f"an answer to the task {wait['task']} (step {wait['step']}): "
        f"tasks: {{{wait['task']}: {{answer: {{…}}}}}} would give one"
    )


def _steps(expect: Expectation, outcome: Outcome, at: Path) -> Iterator[_Found]:
    if expect.path is not None and expect.path != outcome.path:
        first = _first_difference(expect.path, outcome.path)
        yield _Found("path", (*at, "path"), list(expect.path), list(outcome.path), f"they part at number {first + 1}")
    if expect.path_includes is not None:
        missing = _first_not_in_order(list(expect.path_includes), list(outcome.path))
        if missing is not None:
            yield _Found(
                f"pathIncludes[{missing}]",
                (*at, "pathIncludes", missing),
                expect.path_includes[missing],
                list(outcome.path),
                "is not among the steps that follow",
            )


def _first_difference(left: Sequence[str], right: Sequence[str]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _calls(expect: Expectation, outcome: Outcome, at: Path) -> Iterator[_Found]:
    made = [{name: call[name] for name in _CALL} for call in outcome.calls]
    if expect.calls is not None:
        yield from _all_calls(expect.calls, made, (*at, "calls"))
    if expect.calls_include is not None:
        missing = _first_not_in_order(list(expect.calls_include), made)
        if missing is not None:
            yield _Found(
                f"callsInclude[{missing}]",
                (*at, "callsInclude", missing),
                expect.calls_include[missing],
                MISSING,
                "no such call was made after those listed before it",
            )
    for index, name in enumerate(expect.not_called):
        found = next((call for call in made if name in {call["action"], call["step"]}), None)
        if found is not None:
            yield _Found(f"notCalled[{index}]", (*at, "notCalled", index), name, found, "was called")


def _all_calls(expected: Sequence[JsonObject], made: Sequence[JsonObject], at: Path) -> Iterator[_Found]:
    """Call by call, until it is another action or step: all after that would differ, too."""
    note = f"{len(expected)} calls expected, {len(made)} made"
    for index, (pattern, call) in enumerate(zip(expected, made, strict=False)):
        found = list(mismatches(pattern, call))
        if any(one.path[0] in _WHICH for one in found):
            yield _Found(f"calls[{index}]", (*at, index), pattern, call, f"another call; {note}")
            return
        for one in found:
            yield _Found(
                f"calls[{index}]{_dotted(one.path)}", (*at, index, *one.path), one.expected, one.actual, one.note
            )
    both = min(len(expected), len(made))
    if len(expected) != len(made):
        wanted = expected[both] if len(expected) > both else MISSING
        actual = made[both] if len(made) > both else MISSING
        yield _Found(f"calls[{both}]", (*at, both), wanted, actual, note)


def _first_not_in_order(patterns: list[Json], values: list[Json]) -> int | None:
    """The index of the first pattern that matches none of the values after those that earlier patterns matched."""
    position = 0
    for index, pattern in enumerate(patterns):
        while position < len(values) and next(mismatches(pattern, values[position]), None) is not None:
            position += 1
        if position == len(values):
            return index
        position += 1
    return None


def _waits(pattern: JsonObject, waits: Sequence[JsonObject], path: Path) -> Iterator[_Found]:
    if not any(next(mismatches(pattern, wait), None) is None for wait in waits):
        yield _Found("waitsFor", path, pattern, list(waits) if len(waits) != 1 else waits[0])


def _times(expect: Expectation, outcome: Outcome, at: Path) -> Iterator[_Found]:
    if expect.elapsed is not None and outcome.status != "WAITING":
        least, most = expect.elapsed
        # Moments of runs are kept in milliseconds
        elapsed = outcome.elapsed - outcome.elapsed % timedelta(milliseconds=1)
        if (least is not None and elapsed < least) or (most is not None and elapsed > most + outcome.slack):
            yield _Found("elapsed", (*at, "elapsed"), _span_text(least, most), duration_text(elapsed))
    if expect.finished_at is not None and not _is_at(outcome, expect.finished_at):
        yield _Found("finishedAt", (*at, "finishedAt"), moment_text(expect.finished_at), outcome.finished_at)


def _is_at(outcome: Outcome, expected: datetime) -> bool:
    """Whether the run ended then, in milliseconds, or as much later as the engine needs."""
    if not outcome.finished_at:
        return False
    exact = expected.replace(microsecond=expected.microsecond // 1000 * 1000)
    return timedelta() <= moment(outcome.finished_at) - exact <= outcome.slack


def _span_text(least: timedelta | None, most: timedelta | None) -> str:
    if least == most and least is not None:
        return duration_text(least)
    parts = []
    if least is not None:
        parts.append(f"at least {duration_text(least)}")
    if most is not None:
        parts.append(f"at most {duration_text(most)}")
    return ", ".join(parts)


def _matched(what: str, at: Path, pattern: Json, value: Json) -> Iterator[_Found]:
    for found in mismatches(pattern, value):
        yield _Found(what + _dotted(found.path), (*at, *found.path), found.expected, found.actual, found.note)


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
