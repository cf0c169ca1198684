"""One text → what it says, or every fault in it (spec: bundle.md "Order of checks and error codes").

`load` runs the stages header → schema → rules on one file and reduces each workflow to a `Desired`: its digest and what
the plan needs to know. Documents are not kept; who needs one reads the file again with `read_workflows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from msgspec import Struct, structs

from wfsync.bundle import fingerprint, schema
from wfsync.bundle.canonical import compact_bytes, parse_exact
from wfsync.bundle.dependencies import Dependencies, declared, derive
from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.model import FORMAT, FORMAT_VERSION, MAX_WORKFLOW_BYTES, Json, JsonObject, Workflow
from wfsync.bundle.parse import Parsed, Syntax, parse, read_document
from wfsync.bundle.placing import BoundedProblems, Places
from wfsync.bundle.references import Call, calls_in, is_uuid, plain_uuid
from wfsync.bundle.registry import Missing, Registry
from wfsync.bundle.rules import Fault, definitions, keys, numbers, versions
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.rules.secret_scan import may_hold_secrets
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import Steps, steps_of
from wfsync.bundle.structure import from_tree
from wfsync.errors import InputError, Place, Problem, Severity

__all__ = ["Desired", "LoadOptions", "Loaded", "accept", "key_place", "load", "read_workflows", "stage"]

DefinitionPolicy = Literal["error", "warn"]

_STAGES: Final = {
    "INVALID_BUNDLE": 0,
    "UNSUPPORTED_FORMAT": 1,
    "UNSUPPORTED_FORMAT_VERSION": 1,
    "SCHEMA_VALIDATION_FAILED": 2,
}
_RULES_STAGE: Final = 3
_SHOWN: Final = 40
"""Characters of a received value that a message repeats."""
_UNREAD: Final = ("REPOSITORY", "FILE_")
"""Beginnings of the codes of files that could not be read at all."""
_LATER: Final = {"MISSING_DEPENDENCIES": 4, "MISSING_REFERENCE": 5, "AMBIGUOUS_KEY": 5, "WORKFLOW_KEY_CONFLICT": 6}


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What holds for all files of one run."""

    definitions: DefinitionPolicy = "error"
    """Whether an unsound published definition is an error or a warning."""
    many: bool = False
    """True for `import`: a file may hold many workflows and be called anything."""
    max_bytes: int = MAX_WORKFLOW_BYTES
    reserved: frozenset[str] = frozenset()
    """Keys that are names of the repository's own files."""
    digests: bool = True
    """False where nothing is compared: the digest then is empty."""
    registry: Registry | None = None
    """What the instance offers; None when nobody told, and then nothing is checked against it."""
    policies: Policies = GIT_OWNS_ALL
    """What the target holds apart from what files say."""
    secrets: SecretPolicy = field(default_factory=SecretPolicy)
    """What a literal that looks like a secret is."""
    expressions: bool = False
    """Whether every expression must compile; True only where `wfsync.expressions.installed`."""


class Desired(Struct, frozen=True, gc=False):
    """One workflow as its file says it, reduced to what a plan needs."""

    key: str
    file: str
    """As named in messages."""
    index: int
    """Which of the file's workflows it is; 0 in a repository."""
    digest: str
    """As the target is to hold it (`LoadOptions.policies`), with the file's own references: provisional while ``calls``
    name UUIDs that mean another workflow.
    """
    calls: tuple[Call, ...]
    origin_id: str | None
    """The database id that this workflow had where the file was made (``definition.id``, when it is a UUID)."""
    versions: tuple[int, ...]
    missing: Missing | None
    """What the registry lacks; None when nothing is missing or nothing was checked."""
    is_canonical: bool
    """True when the file's bytes are canonical for the tree they hold."""
    checksum: int = 0
    """Of the file's bytes, in this run only: is a file that is read again still the one that was loaded? 0: unknown."""
    initial: str = ""
    """Stands for what fields begin with that ``digest`` leaves out (`Policies.initial`)."""

    @property
    def creation_digest(self) -> str:
        """Of all that is written where the workflow is created; ``digest`` where no field is left out of that."""
        return fingerprint.of_creation(self.digest, self.initial)


class Loaded(NamedTuple):
    """What one file gave: its workflows, none of them when there is an error among the problems."""

    workflows: tuple[Desired, ...] = ()
    problems: tuple[Problem, ...] = ()


def load(data: bytes, syntax: Syntax, file: str, options: LoadOptions, *, name: str | None = None) -> Loaded:
    """Check one text through every stage that needs no other file and no database.

    ``file`` names it in messages; ``name`` is the file's name without suffix, which must be the key (None: any name).
    Never raises for bad input: faults come back as problems, a later stage runs only when the earlier is clean.
    """
    if len(data) > options.max_bytes:
        return Loaded(problems=(_too_large(file, options.max_bytes),))
    try:
        parsed = parse(data, syntax, file)
    except InputError as error:
        return Loaded(problems=error.problems)
    places = Places(data, syntax, file)
    faults = list(_header(parsed.tree)) or list(_schema(parsed.tree))
    if faults:
        return Loaded(problems=tuple(places.problem(f, (), None) for f in faults))
    tree: JsonObject = parsed.tree
    problems = BoundedProblems(parsed.problems)
    workflows: list[Desired] = []
    entries: list[JsonObject] = tree["workflows"]
    suspect = syntax != "json" or may_hold_secrets(data)
    if len(entries) > 1 and not options.many:
        problems.append(places.problem(_ONE_WORKFLOW, (), None))
    for index, entry in enumerate(entries):
        base: Path = ("workflows", index)
        steps = _steps(entry)
        problems.extend(places.problem(f, base, entry["key"]) for f in _rules(entry, steps, options, name))
        if suspect:
            problems.extend(places.problem(f, base, entry["key"]) for f in _secrets(entry, options, base))
        if options.many and len(data) > MAX_WORKFLOW_BYTES and len(compact_bytes(entry)) > MAX_WORKFLOW_BYTES:
            problems.append(places.problem(_LARGE_WORKFLOW, base, entry["key"]))
        if not problems.has_errors:
            checksum = fingerprint.checksum(data) if options.digests else 0
            item, note = _reduce(entry, steps, (file, index, checksum), parsed, options)
            workflows.append(item)
            problems.extend([note] if note is not None else [])
    if options.many:
        problems.extend(places.problem(f, (), None) for f in _duplicate_keys(entries))
    return Loaded(() if problems.has_errors else tuple(workflows), problems.listed(file))


def accept(
    data: bytes, tree: JsonObject, steps: list[Steps], derived: Dependencies, item: Desired, options: LoadOptions
) -> Desired | None:
    """Check a tree of one workflow whose canonical bytes are ``data``: through the same schema and rules as `load`.

    ``steps`` and ``derived`` belong to its definitions, ``item`` says what is known. Returns it, completed, or None
    when there is anything to say about the file, which `load` then says with its place.
    """
    if not schema.is_valid("workflow-bundle.v1", tree):
        return None
    for _ in _rules(tree["workflows"][0], steps, options, None):
        return None
    if may_hold_secrets(data) and any(True for _ in _secrets(tree["workflows"][0], options, ("workflows", 0))):
        return None
    if options.registry is None:
        return item
    return structs.replace(item, missing=options.registry.missing(derived) or None)


def read_workflows(data: bytes, syntax: Syntax, file: str, *, canonical: bool = False) -> list[Workflow]:
    """Read a text that `load` accepted before: its workflows in full.

    ``canonical`` says that it is known to be canonical, and so needs no strict reader. Raises `InputError` when the
    text is no longer sound.
    """
    try:
        tree = parse_exact(data) if canonical else parse(data, syntax, file).tree
        return [from_tree(entry) for entry in tree["workflows"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file} changed while wfsync was reading it", hint="run the command again") from error


def key_place(data: bytes, syntax: Syntax, file: str, index: int) -> Place:
    """Where workflow ``index`` of a sound text says its key; for faults that concern more than one file."""
    try:
        return read_document(data, syntax, file).source.value(("workflows", index, "key"))
    except InputError:
        return Place(file)


def stage(code: str) -> int:
    """The stage in which ``code`` is found, for ordering: an earlier stage's faults come first."""
    if code.startswith(_UNREAD):
        return 0
    return _STAGES.get(code, _LATER.get(code, _RULES_STAGE))


_ONE_WORKFLOW: Final = Fault(
    code="INVALID_VALUE",
    path=("workflows", 1),
    message="a file in a repository holds exactly one workflow",
    hint="give each workflow a file of its own, or use `wfsync import` for a bundle of many",
)


_LARGE_WORKFLOW: Final = Fault(
    code="INVALID_BUNDLE", path=(), message=f"the workflow is larger than {MAX_WORKFLOW_BYTES // 2**20} MiB"
)


def _too_large(file: str, limit: int) -> Problem:
    return Problem(
        code="INVALID_BUNDLE",
        message=f"the file is larger than {limit // (1024 * 1024)} MiB",
        place=Place(file),
        hint="a workflow may have 16 MiB; `wfsync import --max-size` reads larger bundles of many",
    )


def _header(tree: Json) -> Iterator[Fault]:
    if not isinstance(tree, dict):
        yield Fault(code="INVALID_BUNDLE", path=(), message="a bundle is an object, with `format` and `workflows`")
        return
    received = tree.get("format")
    if received != FORMAT:
        yield Fault(
            code="UNSUPPORTED_FORMAT",
            path=("format",),
            message=f"format must be {FORMAT!r}, not {_short(received)}" if "format" in tree else "format is missing",
            hint="only workflow bundles belong here; move other files out of the directory",
            details={"expected": FORMAT, "received": _scalar(received)},
        )
        return
    version = tree.get("formatVersion")
    if type(version) is not int or version != FORMAT_VERSION:
        yield Fault(
            code="UNSUPPORTED_FORMAT_VERSION",
            path=("formatVersion",),
            message=f"formatVersion must be the number {FORMAT_VERSION}, not {_short(version)}"
            if "formatVersion" in tree
            else "formatVersion is missing",
            hint="nothing is migrated: export the workflow again where it came from",
            details={"expected": FORMAT_VERSION, "received": _scalar(version)},
        )


def _schema(tree: JsonObject) -> Iterator[Fault]:
    if schema.is_valid("workflow-bundle.v1", tree):
        return
    for fault in schema.explain("workflow-bundle.v1", tree):
        yield Fault(
            code="SCHEMA_VALIDATION_FAILED",
            path=fault.path,
            message=fault.message,
            member=fault.member,
            details={"keyword": fault.keyword},
        )


def _rules(entry: JsonObject, steps: list[Steps], options: LoadOptions, name: str | None) -> Iterator[Fault]:
    if name is not None and name != entry["key"]:
        yield Fault(
            code="KEY_FILENAME_MISMATCH",
            path=("key",),
            message=f"the key is {entry['key']!r} but the file is named {name!r}",
            hint="rename the file to the key, or correct the key",
            details={"key": entry["key"], "name": name},
        )
    yield from keys.check(entry, options.reserved)
    yield from versions.check(entry)
    yield from numbers.check(entry)
    published: Severity = "error" if options.definitions == "error" else "warning"
    yield from definitions.check(entry, steps, published=published)
    if options.expressions:
        from wfsync.bundle.rules import expressions

        yield from expressions.check(entry, published=published)


def _secrets(entry: JsonObject, options: LoadOptions, base: Path) -> Iterator[Fault]:
    from wfsync.bundle.rules import secrets  # its patterns take milliseconds to compile, and most files need none

    return secrets.check(entry, options.secrets, base)


def _steps(entry: JsonObject) -> list[Steps]:
    return [steps_of(entry["draft"]["definition"]), *(steps_of(p["definition"]) for p in entry["publishedVersions"])]


def _duplicate_keys(entries: Iterable[JsonObject]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if first.setdefault(entry["key"], index) != index:
            yield Fault(
                code="DUPLICATE_KEY",
                path=("workflows", index, "key"),
                message=f"key {entry['key']!r} stands twice in this bundle",
                hint="remove one of the two",
                related=(("workflows", first[entry["key"]], "key"),),
                details={"key": entry["key"]},
            )


def _reduce(
    entry: JsonObject, steps: list[Steps], where: tuple[str, int, int], parsed: Parsed, options: LoadOptions
) -> tuple[Desired, Problem | None]:
    """What a plan needs of a sound workflow, and a note where the declared dependencies are not the derived ones.

    ``where`` are the file, which of its workflows this is, and the checksum of its bytes.
    """
    file, index, checksum = where
    published: list[JsonObject] = entry["publishedVersions"]
    definitions = (entry["draft"]["definition"], *(version["definition"] for version in published))
    said, derived = declared(entry["dependencies"]), derive(entry["metadata"], definitions, steps)
    needed = derived
    workflow = from_tree(entry) if options.digests or options.policies.overlay else None
    if workflow is not None and (laid := options.policies.lay(workflow)) is not workflow:
        workflow, needed = laid, derive(laid.metadata, definitions, steps)
    missing = None
    if options.registry is not None:
        missing = options.registry.missing(said.union(needed)) or None
    item = Desired(
        key=entry["key"],
        file=file,
        index=index,
        digest=options.policies.digest(workflow, needed) if options.digests and workflow is not None else "",
        calls=_calls(entry, steps),
        origin_id=_origin(entry),
        versions=tuple(sorted(version["version"] for version in published)),
        missing=missing,
        is_canonical=parsed.is_canonical,
        checksum=checksum,
        initial=options.policies.initial(workflow) if options.digests and workflow is not None else "",
    )
    return item, None if said == derived else _differing_dependencies(item)


def _differing_dependencies(item: Desired) -> Problem:
    # Without a line: finding it would cost more than all else, and files from elsewhere have this note by the thousand
    return Problem(
        code="DEPENDENCIES_DIFFER",
        severity="note",
        message="the declared dependencies are not those that the definitions have; both are checked",
        place=Place(item.file, pointer=f"/workflows/{item.index}/dependencies"),
        key=item.key,
        hint="`wfsync fmt` writes the derived ones",
    )


def _calls(entry: JsonObject, steps: list[Steps]) -> tuple[Call, ...]:
    found = calls_in(entry["draft"]["definition"], steps[0], None)
    for published, its_steps in zip(entry["publishedVersions"], steps[1:], strict=True):
        found.extend(calls_in(published["definition"], its_steps, published["version"]))
    return tuple(found)


def _origin(entry: JsonObject) -> str | None:
    for definition in (entry["draft"]["definition"], *(p["definition"] for p in entry["publishedVersions"])):
        origin = definition.get("id")
        if isinstance(origin, str) and is_uuid(origin):
            return plain_uuid(origin)
    return None


def _scalar(value: Json) -> Json:
    if isinstance(value, str):
        return value[:_SHOWN]
    return value if value is None or isinstance(value, (bool, int, float)) else type(value).__name__


def _short(value: Json) -> str:
    return type(value).__name__ if isinstance(value, (dict, list)) else repr(_scalar(value))[:_SHOWN]
