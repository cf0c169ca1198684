"""``adopt`` and ``release``: what they would change of what is managed, and the change itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from wfsync.apply.adopting import Intent, manage
from wfsync.apply.execute import ApplyOptions
from wfsync.bundle.field_policies import Policies
from wfsync.errors import InputError, Problem
from wfsync.pipeline.stock import Item, Stock
from wfsync.plan.managed import Managed
from wfsync.plan.model import SourceRef, TargetRef
from wfsync.plan.ownership import State
from wfsync.state.managed import read_managed, unreadable
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.access import refused

__all__ = ["Asker", "Managing", "Taken", "adopt", "release"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one key."""

    key: str
    action: Literal["adopted", "released", "unchanged"]
    taken_from: str | None = None
    """The source that managed it before, if another one did."""
    state: State | None = None
    """Of an adopted key, now: what an apply makes of it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and of which database."""

    source: SourceRef
    name: str
    """What the source is called in the ledger."""
    target: TargetRef


@dataclass(frozen=True, slots=True)
class Managing:
    """What one of the commands did."""

    source_name: str
    target: TargetRef
    keys: tuple[Taken, ...]
    """In order of key."""
    apply_id: str | None
    """Its row in the ledger; None where nothing was to be done."""


def adopt(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    keys: Collection[str],
    stock: Stock,
    policies: Policies,
    options: ApplyOptions,
) -> Managing:
    """Manage ``keys`` from the source of ``stock`` from now on, as they stand: rows and files are left as they are.

    An adopted key is never pruned, whoever created it. Raises `InputError` (``WORKFLOW_NOT_FOUND``) naming every key
    that lacks a file, or a row that nobody else manages, and as `wfsync.apply.adopting.manage`.
    """
    items = {item.key: item for item in stock.items}
    _require_both_sides(keys, items)
    policy_of = policies.fingerprints()
    taken: list[Taken] = []
    wanted: list[Managed] = []
    for key in sorted(set(keys)):
        item = items[key]
        before = item.managed
        if before is not None and before.source == stock.source_name:
            taken.append(Taken(key, "unchanged", state=item.state))
            continue
        digest, workflow_id = item.digest, item.workflow_id
        if digest is None or workflow_id is None:  # the row is gone: what the other source knew of it is all there is
            assert before is not None  # noqa: S101 - required above
            digest, workflow_id = before.digest, before.workflow_id
        wanted.append(Managed(key, stock.source_name, "adopted", workflow_id, digest, policy_of(key)))
        taken.append(Taken(key, "adopted", item.standing.managed_by, _afterwards(item)))
    seen = {key: item.managed for key, item in items.items() if item.managed is not None}
    apply_id = None
    if wanted:
        apply_id = manage(conn, layout, tenant, Intent(wanted, seen, stock.source, stock.target), options)
    return Managing(stock.source_name, stock.target, tuple(taken), apply_id)


def _afterwards(item: Item) -> State:
    """How the key stands once it is ours, with the row as it is for its base."""
    if item.state == "in_sync":
        return "in_sync"
    return "database_deleted" if item.workflow_id is None else "git_changed"


def _require_both_sides(keys: Iterable[str], items: dict[str, Item]) -> None:
    problems = []
    for key in sorted(set(keys)):
        item = items.get(key)
        if item is None or item.file is None:
            where = "no file has this key" if item is not None else "neither a file nor a single row has this key"
            problems.append(Problem(code="WORKFLOW_NOT_FOUND", message=where, key=key))
        elif item.workflow_id is None and item.managed is None:
            message = "it is not in the database; `wfsync apply` creates it"
            problems.append(Problem(code="WORKFLOW_NOT_FOUND", message=message, key=key))
    _refuse(problems, "adopted", "WORKFLOW_NOT_FOUND")


def release(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    keys: Collection[str],
    asker: Asker,
    options: ApplyOptions,
) -> Managing:
    """End the holds of ``keys``: the next apply makes them what their files say.

    Raises `InputError` (``NOT_HELD``) naming every key that is not held for this source, `DatabaseError`
    (``LEDGER_UNAVAILABLE``) where that cannot be read, and as `wfsync.apply.adopting.manage`.
    """
    with snapshot(conn):
        state = read_managed(conn, tenant)
        blind = (
            None if state.exists else unreadable(conn, "what a rollback holds stands there, so nothing was released")
        )
    if blind is not None:
        raise refused(blind)
    managed = state.by_key
    problems = []
    wanted = []
    for key in sorted(set(keys)):
        item = managed.get(key)
        if item is None or item.held is None:
            problems.append(Problem(code="NOT_HELD", message="no rollback holds it", key=key))
        elif item.source != asker.name:
            message = f"it is managed by another source, {item.source}, and released from there"
            problems.append(Problem(code="NOT_HELD", message=message, key=key))
        else:
            wanted.append(structs.replace(item, held=None, held_policy=None))
    _refuse(problems, "released", "NOT_HELD")
    apply_id = manage(conn, layout, tenant, Intent(wanted, managed, asker.source, asker.target), options)
    return Managing(asker.name, asker.target, tuple(Taken(item.key, "released") for item in wanted), apply_id)


def _refuse(problems: list[Problem], done: str, code: str) -> None:
    if problems:
        raise InputError(
            f"nothing was {done}: {len(problems)} key{'s' * (len(problems) != 1)} cannot be",
            code=code,
            hint="`wfsync status` lists the keys",
            problems=problems,
        )
