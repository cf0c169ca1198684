"""One workflow on two sides: file against database, two revisions, two published versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.model import Workflow
from wfsync.bundle.structure import relabel
from wfsync.errors import Conflict, InputError
from wfsync.plan.change import FieldChange
from wfsync.plan.diff import compare
from wfsync.plan.resolve import resolution
from wfsync.repo.layout import key_of
from wfsync.repo.source import Source
from wfsync.state.desired import begin_loading
from wfsync.state.live import portable
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import to_workflow
from wfsync.store.reader import read_ids, stream

__all__ = ["Comparison", "between_versions", "compare_sides", "in_database", "in_files"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, from the first side to the second; a side that lacks the workflow is named."""

    key: str
    before: str
    """What the first side is, in words."""
    after: str
    paths: tuple[FieldChange, ...]
    missing: str | None = None
    """The side, in words, that has no such workflow."""


def in_files(source: Source, key: str, options: LoadOptions) -> Workflow | None:
    """The workflow as its file says it, with the overlay of ``options``; None when no file is named like ``key``.

    Raises `InputError` for a bad file.
    """
    entries = tuple(entry for entry in source.entries if key_of(entry.path) == key)
    if not entries:
        return None
    state = begin_loading(replace(source, entries=entries, problems=()), options).finish()
    item = state.by_key.get(key)
    return None if item is None else options.policies.lay(state.workflow(item))


def in_database(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, key: str
) -> tuple[Workflow | None, dict[str, str]]:
    """The workflow as the database holds it, and every key by id. Raises `Conflict` when several rows have the key."""
    with snapshot(conn):
        rows = read_ids(conn, layout, tenant)
        ids = [workflow_id for workflow_id, row_key in rows if row_key == key]
        if len(ids) > 1:
            raise Conflict(f"{len(ids)} rows have the key {key}: {', '.join(ids)}", code="AMBIGUOUS_KEY")
        stored = list(stream(conn, layout, tenant, ids=ids)) if ids else []
    keys_by_id = {workflow_id: row_key for workflow_id, row_key in rows if row_key is not None}
    return (portable(to_workflow(stored[0], {}), keys_by_id) if stored else None), keys_by_id


def compare_sides(
    key: str,
    before: tuple[str, Workflow | None],
    after: tuple[str, Workflow | None],
    keys_by_id: dict[str, str] | None = None,
    policies: Policies = GIT_OWNS_ALL,
) -> Comparison:
    """Compare two sides, each with its name; fields that ``policies`` keep as they are before never differ.

    Raises `InputError` (``WORKFLOW_NOT_FOUND``) when both lack the workflow.
    """
    known = resolution((), keys_by_id or {})
    sides = [None if w is None else relabel(w, known.key_of) for _, w in (before, after)]
    if sides[0] is None and sides[1] is None:
        raise InputError(
            f"there is no workflow {key}, neither in {before[0]} nor in {after[0]}",
            code="WORKFLOW_NOT_FOUND",
            hint="`wfsync plan` lists the keys that differ",
        )
    if sides[0] is None or sides[1] is None:
        missing = before[0] if sides[0] is None else after[0]
        return Comparison(key, before[0], after[0], (), missing)
    kept = replace(sides[1], metadata=policies.keep(sides[1].metadata, sides[0].metadata))
    return Comparison(key, before[0], after[0], compare(sides[0], kept))


def between_versions(key: str, workflow: Workflow, numbers: Iterable[int]) -> Comparison:
    """Compare two published versions of one workflow. Raises `InputError` when it lacks one of them."""
    first, second = numbers
    published = {version.version: version for version in workflow.versions}
    unknown = [number for number in (first, second) if number not in published]
    if unknown:
        has = ", ".join(map(str, published)) or "none"
        raise InputError(
            f"{key} has no published version {', '.join(map(str, unknown))} (it has: {has})", code="VERSION_NOT_FOUND"
        )
    sides = [replace(workflow, versions=(replace(published[n], version=first),)) for n in (first, second)]
    inside = f"versions[{first}]."  # both sides' number here, so it says nothing
    paths = tuple(replace(c, path=c.path.removeprefix(inside)) for c in compare(sides[0], sides[1]))
    return Comparison(key, f"version {first}", f"version {second}", paths)
