"""The workflows of a repository as programs: read and checked once, the first time that a test wants one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.load import LoadOptions, load, read_workflows
from wfsync.bundle.model import JsonObject, PublishedVersion, Workflow
from wfsync.bundle.parse import read_document
from wfsync.bundle.source_map import Path, SourceMap
from wfsync.bundle.steps import step_path_text, walk
from wfsync.errors import InputError, Place, RepositoryError, WfsyncError
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Source
from wfsync.runtime.definition import Definition, InvalidDefinition, compile_definition
from wfsync.runtime.in_process.world import Program
from wfsync.runtime.publish_checks import check
from wfsync.runtime.registry import Registry
from wfsync.testing.model import WorkflowVersion

__all__ = ["NotRunnable", "Prepared", "Workflows"]


class NotRunnable(Exception):
    """A workflow is not there, or cannot be run; every reason is a line.

    ``is_missing``: it is the key or the version that is wrong, not the workflow.
    """

    def __init__(self, *reasons: str, is_missing: bool = False) -> None:
        super().__init__(reasons[0])
        self.reasons = reasons
        self.is_missing = is_missing


@dataclass(frozen=True, slots=True)
class Prepared:
    """One version of one workflow, ready to run."""

    program: Program
    version: int | None
    """None: the draft."""
    workflow: Workflow
    payload_schema: JsonObject | None
    file: str
    base: Path
    """Of the definition in its file."""
    definition: JsonObject
    steps: Mapping[str, tuple[Path, JsonObject]]
    """Every step by its path in runtime.md's spelling, with its place in the definition."""

    @property
    def name(self) -> str:
        """``support.ticket-triage v2``, or ``… (draft)``."""
        return f"{self.program.key} {'(draft)' if self.version is None else f'v{self.version}'}"

    @property
    def step_ids(self) -> frozenset[str]:
        """The ids of all steps."""
        return frozenset(self.program.step_ids.values())


@dataclass(slots=True)
class Workflows:
    """Programs by key and version. Not to be shared between threads."""

    source: Source
    options: LoadOptions = field(default_factory=LoadOptions)
    registry: Registry | None = None
    """What can be executed; None: nobody asks."""
    _entries: dict[str, list[Entry]] = field(default_factory=dict)
    _workflows: dict[str, Workflow | NotRunnable] = field(default_factory=dict)
    _prepared: dict[tuple[str, WorkflowVersion], Prepared | NotRunnable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = replace(self.options, digests=False, registry=None)
        for entry in self.source.entries:
            self._entries.setdefault(key_of(entry.path), []).append(entry)

    def every_key(self) -> list[str]:
        """Of all workflows, sorted."""
        return sorted(self._entries)

    def get(self, key: str, version: WorkflowVersion = None) -> Prepared:
        """The program; ``version`` None is the newest published one, else the draft. Raises `NotRunnable`."""
        wanted = (key, version)
        if wanted not in self._prepared:
            try:
                self._prepared[wanted] = self._prepare(key, version)
            except NotRunnable as error:
                self._prepared[wanted] = error
        found = self._prepared[wanted]
        if isinstance(found, NotRunnable):
            raise found
        return found

    def place(self, prepared: Prepared, path: Path) -> Place:
        """Where ``path`` of a definition stands in its file; only the file where that cannot be read again."""
        return self._source_map(prepared).value((*prepared.base, *path))

    def places(self, prepared: Prepared, paths: list[Path]) -> list[Place]:
        """`place` of many."""
        source = self._source_map(prepared)
        return [source.value((*prepared.base, *path)) for path in paths]

    def _source_map(self, prepared: Prepared) -> SourceMap:
        try:
            (entry,) = self._entries[prepared.program.key]
            return read_document(self.source.read(entry), syntax_of(entry.path), entry.label).source
        except (WfsyncError, ValueError):
            return SourceMap(prepared.file)

    def _prepare(self, key: str, version: WorkflowVersion) -> Prepared:
        workflow = self._workflow(key)
        published = _published(workflow, version)
        definition = workflow.draft if published is None else published.definition
        entry = self._entries[key][0]
        base: Path = ("workflows", 0, "draft", "definition")
        if published is not None:
            base = ("workflows", 0, "publishedVersions", self._index(entry, published.version), "definition")
        steps = {step_path_text(path): (path, step) for path, step in walk(definition)}
        compiled = self._compiled(definition, entry, base, steps)
        self._check(definition, workflow, entry, base)
        program = Program(
            key,
            definition["version"] if published is None else published.version,
            compiled,
            {path: step["id"] for path, (_, step) in steps.items()},
        )
        return Prepared(
            program=program,
            version=None if published is None else published.version,
            workflow=workflow,
            payload_schema=None if published is None else published.payload_schema,
            file=entry.label,
            base=base,
            definition=definition,
            steps=steps,
        )

    def _compiled(
        self, tree: JsonObject, entry: Entry, base: Path, steps: Mapping[str, tuple[Path, JsonObject]]
    ) -> Definition:
        try:
            return compile_definition(tree)
        except InvalidDefinition as error:
            source = read_document(self.source.read(entry), syntax_of(entry.path), entry.label).source
            reasons = []
            for fault in error.faults:
                path = steps[fault.step_path][0] if fault.step_path in steps else ()
                reasons.append(f"{source.value((*base, *path))}: {fault.step_path}: {fault.message}")
            raise NotRunnable(*reasons) from None

    def _check(self, definition: JsonObject, workflow: Workflow, entry: Entry, base: Path) -> None:
        """Publish validation: what it refuses would fail in the middle of a run."""
        if self.registry is None:
            return
        found = check(definition, metadata=workflow.metadata, registry=self.registry, workflows=self._callees)
        errors = [finding for finding in found if finding.is_error]
        if not errors:
            return
        source = read_document(self.source.read(entry), syntax_of(entry.path), entry.label).source
        reasons = []
        for finding in errors:
            within = base if finding.document == "definition" else ("workflows", 0, "metadata")
            hint = "" if finding.suggestion is None else f" ({finding.suggestion})"
            place = source.value((*within, *finding.path))
            reasons.append(f"{place}: {finding.code}: {finding.message}{hint}")
        raise NotRunnable(*reasons)

    def _callees(self, key: str) -> Mapping[int, Schema | None] | None:
        try:
            workflow = self._workflow(key)
        except NotRunnable:
            return None
        return {version.version: version.payload_schema for version in workflow.versions}

    def _index(self, entry: Entry, version: int) -> int:
        """Where the version stands in the file, which may list them in any order."""
        tree = read_document(self.source.read(entry), syntax_of(entry.path), entry.label).tree
        published = tree["workflows"][0]["publishedVersions"]
        return next(index for index, item in enumerate(published) if item["version"] == version)

    def _workflow(self, key: str) -> Workflow:
        if key not in self._workflows:
            try:
                self._workflows[key] = self._read(key)
            except NotRunnable as error:
                self._workflows[key] = error
        found = self._workflows[key]
        if isinstance(found, NotRunnable):
            raise found
        return found

    def _read(self, key: str) -> Workflow:
        entries = self._entries.get(key, [])
        if not entries:
            close = get_close_matches(key, self._entries, n=1)
            more = f"; did you mean {close[0]}?" if close else ""
            raise NotRunnable(f"there is no workflow {key} in {self.source.info.directory}{more}", is_missing=True)
        if len(entries) > 1:
            raise NotRunnable(f"{key} has two files: {' and '.join(entry.label for entry in entries)}")
        (entry,) = entries
        syntax = syntax_of(entry.path)
        try:
            data = self.source.read(entry)
            loaded = load(data, syntax, entry.label, self.options, name=key)
            if loaded.workflows:
                return read_workflows(data, syntax, entry.label)[0]
        except (RepositoryError, InputError) as error:
            raise NotRunnable(error.message) from None
        raise NotRunnable(*(f"{problem.place}: {problem.message}" for problem in loaded.problems if problem.is_error))


def _published(workflow: Workflow, version: WorkflowVersion) -> PublishedVersion | None:
    """The published version that is meant; None: the draft."""
    if version == "draft" or (version is None and not workflow.versions):
        return None
    if version is None:
        return workflow.versions[-1]
    for published in workflow.versions:
        if published.version == version:
            return published
    known = ", ".join(str(published.version) for published in workflow.versions) or "none"
    raise NotRunnable(
        f"{workflow.key} has no published version {version} (there are: {known}); `draft` is the draft", is_missing=True
    )
