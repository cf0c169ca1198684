"""What an earlier run found, where neither side has moved since: commands that only look need not compare again.

Only what leaves nothing to say is remembered: a plan without changes, warnings and refusals, a stock in which all
agrees. Whatever else there is to be told is found by comparing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from wfsync.pipeline.options import PlanOptions, source_of
from wfsync.pipeline.stock import QUIET, Stock
from wfsync.plan.model import Plan, TargetRef
from wfsync.plan.ownership import State
from wfsync.repo.cache import cache_folder
from wfsync.repo.source import Source
from wfsync.state import findings
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant

__all__ = ["recalled_plan", "recalled_stock"]

Where: TypeAlias = tuple[Connection, InstanceLayout, Tenant | None]
Result = TypeVar("Result")
Finding = TypeVar("Finding")


class Files(Protocol):
    """The files of a comparison: `wfsync.state.desired.Loading`."""

    @property
    def source(self) -> Source:
        """What files there are."""
        ...

    @property
    def are_as_listed(self) -> bool:
        """Whether what was read of them is what their stamps stand for; asked once all are loaded."""
        ...


def recalled_plan(
    where: Where,
    files: Files,
    rules: object,
    target: TargetRef,
    options: PlanOptions,
    make: Callable[[], Plan],
) -> Plan:
    """The plan that ``make`` would make of the files and the rows at ``where``; ``make`` is asked unless it is known.

    ``files`` are asked after the rows were looked at, while somebody may still look for them. ``rules`` are those under
    which they are read; the plan's own are in ``options``. Raises what looking for files and ``make`` raise, and
    `DatabaseError`.
    """

    def told(plan: Plan) -> int | None:
        return None if plan.changes or plan.warnings or plan.blocks or plan.kept else plan.unchanged

    def again(unchanged: int) -> Plan:
        on_drift = options.brakes.on_drift
        return Plan(
            source_of(files.source.info),
            target,
            options.overwrite,
            (),
            unchanged,
            prune=options.prune,
            on_drift=on_drift,
        )

    if options.reading != "unproven":
        return make()
    return _recalled(where, files, ("plan", rules, options.rules), make, told, again, int)


def recalled_stock(
    where: Where,
    files: Files,
    rules: object,
    target: TargetRef,
    options: PlanOptions,
    make: Callable[[], Stock],
) -> Stock:
    """The stock that ``make`` would take, as `recalled_plan`; where it is known, its keys are only counted."""

    def told(stock: Stock) -> dict[State, int] | None:
        counts = Counter(item.state for item in stock.items)
        return counts if stock.has_ledger and counts.keys() <= QUIET and not stock.warnings + stock.ambiguous else None

    def again(counts: dict[State, int]) -> Stock:
        return Stock(source_of(files.source.info), options.source or "", target, True, (), (), unlisted=counts)

    return _recalled(where, files, ("status", rules, options.rules), make, told, again, dict[State, int])


def _recalled(
    where: Where,
    files: Files,
    rules: tuple[object, ...],
    make: Callable[[], Result],
    told: Callable[[Result], Finding | None],
    again: Callable[[Finding], Result],
    kind: type[Finding],
) -> Result:
    """What ``again`` makes of a finding of this ``kind`` that holds still, else what ``make`` makes; then what is
    ``told`` of it (None: too much) is remembered if both sides were the same before and after.
    """
    rows = _look(where) if cache_folder() is not None else None
    sides = None if rows is None else findings.both(rows, files.source, *rules)
    if rows is None or sides is None:
        return make()
    known = findings.recall(sides)
    if known is not None:
        return again(msgspec.msgpack.decode(known, type=kind))
    result = make()
    finding = told(result)
    if finding is not None and files.are_as_listed and rows.stayed(_look(where)):
        findings.keep(sides, msgspec.msgpack.encode(finding))
    return result


def _look(where: Where) -> findings.Rows | None:
    with snapshot(where[0]):
        return findings.look_at_rows(*where)
