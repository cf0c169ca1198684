"""The live state: every row of the tenant, streamed and reduced to digests, inside the caller's snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from msgspec import structs

from wfsync.bundle.canonical import parse_exact
from wfsync.bundle.dependencies import derive
from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.load import Desired
from wfsync.bundle.model import Workflow
from wfsync.bundle.references import Call, calls, calls_in, plain_uuid
from wfsync.bundle.steps import Steps, steps_of, walk
from wfsync.bundle.structure import relabel
from wfsync.errors import DatabaseError, Problem
from wfsync.plan.state import Live, LiveState, live_state
from wfsync.state.evidence import Proof, recall
from wfsync.state.progress import Track, untracked
from wfsync.state.recognise import Known, Recogniser
from wfsync.state.spread import spread
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import key_problem, to_workflow
from wfsync.store.moment import rfc3339, to_datetime
from wfsync.store.reader import StoredWorkflow, count_null_tenants, read_ids, stream

__all__ = [
    "Reading",
    "Rows",
    "layout_notes",
    "left_out",
    "portable",
    "read_live",
    "reduce_row",
    "reduce_rows",
    "stored_calls",
    "without_tenant",
]

Reading = Literal["all", "unproven", "prove", "anew"]
"""Every row; those of which evidence proves nothing; the same, and fingerprints of all for the evidence to come; every
row, and fingerprints.
"""

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of the database."""

    state: LiveState
    notes: tuple[Problem, ...]
    """Rows that cannot be managed, and what was not found."""
    snapshot: str | None
    """``pg_current_snapshot()`` of the transaction that read it; None where there are no tables."""
    proof: Proof | None = None
    """For an apply, where anything can be proved."""


def read_live(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    recogniser: Recogniser | None = None,
    track: Track = untracked,
    policies: Policies = GIT_OWNS_ALL,
    reading: Reading = "all",
) -> Rows:
    """Read all workflows of ``tenant``; ``conn`` is in a snapshot. Holds one document at a time.

    ``recogniser`` is shown every sound row that is read, so that files which hold the same need not be parsed.
    ``reading`` says how far the ledger's evidence is believed; what it proves is not read.
    """
    notes = list(layout_notes(layout))
    if layout.definitions is None:
        return Rows(LiveState(), tuple(notes), None)
    row = conn.execute("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text").fetchone()
    ids = read_ids(conn, layout, tenant)
    keys_by_id = _sound_keys(ids, notes)
    unowned = count_null_tenants(conn, layout)
    if unowned:
        notes.append(without_tenant(unowned))
    evidence = None
    if reading != "all":
        believed = reading != "anew"
        evidence = recall(conn, layout, tenant, policies, believed=believed, marks=reading != "unproven")
    known = {} if evidence is None else evidence.known
    sound = list(known.values())
    keyless: list[Live] = []
    unsound = {workflow_id for workflow_id, _ in ids if workflow_id not in keys_by_id}
    rest = [workflow_id for workflow_id, _ in ids if workflow_id not in known]
    stored = track(stream(conn, layout, tenant, ids=rest if known else None), "reading the database", len(rest))
    for live, problems in reduce_rows(stored, keys_by_id, recogniser, policies, len(rest)):
        if live.workflow_id in unsound:
            keyless.append(live)
            continue
        sound.append(live)
        notes.extend(problems)
        if problems:
            unsound.add(live.workflow_id)
    if known:
        sound.sort(key=_id)  # as they would have been read
    proof = None
    if evidence is not None and evidence.marks is not None:
        proof = Proof(evidence.marks, frozenset(unsound), evidence.is_complete)
    return Rows(live_state(sound, keyless, keys_by_id), tuple(notes), str(row[0]) if row else None, proof)


def _sound_keys(ids: Iterable[tuple[str, str | None]], notes: list[Problem]) -> dict[str, str]:
    """The keys that files may have, by id; what is wrong with the others goes to ``notes``."""
    keys_by_id: dict[str, str] = {}
    for workflow_id, key in ids:
        problem = key_problem(workflow_id, key)
        if problem is not None:
            notes.append(problem)
        elif key is not None:
            keys_by_id[workflow_id] = key
    return keys_by_id


def _id(live: Live) -> str:
    return live.workflow_id


def layout_notes(layout: InstanceLayout) -> Iterator[Problem]:
    """What a reader of this database must know: tables that are not there, rows that may not be seen."""
    for note in layout.notes:
        yield Problem(code="LAYOUT", severity="warning", message=note)
    if layout.row_security_active:
        yield Problem(
            code="ROW_SECURITY",
            severity="warning",
            message="row-level security is active for this role: rows may be hidden from it",
            hint="connect as a role that sees every row (BYPASSRLS, or the owner without FORCE)",
        )


def reduce_rows(
    rows: Iterable[StoredWorkflow],
    keys_by_id: Mapping[str, str],
    recogniser: Recogniser | None = None,
    policies: Policies = GIT_OWNS_ALL,
    expected: int | None = None,
) -> Iterator[tuple[Live, tuple[Problem, ...]]]:
    """Every row as `reduce_row` gives it, in order, many of them reduced in other processes.

    ``keys_by_id`` has all sound rows of the tenant; ``expected`` is about how many are given, if not all of them.
    ``recogniser`` is shown the rows whose key is theirs alone, and knows afterwards which files hold the same.
    """
    times = Counter(keys_by_id.values())

    def reduce(stored: StoredWorkflow) -> tuple[tuple[Any, ...], tuple[Problem, ...], Desired | None]:
        own = recogniser if stored.key is not None and times[stored.key] == 1 else None
        live, problems, file = _reduced(stored, keys_by_id, own, policies)
        return (
            (live.key, live.workflow_id, live.digest, live.calls, live.versions, live.updated_at, live.updated_by),
            problems,
            file,
        )

    for values, problems, file in spread(rows, reduce, len(keys_by_id) if expected is None else expected):
        if file is not None and recogniser is not None:
            recogniser.note(file)
        yield Live(*values), problems


def reduce_row(
    stored: StoredWorkflow, keys_by_id: Mapping[str, str], policies: Policies = GIT_OWNS_ALL
) -> tuple[Live, tuple[Problem, ...]]:
    """One row, reduced; with warnings when it is no portable workflow. Its digest then is that of its raw content.

    Digests are made under ``policies``: what they say is not git's is not in them.
    """
    return _reduced(stored, keys_by_id, None, policies)[:2]


def _reduced(
    stored: StoredWorkflow, keys_by_id: Mapping[str, str], recogniser: Recogniser | None, policies: Policies
) -> tuple[Live, tuple[Problem, ...], Desired | None]:
    file = None
    problems: tuple[Problem, ...] = ()
    try:
        workflow = to_workflow(stored, _NOTHING)
    except DatabaseError as error:
        problems = left_out(error)
        found, versions = _raw_calls(stored), tuple(v.version for v in stored.versions)
        digest = _raw_digest(stored, policies)
    else:
        steps = [steps_of(definition) for definition in workflow.definitions()]
        found = stored_calls(workflow, steps)
        needs = derive(workflow.metadata, workflow.definitions(), steps)  # of which callees are no part
        if found:
            workflow = portable(workflow, keys_by_id)
        named = tuple(structs.replace(call, target=keys_by_id.get(call.target, call.target)) for call in found)
        digest = policies.digest(workflow, needs)
        file = None if recogniser is None else recogniser.recognise(Known(workflow, steps, needs, named, digest))
        versions = tuple(v.version for v in workflow.versions)
    when = to_datetime(stored.updated_at)
    updated_at = rfc3339(when) if when is not None else None
    key = stored.key if stored.key is not None else stored.workflow_id
    return Live(key, stored.workflow_id, digest, found, versions, updated_at, stored.updated_by), problems, file


def left_out(error: DatabaseError) -> tuple[Problem, ...]:
    """Why a row is no portable workflow, as warnings: the others can be worked with."""
    return tuple(replace(problem, severity="warning") for problem in error.problems)


def portable(workflow: Workflow, keys_by_id: Mapping[str, str]) -> Workflow:
    """``workflow`` with ids of called workflows as keys, where they have one."""
    return relabel(workflow, lambda target: keys_by_id.get(plain_uuid(target), target))


def stored_calls(workflow: Workflow, steps: list[Steps]) -> tuple[Call, ...]:
    """Every call of a stored workflow, targets folded to the server's spelling of an id."""
    found = calls_in(workflow.draft, steps[0], None)
    for published, its_steps in zip(workflow.versions, steps[1:], strict=True):
        found += calls_in(published.definition, its_steps, published.version)
    return tuple(_folded(call) for call in found)


def _folded(call: Call) -> Call:
    target = plain_uuid(call.target)
    return call if target == call.target else Call(call.path, target, call.version, call.in_version)


def _raw_calls(stored: StoredWorkflow) -> tuple[Call, ...]:
    found: list[Call] = []
    for data, version in ((stored.draft, None), *((v.definition, v.version) for v in stored.versions)):
        try:
            tree = parse_exact(data)
        except (ValueError, RecursionError):
            continue
        if isinstance(tree, dict):
            found += calls(walk(tree), version)
    return tuple(_folded(call) for call in found)


def _raw_digest(stored: StoredWorkflow, policies: Policies) -> str:
    metadata = {name: value for name, value in stored.metadata.items() if name not in policies.kept}
    content = sha256(repr((sorted(metadata.items()), stored.draft_version, stored.draft)).encode())
    for version in stored.versions:
        content.update(repr((version.version, version.definition, version.payload_schema)).encode())
    return content.hexdigest()


def without_tenant(count: int) -> Problem:
    """The warning that ``count`` rows belong to nobody."""
    belong = "workflow of the database belongs" if count == 1 else "workflows of the database belong"
    return Problem(
        code="NULL_TENANT",
        severity="warning",
        message=f"{count} {belong} to no tenant (NULL); {'it is' if count == 1 else 'they are'} left alone",
    )
