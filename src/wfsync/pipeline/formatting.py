"""load → canonical bytes → the files again (spec: bundle.md "Canonical bytes and digest", "Derived values").

Decisions where the specification is silent:

* What is asked of a file is what its canonical text needs: syntax, header, schema, and the rules on keys, numbers and
  versions. Unsound definitions, missing dependencies and keys that stand twice are `validate`'s business.
* A file that was named itself may hold many workflows and be called anything; one that was found in a folder may not.
* A call that names its callee by the database id of its origin gets the callee's key, when a workflow of the same run
  has that id as ``definition.id``: canonical text writes the key there, and the id would be lost.
* A YAML file with comments is left alone, warned of, and not counted as unformatted: after `fmt`, `fmt --check` exits
  with 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.load import Desired, Loaded, LoadOptions, load
from wfsync.bundle.model import JsonObject
from wfsync.bundle.parse import Syntax, parse
from wfsync.bundle.references import is_uuid
from wfsync.bundle.structure import bundle_tree, from_tree, relabel
from wfsync.errors import InputError, Place, Problem, RepositoryError
from wfsync.plan.resolve import resolution
from wfsync.repo.atomic import AtomicWriter
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Reader, Source
from wfsync.state.desired import raise_if_wrong
from wfsync.state.parallel import Ahead

__all__ = ["FormatOptions", "Formatting", "canonical_text", "format_files", "written"]

Verdict = Literal["canonical", "rewritten", "kept", "later", "faulty"]
KeyOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What decides how a run goes."""

    write: bool = True
    """False: only say what would be rewritten."""
    drop_comments: bool = False
    """Rewrite YAML files that have comments, too, without them."""


@dataclass(frozen=True, slots=True)
class Formatting:
    """What was done, or would be: labels of files."""

    files: int
    rewritten: tuple[str, ...]
    kept: tuple[str, ...]
    """With comments, so left alone although they are not canonical."""
    notes: tuple[Problem, ...]
    """Warnings and notes; never errors."""


@dataclass(frozen=True, slots=True)
class _Formatted:
    """One file's verdict; made in a worker process."""

    entry: Entry
    verdict: Verdict
    data: bytes | None = None
    """What to write."""
    problems: tuple[Problem, ...] = ()
    workflows: tuple[Desired, ...] = ()


def written(tree: JsonObject, syntax: Syntax) -> bytes:
    """The canonical text of a whole bundle, as JSON or as YAML with the same order of keys."""
    if syntax == "json":
        return canonical_bytes(tree)
    from wfsync.bundle.yaml_write import write_yaml

    return write_yaml(tree)


def canonical_text(data: bytes, syntax: Syntax, file: str, key_of_id: KeyOf | None = None) -> bytes:
    """What a sound file should say: derived dependencies, ids as keys, normalised values; ``exportedAt`` as it is.

    ``key_of_id`` gives the key for what a call names. Raises `InputError` when ``data`` cannot be read.
    """
    tree = parse(data, syntax, file).tree
    workflows = [from_tree(entry) for entry in tree["workflows"]]
    if key_of_id is not None:
        workflows = [relabel(workflow, key_of_id) for workflow in workflows]
    return written(bundle_tree(workflows, tree["exportedAt"]), syntax)


def format_files(parts: Iterable[tuple[Source, Collection[str]]], options: FormatOptions) -> Formatting:
    """Rewrite every file that is not canonical, all of them or none.

    Each part is a source and the paths of the files in it that were named themselves. Raises `InputError` with every
    fault of every file, and `RepositoryError` when something cannot be written; then nothing has changed.
    """
    run = _Run(options)
    with ExitStack() as stack:
        for source, named in parts:
            run.format(stack, source, named)
        run.finish()
    rewritten, kept = ([f.entry.label for f in run.done if f.verdict == verdict] for verdict in ("rewritten", "kept"))
    return Formatting(len(run.done), tuple(rewritten), tuple(kept), tuple(run.problems))


@dataclass(slots=True)
class _Run:
    options: FormatOptions
    problems: list[Problem] = field(default_factory=list)
    done: list[_Formatted] = field(default_factory=list)
    """Without data: nothing bulky is kept."""
    writers: list[AtomicWriter] = field(default_factory=list)

    def format(self, stack: ExitStack, source: Source, named: Collection[str]) -> None:
        """Format one source; what is to be written is prepared beside the files as soon as it is known."""
        self.problems.extend(source.problems)
        put = _Preparing(source, self, stack)
        ahead = Ahead(source.entries, partial(_format, source.reader, self.options, frozenset(named)))
        later: list[_Formatted] = []
        workflows: list[Desired] = []
        try:
            for formatted in ahead.results():
                workflows.extend(formatted.workflows)
                if formatted.verdict == "later":
                    later.append(formatted)
                else:
                    put(formatted)
        finally:
            ahead.close()
        if later:
            known = resolution(workflows, {})
            for formatted in later:
                put(_judge(source.reader, self.options, formatted.entry, formatted, known.key_of))

    def finish(self) -> None:
        """Replace the files, unless something is wrong anywhere. Raises `InputError`."""
        raise_if_wrong(self.problems)
        for writer in self.writers:
            writer.commit()


@dataclass(slots=True)
class _Preparing:
    """Takes the verdicts on the files of one source; opens a writer when the first of them must be written."""

    source: Source
    run: _Run
    stack: ExitStack
    writer: AtomicWriter | None = None

    def __call__(self, formatted: _Formatted) -> None:
        run, entry = self.run, formatted.entry
        run.problems.extend(formatted.problems)
        run.done.append(_Formatted(entry, formatted.verdict))
        if formatted.data is None or not run.options.write:
            return
        if self.writer is None:
            folders = {e.path.rpartition("/")[0] for e in self.source.entries}
            self.writer = self.stack.enter_context(AtomicWriter(self.source.info.root, sweep=_tops(folders)))
            run.writers.append(self.writer)
        self.writer.add(entry.path, formatted.data)


def _tops(folders: set[str]) -> Sequence[str]:
    """The folders that lie in no other of ``folders``; the root itself is looked into only when it is the only one."""
    tops: list[str] = []
    for folder in sorted(folders - {""} if len(folders) > 1 else folders):
        if not (tops and folder.startswith(f"{tops[-1]}/")):
            tops.append(folder)
    return tops


def _format(reader: Reader, options: FormatOptions, named: frozenset[str], entry: Entry) -> _Formatted:
    """Load one file and judge it; runs in a worker process."""
    if entry.blob_id is not None:  # a sparse checkout left it out of the work tree
        return _Formatted(entry, "canonical")
    loaded = _load(reader, entry, many=entry.path in named)
    errors = tuple(problem for problem in loaded.problems if problem.is_error)
    if errors:
        return _Formatted(entry, "faulty", problems=errors)
    formatted = _Formatted(entry, "later", workflows=loaded.workflows)
    if any(is_uuid(call.target) for item in loaded.workflows for call in item.calls):
        return formatted
    return _judge(reader, options, entry, formatted)


def _load(reader: Reader, entry: Entry, *, many: bool) -> Loaded:
    try:
        data = reader.read(entry)
    except RepositoryError as error:
        problem = Problem(code=error.code, message=error.message, place=Place(entry.label), hint=error.hint)
        return Loaded(problems=error.problems or (problem,))
    rules = LoadOptions(definitions="warn", many=many)
    return load(data, syntax_of(entry.path), entry.label, rules, name=None if many else key_of(entry.path))


def _judge(
    reader: Reader, options: FormatOptions, entry: Entry, loaded: _Formatted, key_of_id: KeyOf | None = None
) -> _Formatted:
    """Compare a sound file with its canonical text."""
    syntax = syntax_of(entry.path)
    try:
        data = reader.read(entry)
        text = canonical_text(data, syntax, entry.label, key_of_id)
    except (RepositoryError, InputError) as error:  # somebody is writing it at this moment
        problem = Problem(code=error.code, message=error.message, place=Place(entry.label), hint=error.hint)
        return _Formatted(entry, "faulty", problems=error.problems or (problem,))
    if text == data:
        return _Formatted(entry, "canonical", workflows=loaded.workflows)
    if syntax == "yaml" and not options.drop_comments and _has_comments(data):
        return _Formatted(entry, "kept", problems=(_comments(entry),), workflows=loaded.workflows)
    return _Formatted(entry, "rewritten", text if options.write else None, workflows=loaded.workflows)


def _has_comments(data: bytes) -> bool:
    from wfsync.bundle.yaml_text import has_comments

    return has_comments(data)


def _comments(entry: Entry) -> Problem:
    return Problem(
        code="COMMENTS_KEPT",
        severity="warning",
        message="has comments, which canonical text cannot hold; it was left alone",
        place=Place(entry.label),
        key=key_of(entry.path),
        hint="rewrite it without them with --drop-comments",
    )
