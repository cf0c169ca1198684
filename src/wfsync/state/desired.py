"""The wanted state: every file of a source, loaded and checked, or every problem found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

from wfsync.bundle.load import Desired, Loaded, LoadOptions, key_place, load, read_workflows, stage
from wfsync.bundle.model import Workflow
from wfsync.bundle.parse import Syntax
from wfsync.bundle.registry import Missing
from wfsync.errors import ConfigError, InputError, Place, Problem, RepositoryError
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Reader, Source, SourceInfo
from wfsync.state.parallel import Ahead

__all__ = [
    "DesiredState",
    "Loading",
    "Selection",
    "begin_loading",
    "from_documents",
    "missing_dependencies",
    "raise_if_wrong",
]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys a command is about: glob patterns."""

    select: tuple[str, ...] = ()
    """None: all."""
    exclude: tuple[str, ...] = ()

    def __contains__(self, key: str) -> bool:
        if any(fnmatchcase(key, pattern) for pattern in self.exclude):
            return False
        return not self.select or any(fnmatchcase(key, pattern) for pattern in self.select)


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

    def selected(self, selection: Selection) -> DesiredState:
        """The part that ``selection`` is about. Raises `ConfigError` when patterns were given and none matches."""
        chosen = {key: item for key, item in self.by_key.items() if key in selection}
        if not chosen and self.by_key:
            raise ConfigError(
                "no workflow of the repository matches the selection",
                code="NOTHING_SELECTED",
                hint="--select and --exclude take keys or globs such as 'billing.*'",
            )
        return DesiredState(self.info, chosen, self.notes, self.reader, self.entries, self.documents)

    def text(self, label: str) -> bytes:
        """The bytes of a file, read again."""
        if label in self.documents:
            return self.documents[label]
        if self.reader is None:
            raise RepositoryError(f"{label} cannot be read again")
        return self.reader.read(self.entries[label])

    def is_immutable(self, item: Desired) -> bool:
        """True when the file cannot have changed since it was loaded: a git object, or bytes that are held."""
        if item.file in self.documents:
            return True
        return self.entries[item.file].blob_id is not None

    def workflow(self, item: Desired) -> Workflow:
        """The whole workflow, as its file says it now; the caller checks the digest."""
        return read_workflows(self.text(item.file), _syntax(item.file, self.entries), item.file)[item.index]


@dataclass(slots=True)
class Loading:
    """Files that are being read and checked, perhaps in other processes."""

    source: Source
    ahead: Ahead[Entry, Loaded]
    _state: DesiredState | None = None

    def finish(self) -> DesiredState:
        """Wait for every file; may be asked more than once.

        Raises `InputError` with all errors of all files; nothing is known then.
        """
        if self._state is None:
            self._state = self._finish()
        return self._state

    def close(self) -> None:
        """Stop what is still being read."""
        self.ahead.close()

    def _finish(self) -> DesiredState:
        problems = list(self.source.problems)
        items: list[Desired] = []
        for loaded in self.ahead.results():
            items.extend(loaded.workflows)
            problems.extend(loaded.problems)
        entries = {entry.label: entry for entry in self.source.entries}
        state = DesiredState(self.source.info, {}, (), self.source.reader, entries)
        by_key, duplicates = _by_key(items, state)
        problems.extend(duplicates)
        raise_if_wrong(problems)
        return DesiredState(self.source.info, by_key, tuple(problems), self.source.reader, entries)


def begin_loading(source: Source, options: LoadOptions) -> Loading:
    """Start to load every file of ``source``."""
    return Loading(source, Ahead(source.entries, partial(_load_entry, source.reader, options)))


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
            message=f"{key} needs what the instance does not offer: {_lacks(item.missing)}",
            place=Place(item.file),
            key=key,
            hint="add it to the registry file if the instance has it, or install it there first",
            details=details if position == 0 else {},
        )


def _load_entry(reader: Reader, options: LoadOptions, entry: Entry) -> Loaded:
    try:
        data = reader.read(entry)
    except RepositoryError as error:
        problem = Problem(code=error.code, message=error.message, place=Place(entry.label), hint=error.hint)
        return Loaded(problems=error.problems or (problem,))
    return load(data, syntax_of(entry.path), entry.label, options, name=key_of(entry.path))


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
    return DesiredState(None, by_key, tuple(problems), documents=documents)


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


def _syntax(label: str, entries: Mapping[str, Entry]) -> Syntax:
    entry = entries.get(label)
    path = entry.path if entry is not None else label
    return "yaml" if path.endswith((".yaml", ".yml")) else "json"


def _lacks(missing: Missing) -> str:
    parts = [
        ("action", [f"{action} version {version}" for action, version in missing.actions]),
        ("node type", list(missing.node_types)),
        ("schema", list(missing.schema_refs)),
    ]
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in parts if names)
