"""``control.forEach``, one item after the other or several at once.

Several at once: each item is a strand that starts from the envelope before the loop and keeps a journal of what it
assigns. Journals are merged in the order of the items, whatever the order in which they end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from wfsync.bundle.model import Json, JsonObject
from wfsync.expressions import MISSING
from wfsync.runtime.assignment import Write, write
from wfsync.runtime.definition import ForEachStep
from wfsync.runtime.envelope import scope_of
from wfsync.runtime.interpreter.frames import AtBlock, AtItems, AtLoop, Journal, Strand
from wfsync.runtime.protocol import Pos, StepStatus
from wfsync.runtime.step_failure import StepFailed
from wfsync.runtime.template import evaluate

if TYPE_CHECKING:
    from wfsync.runtime.interpreter.turn import Turn

__all__ = ["abandon", "ended", "enter", "fill", "next_item", "shown_of", "take"]


def enter(turn: Turn, strand: Strand, step: ForEachStep, pos: Pos) -> bool:
    """Begin the loop. Items that are missing or null are none, a single value is one. Raises `StepFailed`."""
    value = evaluate(step.items, scope_of(strand.envelope, strand.local), turn.at)
    items: list[Json] = [] if value is MISSING or value is None else value if isinstance(value, list) else [value]
    if not items:
        turn.record(strand, pos, step, StepStatus.SUCCEEDED, {"items": 0}, {"items": 0, "failed": 0})
        return True
    if step.concurrency == 1 or len(items) == 1:
        loop = AtLoop(step, items, -1, 0, strand.local, strand.iteration)
        strand.stack = (*strand.stack, loop)
        turn.record(strand, pos, step, StepStatus.STARTED, shown_of(step, items))
        return next_item(turn, strand, loop, failed=False)
    strand.stack = (*strand.stack, AtItems(step, items, 0, frozenset(), 0, 0, strand.envelope, None, {}))
    turn.record(strand, pos, step, StepStatus.STARTED, shown_of(step, items))
    return fill(turn, strand)


def shown_of(step: ForEachStep, items: list[Json]) -> JsonObject:
    """What a loop's record shows as its input."""
    return {"items": len(items), "concurrency": step.concurrency}


def _name(iteration: str, index: int) -> str:
    return f"{iteration}.{index}" if iteration else str(index)


def _locals(strand_local: dict[str, Json], step: ForEachStep, items: list[Json], index: int) -> dict[str, Json]:
    return {**strand_local, "index": index, step.item_var: items[index]}


# ---------------------------------------------------------------------------------------------------- one after another


def next_item(turn: Turn, strand: Strand, frame: AtLoop, *, failed: bool) -> bool:
    """The loop, on top of the stack, goes to its next item, or ends and restores its variable."""
    step, index = frame.step, frame.index + 1
    failures = frame.failed + failed
    if index < len(frame.items):
        strand.local = _locals(dict(frame.outer_local), step, frame.items, index)
        strand.iteration = _name(frame.outer_iteration, index)
        strand.stack = (*strand.stack[:-1], replace(frame, index=index, failed=failures), AtBlock(step.body))
        return True
    strand.local, strand.iteration = frame.outer_local, frame.outer_iteration
    strand.stack = strand.stack[:-1]
    output = {"items": len(frame.items), "failed": failures}
    pos = Pos(step.path, strand.iteration)
    turn.record(strand, pos, step, StepStatus.SUCCEEDED, shown_of(step, frame.items), output)
    return True


# ------------------------------------------------------------------------------------------------------ several at once


def fill(turn: Turn, strand: Strand) -> bool:
    """Begin as many items as may run; True when none is left and the loop, on top of the stack, has ended."""
    frame = cast("AtItems", strand.stack[-1])
    step, items, begun = frame.step, frame.items, frame.begun
    live = set(frame.live)
    while begun < len(items) and len(live) < step.concurrency:
        iteration = _name(strand.iteration, begun)
        turn.add(
            Strand(
                f"{step.path}@{iteration}",
                strand.key,
                begun,
                (AtBlock(step.body),),
                strand.envelope,
                _locals(dict(strand.local), step, items, begun),
                iteration,
            )
        )
        turn.ready.append(f"{step.path}@{iteration}")
        live.add(begun)
        begun += 1
    if live:
        strand.stack = (*strand.stack[:-1], replace(frame, begun=begun, live=frozenset(live)))
        return False
    _adopt(strand, frame)
    output = {"items": len(items), "failed": frame.failed}
    pos = Pos(step.path, strand.iteration)
    turn.record(strand, pos, step, StepStatus.SUCCEEDED, shown_of(step, items), output)
    return True


def ended(turn: Turn, item: Strand) -> None:
    """The strand of an item came to its end."""
    strand = turn.own(cast("str", item.parent))
    turn.drop(item)
    try:
        take(strand, item, failed=False)
        goes_on = fill(turn, strand)
    except StepFailed as failed:  # two items assigned what does not go together
        goes_on = turn.fail_loop(strand, failed.failure)
    if goes_on:
        turn.ready.append(strand.key)


def take(strand: Strand, item: Strand, *, failed: bool) -> None:
    """The loop on top of ``strand`` takes what ``item`` assigned.

    Raises `StepFailed` where something cannot be merged: that is left out then, and ``item`` is taken all the same.
    """
    frame = cast("AtItems", strand.stack[-1])
    early = {**frame.early, item.index: item.journal}
    envelope, journal, merged = frame.envelope, frame.journal, frame.merged
    unfit: StepFailed | None = None
    while merged in early:
        try:
            for one in _in_order(early.pop(merged)):
                envelope = write(envelope, *one)
                journal = (journal, one)
        except StepFailed as fault:
            unfit = unfit or fault
        merged += 1
    strand.stack = (
        *strand.stack[:-1],
        replace(
            frame,
            live=frame.live - {item.index},
            failed=frame.failed + failed,
            merged=merged,
            envelope=envelope,
            journal=journal,
            early=early,
        ),
    )
    if unfit is not None:
        raise unfit


def abandon(turn: Turn, strand: Strand, frame: AtItems) -> None:
    """The loop on top of ``strand`` ends before its time: items that still run are canceled, what has ended is kept."""
    for index in sorted(frame.live):
        turn.cancel(turn.own(f"{frame.step.path}@{_name(strand.iteration, index)}"))
    envelope, journal = frame.envelope, frame.journal
    for index in sorted(frame.early):
        for path, value in _in_order(frame.early[index]):
            try:
                envelope = write(envelope, path, value)
            except StepFailed:  # the run has worse troubles than an assignment that does not fit
                continue
            journal = (journal, (path, value))
    _adopt(strand, replace(frame, envelope=envelope, journal=journal))


def _adopt(strand: Strand, frame: AtItems) -> None:
    strand.stack = strand.stack[:-1]
    strand.envelope = frame.envelope
    if strand.parent is not None:
        for one in _in_order(frame.journal):
            strand.journal = (strand.journal, one)


def _in_order(journal: Journal) -> list[Write]:
    found: list[Write] = []
    while journal is not None:
        journal, one = journal
        found.append(one)
    found.reverse()
    return found
