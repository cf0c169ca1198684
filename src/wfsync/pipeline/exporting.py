"""database → files: what differs, written all or nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from wfsync.bundle import fingerprint
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.model import MAX_WORKFLOW_BYTES, Workflow
from wfsync.bundle.parse import Syntax
from wfsync.errors import Conflict, DatabaseError, InputError, Place, Problem
from wfsync.export.report import ExportItem, ExportReport
from wfsync.export.tree import file_bytes
from wfsync.plan.resolve import resolution
from wfsync.repo.atomic import AtomicWriter
from wfsync.repo.files import read_regular
from wfsync.repo.layout import path_for, syntax_of
from wfsync.repo.source import MAX_FILE_BYTES, Entry
from wfsync.state.desired import DesiredState, Loading
from wfsync.state.live import layout_notes, left_out, portable, reduce_rows, without_tenant
from wfsync.state.progress import Track, untracked
from wfsync.store.connection import Connection, snapshot
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.mapping import exported_at, key_problem, to_workflow, unheld_metadata
from wfsync.store.reader import StoredWorkflow, count_null_tenants, read_ids, stream

__all__ = ["Destination", "ExportRequest", "export_bundle", "export_files"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported, and how."""

    patterns: tuple[str, ...]
    """Keys or globs; none: everything."""
    syntax: Syntax = "json"
    """Of files that do not exist yet; an existing one keeps its own."""
    drop_comments: bool = False
    check: bool = False
    """Only tell."""
    track: Track = untracked


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go: the bundles of one repository."""

    root: str
    """Absolute; every path is relative to it."""
    directory: str
    """Of files that do not exist yet."""
    loading: Loading | None
    """The files that are there; None when the folder does not exist."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rows that an export is about."""

    keys_by_id: Mapping[str, str]
    """All sound rows: what calls are named by."""
    ids: frozenset[str]
    everything: bool
    problems: tuple[Problem, ...]
    known: frozenset[str]
    """Every key of the database."""


def export_files(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    request: ExportRequest,
    to: Destination,
    *,
    commit: bool = False,
) -> ExportReport:
    """Write the files whose value differs from the database's, each canonical; the others keep all their bytes.

    All temporary files are written before the first rename. Raises `InputError` when an existing file is unsound or an
    asked key has no (sound) row, `Conflict` (``AMBIGUOUS_KEY``) when it has several, `RepositoryError` when writing
    fails.
    """
    layout.require_readable()
    with snapshot(conn):
        chosen = _choose(conn, layout, tenant, request.patterns)
        present = _present(to)
        digests: dict[str, str] = {}
        if to.loading is not None and to.loading.source.entries:
            # Files that hold what their row holds are recognised on the way. Rows that differ are read once more below
            digests = _digests(conn, layout, tenant, chosen, to.loading)
            present = to.loading.finish()
            known = resolution(present.by_key.values(), chosen.keys_by_id)
            present = present.resolved(known, unheld_metadata(layout))
        differing = [i for i in chosen.ids if not _is_equal(present, chosen.keys_by_id[i], digests.get(i))]
        items = [
            ExportItem(chosen.keys_by_id[i], present.by_key[chosen.keys_by_id[i]].file, "unchanged")
            for i in chosen.ids - set(differing)
        ]
        problems = [*chosen.problems]
        writing = AtomicWriter(to.root, sweep=(to.directory,)) if not request.check else nullcontext(None)
        with writing as writer:
            written: list[str] = []
            for stored in request.track(_stream(conn, layout, tenant, chosen, differing), "exporting", len(differing)):
                try:
                    workflow = portable(to_workflow(stored, {}), chosen.keys_by_id)
                except DatabaseError as error:
                    problems += left_out(error)
                    continue
                workflow, is_said, moved = _as_file(workflow, present)
                problems += moved
                if is_said:
                    file = present.by_key[workflow.key].file
                    items.append(ExportItem(workflow.key, file, "overlaid" if moved else "unchanged"))
                    continue
                item, data, problem = _file(workflow, exported_at(stored), present, request, to)
                if data is not None and len(data) > MAX_WORKFLOW_BYTES:
                    problems.append(_too_large(workflow.key))
                    continue
                items.append(item)
                if problem is not None:
                    problems.append(problem)
                if writer is not None and data is not None:
                    written.append(_path(workflow.key, present, request, to))
                    writer.add(written[-1], data)
            _refuse_asked(request, problems)
            if writer is not None:
                if commit:
                    _require_commit(to, written)
                writer.commit()
    items += _without_row(present, chosen, request)
    return ExportReport(tuple(sorted(items, key=lambda item: item.key)), tuple(problems), tuple(written))


def export_bundle(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, request: ExportRequest
) -> tuple[bytes, tuple[Problem, ...]]:
    """All chosen workflows as one bundle, in order of key; with the rows that were left out.

    Raises as `export_files`; an empty database has no bundle (a bundle holds at least one workflow).
    """
    layout.require_readable()
    with snapshot(conn):
        chosen = _choose(conn, layout, tenant, request.patterns)
        workflows: list[Workflow] = []
        moments: list[datetime] = []
        problems = [*chosen.problems]
        for stored in _stream(conn, layout, tenant, chosen, list(chosen.ids)):
            try:
                workflows.append(portable(to_workflow(stored, {}), chosen.keys_by_id))
            except DatabaseError as error:
                problems += left_out(error)
                continue
            moments.append(exported_at(stored))
    _refuse_asked(request, problems)
    if not workflows:
        raise InputError(
            "there is no workflow to export", code="WORKFLOW_NOT_FOUND", hint="a bundle holds at least one"
        )
    workflows.sort(key=lambda workflow: workflow.key)
    return file_bytes(workflows, max(moments), request.syntax), tuple(problems)


def _choose(conn: Connection, layout: InstanceLayout, tenant: Tenant | None, patterns: tuple[str, ...]) -> _Chosen:
    keys_by_id: dict[str, str] = {}
    rows: dict[str, list[str]] = {}
    problems = list(layout_notes(layout))
    for workflow_id, key in read_ids(conn, layout, tenant):
        problem = key_problem(workflow_id, key)
        if problem is None and key is not None:
            keys_by_id[workflow_id] = key
            rows.setdefault(key, []).append(workflow_id)
        elif problem is not None:
            problems.append(problem)
    unowned = count_null_tenants(conn, layout)
    if unowned:
        problems.append(without_tenant(unowned))
    wanted = {key for key in rows if not patterns or any(fnmatchcase(key, p) for p in patterns)}
    _refuse_unknown(patterns, rows, problems)
    ambiguous = {key: rows[key] for key in sorted(wanted) if len(rows[key]) > 1}
    asked = {key: ids for key, ids in ambiguous.items() if key in patterns}
    if asked:
        raise Conflict(
            f"several rows have the key {', '.join(asked)}",
            code="AMBIGUOUS_KEY",
            hint="give all rows but one another key (or NULL)",
            details={"workflowIds": asked},
        )
    problems += [
        Problem(
            code="AMBIGUOUS_KEY", severity="warning", key=key, message=f"has several rows: {', '.join(ids)}; left out"
        )
        for key, ids in ambiguous.items()
    ]
    ids = frozenset(rows[key][0] for key in wanted if key not in ambiguous)
    return _Chosen(keys_by_id, ids, not patterns, tuple(problems), frozenset(rows))


def _refuse_unknown(patterns: tuple[str, ...], rows: Mapping[str, object], unsound: Collection[Problem]) -> None:
    unknown = [p for p in patterns if not any(fnmatchcase(key, p) for key in rows)]
    invalid = [replace(problem, severity="error") for problem in unsound if problem.key in unknown]
    if invalid:
        raise InputError(
            "a row that was asked for has a key that no file can have", problems=invalid, code="INVALID_KEY"
        )
    if unknown:
        raise InputError(
            f"the database has no workflow {', '.join(unknown)}",
            code="WORKFLOW_NOT_FOUND",
            hint="`wfsync export --all --check` lists what there is",
            details={"keys": unknown},
        )


def _refuse_asked(request: ExportRequest, problems: list[Problem]) -> None:
    """Rows that cannot be exported cost an error only when they were asked for by name."""
    asked = [replace(p, severity="error") for p in problems if p.code == "INVALID_ROW" and p.key in request.patterns]
    if asked:
        raise InputError("a row that was asked for is no portable workflow", code="INVALID_ROW", problems=asked)


def _present(to: Destination) -> DesiredState:
    if to.loading is None or not to.loading.source.entries:
        return DesiredState(None, {}, ())
    return DesiredState(None, {}, (), to.loading.source.reader, {e.label: e for e in to.loading.source.entries})


def _digests(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, chosen: _Chosen, loading: Loading
) -> dict[str, str]:
    rows = stream(conn, layout, tenant, ids=None if chosen.everything else sorted(chosen.ids))
    wanted = (row for row in rows if row.workflow_id in chosen.ids)
    reduced = reduce_rows(wanted, chosen.keys_by_id, loading.recogniser, loading.options.policies)
    return {row.workflow_id: row.digest for row, _ in reduced}


def _stream(
    conn: Connection, layout: InstanceLayout, tenant: Tenant | None, chosen: _Chosen, ids: Collection[str]
) -> Iterator[StoredWorkflow]:
    if not ids:
        return
    everything = chosen.everything and len(ids) == len(chosen.ids)
    wanted = frozenset(ids)
    for row in stream(conn, layout, tenant, ids=None if everything else sorted(ids)):
        if row.workflow_id in wanted:
            yield row


def _is_equal(present: DesiredState, key: str, digest: str | None) -> bool:
    item = present.by_key.get(key)
    return item is not None and item.digest == digest


def _as_file(stored: Workflow, present: DesiredState) -> tuple[Workflow, bool, list[Problem]]:
    """``stored`` as its file should say it: fields that are not git's, and what an overlay lies on, as the file has
    them. Whether the file says just that; and a warning where the database has changed what an overlay lies on, which
    no base file can take up.

    Without a file nobody knows what a value was before the overlay: the new file says what the database holds.
    """
    policies, item = present.policies, present.by_key.get(stored.key)
    if item is None or not (policies.kept or policies.overlay.of(stored.key)):
        return stored, False, []
    workflow, moved = policies.take_out(stored, present.workflow(item))
    laid = policies.lay(workflow)
    is_said = policies.digest(replace(laid, metadata={**laid.metadata, **present.unheld})) == item.digest
    return workflow, is_said, [_overlaid(stored.key, moved, policies.overlay.file)] if moved else []


def _overlaid(key: str, fields: Sequence[str], overlay: str) -> Problem:
    return Problem(
        code="OVERLAY_DIFFERS",
        severity="warning",
        key=key,
        message=f"the database has another {', '.join(fields)} than the overlay {overlay} lays on it; files of all"
        " environments do not take that up",
        place=Place(overlay),
        hint="carry it over into the overlay by hand, or apply again",
        details={"fields": list(fields)},
    )


def _entry(key: str, present: DesiredState) -> Entry | None:
    item = present.by_key.get(key)
    return present.entries[item.file] if item is not None else None


def _path(key: str, present: DesiredState, request: ExportRequest, to: Destination) -> str:
    entry = _entry(key, present)
    return (
        entry.path if entry is not None else path_for("" if to.directory == "." else to.directory, key, request.syntax)
    )


def _file(
    workflow: Workflow, moment: datetime, present: DesiredState, request: ExportRequest, to: Destination
) -> tuple[ExportItem, bytes | None, Problem | None]:
    """The item, the bytes to write (None: leave the file alone), and what a person should know."""
    path = _path(workflow.key, present, request, to)
    entry = _entry(workflow.key, present)
    label = entry.label if entry is not None else os.path.relpath(f"{to.root}/{path}")
    syntax = syntax_of(path)
    data = file_bytes([workflow], moment, syntax)
    unlisted = _unlisted(f"{to.root}/{path}", label) if entry is None else None
    if entry is None and unlisted is None:
        return ExportItem(workflow.key, label, "created"), data, None
    if unlisted is not None and _says(unlisted, syntax, label) == fingerprint.digest(workflow):
        return ExportItem(workflow.key, label, "unchanged"), None, None
    if syntax == "yaml" and not request.drop_comments:
        old = unlisted if entry is None else present.text(entry.label)
        if old is not None and _has_comments(old):
            return ExportItem(workflow.key, label, "kept"), None, _comments(workflow.key, label)
    return ExportItem(workflow.key, label, "updated"), data, None


def _unlisted(path: str, label: str) -> bytes | None:
    """A file that stands where a new one would go: git ignores it, so it is no bundle of the repository."""
    return read_regular(path, limit=MAX_FILE_BYTES, label=label) if os.path.lexists(path) else None


def _says(data: bytes, syntax: Syntax, label: str) -> str | None:
    """The digest of the one workflow in ``data``; None when that is no sound bundle."""
    workflows = load(data, syntax, label, LoadOptions(definitions="warn")).workflows
    return workflows[0].digest if workflows else None


def _has_comments(data: bytes) -> bool:
    from wfsync.bundle.yaml_text import has_comments

    return has_comments(data)


def _too_large(key: str) -> Problem:
    # The indent of what is deeply nested can make a file many times as large as its row
    return Problem(
        code="INVALID_ROW",
        severity="warning",
        key=key,
        message=f"its file would be larger than a file may be ({MAX_WORKFLOW_BYTES >> 20} MiB); it was left out",
        hint="No file can hold this; correct the workflow in the instance.",
    )


def _comments(key: str, label: str) -> Problem:
    return Problem(
        code="COMMENTS_KEPT",
        severity="warning",
        key=key,
        message="differs from the database, but the file has comments that an export would lose; it was left alone",
        place=Place(label),
        hint="carry the change over by hand, or export with --drop-comments",
    )


def _without_row(present: DesiredState, chosen: _Chosen, request: ExportRequest) -> list[ExportItem]:
    return [
        ExportItem(key, item.file, "no_row")
        for key, item in present.by_key.items()
        if key not in chosen.known and (not request.patterns or any(fnmatchcase(key, p) for p in request.patterns))
    ]


def _require_commit(to: Destination, written: list[str]) -> None:
    """Refuse before anything is written what could not be committed afterwards."""
    from wfsync.repo.commit import check_commit

    check_commit(to.root, written)


def commit_report(report: ExportReport, to: Destination, message: str) -> str | None:
    """Commit the files that ``report`` names as written; the commit's id, None when they are as in HEAD."""
    from wfsync.repo.commit import commit_paths

    return commit_paths(to.root, report.written, message)
