"""Cuts two JSON values down to where they differ, before deepdiff sees them.

deepdiff takes milliseconds for a document even when both sides are equal, and has ideas of its own about types, private
names, long lists and multi-line text. So it is given a pair of nested objects that hold differing members only:

* a leaf is *canonical text*: ``True`` and ``1`` differ, ``1`` and ``1.0`` do not;
* a list is an object by `Item`, its items aligned first, so that an insertion in the middle is one addition;
* what is too deep, or too much, is one leaf: a change of the whole.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple, TypeAlias

from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import Json, JsonObject
from wfsync.plan.secrets import is_reference

__all__ = ["Item", "Reduced", "align", "reduce_pair", "same"]

MAX_DEPTH: Final = 64
"""Below this depth a difference is shown as a change of the whole sub-tree."""
MAX_LEAVES: Final = 1000
"""With more differences than this inside one field, the field is shown as changed as a whole."""
MAX_TOTAL: Final = 4000
"""The same for all fields of one pair together."""
MAX_ALIGNED: Final = 40_000
"""Lists whose differing middles multiply to more than this are compared by position."""

_PRESENT: Final = "present"

Reduced: TypeAlias = dict[Any, Any]
"""Nested objects by member name or `Item`; leaves are text."""


class Item(NamedTuple):
    """One item of a pair of lists, by its index on either side; None where that side does not have it."""

    old: int | None
    new: int | None


def same(old: Json, new: Json) -> bool:
    """True when both have the same canonical text. ``==`` alone would take true for 1."""
    if old is new:
        return True
    return bool(old == new) and _same_types(old, new)


def _same_types(old: Json, new: Json) -> bool:
    """For values that are equal: True when no boolean stands where the other side has a number."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, dict):
        return all(_same_types(value, new[name]) for name, value in old.items())
    if isinstance(old, list):
        return all(map(_same_types, old, new))
    return True


def reduce_pair(old: JsonObject, new: JsonObject) -> tuple[Reduced, Reduced]:
    """The members that differ, on both sides; ``({}, {})`` when none does."""
    left: Reduced = {}
    right: Reduced = {}
    spare = MAX_TOTAL
    for name in sorted(old.keys() | new.keys()):
        budget = _Budget(min(spare, MAX_LEAVES))
        try:
            _member(name, old, new, left, right, 1, budget)
        except _TooMuchError:
            if name in old:
                left[name] = _leaf(old[name], "old") if name in new else _PRESENT
            if name in new:
                right[name] = _leaf(new[name], "new") if name in old else _PRESENT
        else:
            spare -= budget.spent
    return left, right


class _TooMuchError(Exception):
    """There are more differences than anybody would read."""


class _Budget:
    """Counts leaves; the one mutable thing here, local to a call of `reduce_pair`."""

    __slots__ = ("limit", "spent")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0

    def spend(self) -> None:
        if self.spent >= self.limit:
            raise _TooMuchError
        self.spent += 1


def _member(
    name: str, old: JsonObject, new: JsonObject, left: Reduced, right: Reduced, depth: int, budget: _Budget
) -> None:
    if name not in old:
        budget.spend()
        right[name] = _PRESENT
    elif name not in new:
        budget.spend()
        left[name] = _PRESENT
    elif not same(old[name], new[name]):
        left[name], right[name] = _differing(old[name], new[name], depth, budget)


def _differing(old: Json, new: Json, depth: int, budget: _Budget) -> tuple[Reduced | str, Reduced | str]:
    """Two values that are not the same: nested objects of what differs, or two leaves."""
    left: Reduced = {}
    right: Reduced = {}
    if depth < MAX_DEPTH and isinstance(old, dict) and isinstance(new, dict) and is_reference(old) == is_reference(new):
        for name in sorted(old.keys() | new.keys()):
            _member(name, old, new, left, right, depth + 1, budget)
        return left, right
    if depth < MAX_DEPTH and isinstance(old, list) and isinstance(new, list):
        for item in align(old, new):
            if item.old is None:
                budget.spend()
                right[item] = _PRESENT
            elif item.new is None:
                budget.spend()
                left[item] = _PRESENT
            else:
                left[item], right[item] = _differing(old[item.old], new[item.new], depth + 1, budget)
        return left, right
    budget.spend()
    return _leaf(old, "old"), _leaf(new, "new")


def _leaf(value: Json, otherwise: str) -> str:
    """The canonical text of ``value``; ``otherwise`` where there is none, as rows of others may hold it."""
    try:
        return compact_bytes(value).decode()
    except ValueError:
        return otherwise


def align(old: list[Json], new: list[Json]) -> list[Item]:
    """The items that differ: pairs that are to be compared, removals and additions. Equal items are left out."""
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and same(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    stop_old, stop_new = len(old) - end, len(new) - end
    if (stop_old - start) * (stop_new - start) > MAX_ALIGNED:
        return _paired(range(start, stop_old), range(start, stop_new), old, new)
    texts_old = [_leaf(value, f"old {i}") for i, value in enumerate(old[start:stop_old])]
    texts_new = [_leaf(value, f"new {j}") for j, value in enumerate(new[start:stop_new])]
    items: list[Item] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, texts_old, texts_new, autojunk=False).get_opcodes():
        if tag != "equal":
            items += _paired(range(start + i1, start + i2), range(start + j1, start + j2), old, new)
    return items


def _paired(olds: range, news: range, old: list[Json], new: list[Json]) -> list[Item]:
    """Pairs the items of a stretch without ever crossing: objects by what names them, what lies between in order."""
    by_name = {name: j for j in reversed(news) if (name := _name_of(new[j])) is not None}
    anchors: list[tuple[int, int]] = []
    next_new = news.start
    for i in olds:
        j = by_name.get(name) if (name := _name_of(old[i])) is not None else None
        if j is not None and j >= next_new:
            anchors.append((i, j))
            next_new = j + 1
    items: list[Item] = []
    i, j = olds.start, news.start
    for anchor_old, anchor_new in [*anchors, (olds.stop, news.stop)]:
        together = min(anchor_old - i, anchor_new - j)
        pairs = [*zip(range(i, i + together), range(j, j + together), strict=True)]
        if anchor_old < olds.stop:
            pairs.append((anchor_old, anchor_new))
        items += [Item(a, b) for a, b in pairs if not same(old[a], new[b])]
        items += [Item(a, None) for a in range(i + together, anchor_old)]
        items += [Item(None, b) for b in range(j + together, anchor_new)]
        i, j = anchor_old + 1, anchor_new + 1
    return items


def _name_of(item: Json) -> tuple[str, str] | None:
    """What names an object in a list, where something does."""
    if isinstance(item, dict):
        for field in ("id", "key", "name"):
            if isinstance(item.get(field), str):
                return field, item[field]
    return None
