"""A draft in a file → one version more in the same file: found, checked, written by rename."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.load import LoadOptions, load, read_workflows
from wfsync.bundle.model import Workflow
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.structure import bundle_tree, relabel
from wfsync.errors import InputError, Place, Problem, RepositoryError, WfsyncError
from wfsync.pipeline.formatting import written
from wfsync.publishing.checking import Surroundings, finds_in
from wfsync.publishing.report import Finds, Report
from wfsync.publishing.version import is_published, require_portable, with_version
from wfsync.repo.atomic import AtomicWriter
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Source
from wfsync.runtime.publish_checks import Callees

__all__ = ["FileOptions", "publish_in_file"]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a publish goes."""

    load: LoadOptions
    """The rules under which the repository's files are read."""
    check_only: bool = False
    allow_unchanged: bool = False
    drop_comments: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    """The file of one workflow, as it was read."""

    entry: Entry
    data: bytes
    syntax: Syntax
    workflow: Workflow
    origin_id: str | None


def publish_in_file(source: Source, key: str, around: Surroundings, options: FileOptions) -> Report:
    """Publish the draft of ``key`` in its file, or say why not: then no byte is changed.

    Raises `InputError`: ``WORKFLOW_NOT_FOUND``, ``DUPLICATE_KEY``, every fault of the file, ``COMMENTS_LOST``,
    ``CALLED_BY_ID``; and `RepositoryError` when it cannot be read or written, or somebody else wrote it
    meanwhile.
    """
    file = _read(source, _entry(source, key), options.load)
    workflow = file.workflow
    report = Report(key, "unchanged", _newest(workflow), file.entry.label, in_database=False, finds=_NOTHING_FOUND)
    if is_published(workflow) and not options.check_only and not options.allow_unchanged:
        return report
    document = read_document(file.data, file.syntax, file.entry.label)
    after = with_version(workflow, around.registry)
    finds = finds_in(workflow, around, _callees(source, after, options.load), document.source)
    version = _newest(after)
    if options.check_only:
        return replace(report, action="checked", version=version, finds=finds)
    if finds.has_errors:
        return replace(report, action="refused", version=None, finds=finds)
    require_portable(after)
    _require_no_comments(file, options)
    _require_no_callers_by_id(source, file)
    _write(source, file, written(bundle_tree([after], document.tree["exportedAt"]), file.syntax))
    return replace(report, action="published", version=version, finds=finds)


_NOTHING_FOUND = Finds((), ())


def _newest(workflow: Workflow) -> int | None:
    return workflow.versions[-1].version if workflow.versions else None


def _entry(source: Source, key: str) -> Entry:
    """The one file that is named like ``key``."""
    found = [entry for entry in source.entries if key_of(entry.path) == key]
    if len(found) == 1:
        return found[0]
    if found:
        places = tuple(Place(entry.label) for entry in found)
        problem = Problem(code="DUPLICATE_KEY", message="has two files", place=places[0], key=key, related=places[1:])
        raise InputError(
            f"{key} has {len(found)} files", code="DUPLICATE_KEY", hint="keep one of them", problems=[problem]
        )
    unread = [problem for problem in source.problems if problem.key == key]
    if unread:
        raise InputError(f"the file of {key} cannot be read", code=unread[0].code, problems=unread)
    from difflib import get_close_matches

    close = get_close_matches(key, [key_of(entry.path) for entry in source.entries], n=1)
    raise InputError(
        f"no file holds the workflow {key[:200]!r}",
        code="WORKFLOW_NOT_FOUND",
        hint=f"did you mean {close[0]}?" if close else "`wfsync new KEY` writes one, `wfsync export KEY` fetches one",
    )


def _read(source: Source, entry: Entry, options: LoadOptions) -> _File:
    """The workflow of a sound file. Raises `InputError` with every fault."""
    data, syntax = source.read(entry), syntax_of(entry.path)
    loaded = load(data, syntax, entry.label, replace(options, registry=None, digests=False), name=key_of(entry.path))
    errors = [problem for problem in loaded.problems if problem.is_error]
    if errors:
        raise InputError(
            f"{entry.label} has {len(errors)} fault{'s' * (len(errors) != 1)}, so nothing is published from it",
            code=errors[0].code,
            problems=errors,
        )
    workflow = read_workflows(data, syntax, entry.label)[0]
    origin = loaded.workflows[0].origin_id
    if origin is not None:  # calls of itself by the id that it had elsewhere: a file says the key
        workflow = relabel(workflow, lambda target: workflow.key if target.lower() == origin else target)
    return _File(entry, data, syntax, workflow, origin)


def _callees(source: Source, workflow: Workflow, options: LoadOptions) -> Callees:
    """The versions of workflows that have a file here; None for all others: those may be in a database."""
    known: dict[str, Mapping[int, Schema | None] | None] = {}

    def find(key: str) -> Mapping[int, Schema | None] | None:
        if key == workflow.key:
            return _versions(workflow)
        if key not in known:
            try:
                known[key] = _versions(_read(source, _entry(source, key), options).workflow)
            except WfsyncError:  # no file, or one that is not sound: `validate` says so
                known[key] = None
        return known[key]

    return find


def _versions(workflow: Workflow) -> dict[int, Schema | None]:
    return {version.version: version.payload_schema for version in workflow.versions}


def _require_no_comments(file: _File, options: FileOptions) -> None:
    if file.syntax != "yaml" or options.drop_comments:
        return
    from wfsync.bundle.yaml_text import has_comments

    if has_comments(file.data):
        raise InputError(
            f"nothing was published: {file.entry.label} has comments, which would be lost",
            code="COMMENTS_LOST",
            hint="publish without them with --drop-comments",
        )


def _require_no_callers_by_id(source: Source, file: _File) -> None:
    """Canonical text has the key in the place of the id that a workflow had elsewhere; who calls it by that id would
    call nobody.
    """
    if file.origin_id is None:
        return
    for entry in source.entries:
        if entry is not file.entry and file.origin_id.encode() in source.read(entry).lower():
            raise InputError(
                f"nothing was published: {entry.label} names {file.workflow.key} by the id {file.origin_id}, and the"
                " published file would not have it any more",
                code="CALLED_BY_ID",
                hint="run `wfsync fmt` first: it writes keys in the place of such ids",
            )


def _write(source: Source, file: _File, data: bytes) -> None:
    """Replace the file, unless it changed since it was read: under the lock of those who write here."""
    folder = file.entry.path.rpartition("/")[0]
    with AtomicWriter(source.info.root, sweep=(folder,), deep=False) as writer:
        if source.read(file.entry) != file.data:
            raise RepositoryError(
                f"nothing was published: {file.entry.label} changed meanwhile",
                code="FILE_CHANGED",
                hint="run the command again",
            )
        writer.add(file.entry.path, data)
        writer.commit()
