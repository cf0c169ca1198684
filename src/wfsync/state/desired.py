"""The wanted state: every file of a source, loaded and checked, or every problem found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Self

from msgspec import structs

from wfsync.bundle import fingerprint
from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.load import Desired, Loaded, LoadOptions, key_place, load, read_workflows, stage
from wfsync.bundle.model import Json, Workflow
from wfsync.bundle.parse import Syntax
from wfsync.bundle.registry import Missing
from wfsync.bundle.structure import relabel
from wfsync.errors import ConfigError, Conflict, InputError, Place, Problem, RepositoryError
from wfsync.plan.resolve import Resolution, needs_relabel
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Reader, Source, SourceInfo
from wfsync.state.parallel import Ahead
from wfsync.state.progress import Track, untracked
from wfsync.state.recognise import Recogniser
from wfsync.state.remembered import Memory
from wfsync.state.selection import Selection

__all__ = [
    "DesiredState",
    "Loading",
    "begin_loading",
    "from_documents",
    "missing_dependencies",
    "nothing_selected",
    "raise_if_wrong",
]


_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of documents; parsed, they take several times as much. Above it only one at a time is kept."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the files want, and how to read one of them again."""

    info: SourceInfo | None
    """None for files that were named one by one."""
    by_key: Mapping[str, Desired]
    notes: tuple[Problem, ...]
    """Warnings and notes; never errors."""
    reader: Reader | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By the label under which messages name the file."""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Texts that cannot be read again (standard input), by label."""
    unheld: Mapping[str, Json] = field(default_factory=dict)
    """Metadata that the instance has no column for, and what it reads as there: never a difference."""
    policies: Policies = GIT_OWNS_ALL
    """What the target holds apart from what files say."""
    unselected: tuple[Desired, ...] = ()
    """Workflows of the same input that are left out: their ids still say who is meant."""
    _parsed: dict[str, list[Workflow]] = field(default_factory=dict, compare=False, repr=False)
    """Documents that were read already: bundles of many are asked for one workflow after the other."""

    def selected(self, selection: Selection, *, may_be_empty: bool = False) -> DesiredState:
        """The part that ``selection`` is about.

        Raises `nothing_selected` when no file matches, unless that ``may_be_empty``: patterns may be about workflows
        that have no file.
        """
        chosen = {key: item for key, item in self.by_key.items() if key in selection}
        if not chosen and self.by_key and selection.keys is None and not may_be_empty:
            raise nothing_selected()
        unselected = tuple(item for key, item in self.by_key.items() if key not in chosen)
        notes = tuple(note for note in self.notes if note.key is None or note.key in chosen)
        return replace(self, by_key=chosen, notes=notes, unselected=unselected)

    def text(self, label: str) -> bytes:
        """The bytes of a file, read again."""
        if label in self.documents:
            return self.documents[label]
        if self.reader is None:
            raise RepositoryError(f"{label} cannot be read again")
        return self.reader.read(self.entries[label])

    def workflow(self, item: Desired) -> Workflow:
        """The whole workflow, as its file said it when it was loaded.

        Raises `Conflict` (``STALE_PLAN``) when the file is another one by now, or gone.
        """
        if item.file not in self.documents:
            try:
                data = self.text(item.file)
            except RepositoryError as error:
                raise _changed(item.file) from error
            if not self._is_as_loaded(item, data):
                raise _changed(item.file)
            syntax = _syntax(item.file, self.entries)
            return read_workflows(data, syntax, item.file, canonical=item.is_canonical)[item.index]
        if item.file not in self._parsed:
            if sum(map(len, self.documents.values())) > _KEPT_BYTES:
                self._parsed.clear()
            self._parsed[item.file] = read_workflows(self.text(item.file), _syntax(item.file, {}), item.file)
        return self._parsed[item.file][item.index]

    def _is_as_loaded(self, item: Desired, data: bytes) -> bool:
        if item.checksum != 0:
            return item.checksum == fingerprint.checksum(data)
        return self.reader is None or self.reader.is_unchanged(self.entries[item.file])

    def final(self, item: Desired, known: Resolution) -> Workflow:
        """The workflow as this database would hold it, were it created: with its environment's overlay, callees by
        key, metadata without a column as it reads there.
        """
        workflow = self.policies.lay(self.workflow(item))
        if item.calls:
            workflow = relabel(workflow, known.key_of)
        return replace(workflow, metadata={**workflow.metadata, **self.unheld}) if self.unheld else workflow

    def resolved(self, known: Resolution, unheld: Mapping[str, Json]) -> DesiredState:
        """The same, with final digests: those of workflows that `final` makes other ones are made anew."""
        state = replace(self, unheld=unheld)

        def made_anew(item: Desired) -> Desired:
            final = state.final(item, known)
            return structs.replace(item, digest=self.policies.digest(final), initial=self.policies.initial(final))

        remade = {
            key: made_anew(item)
            for key, item in self.by_key.items()
            if unheld or (item.calls and needs_relabel(item, known.key_of))
        }
        return replace(state, by_key={**self.by_key, **remade}) if remade else state


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is known of files before any of them is read."""

    memory: Memory
    recalled: frozenset[str]
    """Labels of those that are remembered."""
    recogniser: Recogniser

    @classmethod
    def of(cls, source: Source, options: LoadOptions) -> Self:
        memory = Memory(source, options)
        recalled = memory.recall(source.entries)
        return cls(memory, frozenset(recalled), Recogniser(source, options, recalled))


@dataclass(slots=True)
class Loading:
    """Files that are to be found, read and checked, in several processes when there are many."""

    find: Callable[[], Source]
    """Asked once, by whoever first needs to know what files there are. Raises `RepositoryError`."""
    options: LoadOptions
    track: Track = untracked
    _source: Source | None = None
    _begun: _Begun | None = None
    _ahead: Ahead[Entry, tuple[Loaded, bool]] | None = None
    are_as_listed: bool = True
    """Whether what was read of the files is what their stamps stand for; known once they are loaded."""
    _state: DesiredState | None = None

    @property
    def source(self) -> Source:
        """What files there are. Raises what looking for them raises."""
        if self._source is None:
            self._source = self.find()
        return self._source

    @property
    def recogniser(self) -> Recogniser:
        """To be shown the database's rows before `finish`: what it recognises is not loaded."""
        return self._begin().recogniser

    def _begin(self) -> _Begun:
        if self._begun is None:
            self._begun = _Begun.of(self.source, self.options)
        return self._begun

    def finish(self) -> DesiredState:
        """Load every file that was not recognised; may be asked more than once.

        Raises `InputError` with all errors of all files; nothing is known then.
        """
        if self._state is None:
            self._state = self._finish()
        return self._state

    def close(self) -> None:
        """Stop what is still being read."""
        if self._ahead is not None:
            self._ahead.close()

    def _finish(self) -> DesiredState:
        problems = list(self.source.problems)
        begun = self._begin()
        known, memory = begun.recogniser.found, begun.memory
        items = list(known.values())
        rest = [entry for entry in self.source.entries if entry.label not in known]
        self._ahead = Ahead(rest, partial(_load_entry, self.source.reader, self.options))
        results = self._ahead.results()
        for entry, (loaded, as_listed) in zip(rest, self.track(results, "checking files", len(rest)), strict=True):
            items.extend(loaded.workflows)
            problems.extend(loaded.problems)
            self.are_as_listed &= as_listed
            if len(loaded.workflows) == 1 and not loaded.problems and as_listed:
                memory.keep(entry, loaded.workflows[0])
        entries = {entry.label: entry for entry in self.source.entries}
        for label in known.keys() - begun.recalled:
            memory.keep(entries[label], known[label])
        memory.save(self.source.entries)
        state = DesiredState(self.source.info, {}, (), self.source.reader, entries)
        by_key, duplicates = _by_key(items, state)
        problems.extend(duplicates)
        raise_if_wrong(problems)
        overlay = self.options.policies.overlay
        problems.extend((*overlay.notes, *overlay.unmatched(by_key.keys())))
        policies = self.options.policies
        return DesiredState(self.source.info, by_key, tuple(problems), self.source.reader, entries, policies=policies)


def begin_loading(source: Source, options: LoadOptions, track: Track = untracked) -> Loading:
    """Start to load every file of ``source``."""
    return Loading(lambda: source, options, track)


def nothing_selected() -> ConfigError:
    """The error for patterns that match nothing."""
    return ConfigError(
        "no workflow of the repository matches the selection",
        code="NOTHING_SELECTED",
        hint="--select and --exclude take keys or globs such as 'billing.*'",
    )


def raise_if_wrong(problems: Sequence[Problem]) -> None:
    """Raise `InputError` when there is an error among ``problems``; the earliest stage's come first."""
    errors = sorted((p for p in problems if p.is_error), key=lambda p: stage(p.code))
    if not errors:
        return
    files = len({p.place.file for p in errors if p.place is not None}) or 1
    raise InputError(
        f"{len(errors)} error{'s' * (len(errors) != 1)} in {files} file{'s' * (files != 1)}",
        code=errors[0].code,
        problems=[*errors, *(p for p in problems if not p.is_error)],
        details=errors[0].details,
    )


def missing_dependencies(items: Iterable[Desired]) -> Iterator[Problem]:
    """One ``MISSING_DEPENDENCIES`` problem for all workflows that need what the registry lacks, or nothing."""
    lacking = {item.key: item for item in items if item.missing is not None}
    if not lacking:
        return
    merged = Missing((), (), ())
    by_workflow = []
    for key, item in sorted(lacking.items()):
        assert item.missing is not None  # noqa: S101 - by construction
        merged = merged.union(item.missing)
        by_workflow.append({"workflowKey": key, **item.missing.to_tree()})
    details = {"missingByWorkflow": by_workflow, **merged.to_tree()}
    for position, (key, item) in enumerate(sorted(lacking.items())):
        assert item.missing is not None  # noqa: S101 - by construction
        yield Problem(
            code="MISSING_DEPENDENCIES",
            message=f"needs what the instance does not offer: {_lacks(item.missing)}",
            place=Place(item.file),
            key=key,
            hint=_offered(item.missing)
            + "add it to the registry file if the instance has it, or install it there first",
            details=details if position == 0 else {},
        )


def _load_entry(reader: Reader, options: LoadOptions, entry: Entry) -> tuple[Loaded, bool]:
    """What the file says, and whether it is the one that was listed."""
    try:
        data, is_as_listed = reader.read_as_listed(entry)
    except RepositoryError as error:
        problem = Problem(code=error.code, message=error.message, place=Place(entry.label), hint=error.hint)
        return Loaded(problems=error.problems or (problem,)), False
    return load(data, syntax_of(entry.path), entry.label, options, name=key_of(entry.path)), is_as_listed


def from_documents(documents: Mapping[str, bytes], options: LoadOptions) -> DesiredState:
    """The wanted state of bundles that were named one by one (`wfsync import`), by the label of each.

    Raises `InputError` with all errors of all of them.
    """
    problems: list[Problem] = []
    items: list[Desired] = []
    for label, data in documents.items():
        loaded = load(data, _syntax(label, {}), label, options)
        items.extend(loaded.workflows)
        problems.extend(loaded.problems)
    by_key, duplicates = _by_key(items, DesiredState(None, {}, (), documents=documents))
    problems.extend(duplicates)
    raise_if_wrong(problems)
    return DesiredState(None, by_key, tuple(problems), documents=documents, policies=options.policies)


def _by_key(items: Iterable[Desired], state: DesiredState) -> tuple[dict[str, Desired], list[Problem]]:
    by_key: dict[str, Desired] = {}
    problems = []
    for item in items:
        first = by_key.setdefault(item.key, item)
        if first is not item:
            here, there = (
                key_place(state.text(i.file), _syntax(i.file, state.entries), i.file, i.index) for i in (item, first)
            )
            problems.append(
                Problem(
                    code="DUPLICATE_KEY",
                    message=f"key {item.key!r} stands in two files",
                    place=here,
                    key=item.key,
                    hint="keep one of them",
                    related=(there,),
                    details={"key": item.key},
                )
            )
    return by_key, problems


def _changed(file: str) -> Conflict:
    return Conflict(
        f"{file} changed while wfsync was at work",
        code="STALE_PLAN",
        hint="nothing was written; run the command again",
    )


def _syntax(label: str, entries: Mapping[str, Entry]) -> Syntax:
    entry = entries.get(label)
    path = entry.path if entry is not None else label
    return "yaml" if path.endswith((".yaml", ".yml")) else "json"


def _offered(missing: Missing) -> str:
    """Which versions there are of actions that are lacking in another one; empty for none."""
    return "".join(
        f"{action} is offered in version{'s' * (len(versions) > 1)} {', '.join(map(str, versions))}; "
        for action, versions in missing.offered
    )


def _lacks(missing: Missing) -> str:
    parts = [
        ("action", [f"{action} version {version}" for action, version in missing.actions]),
        ("node type", list(missing.node_types)),
        ("schema", list(missing.schema_refs)),
    ]
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in parts if names)
