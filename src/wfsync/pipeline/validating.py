"""load → everything that can be known without a database (spec: bundle.md "Order of checks and error codes").

Faults of files come from `wfsync.bundle.load`, in worker processes when there are many. Only when all files are sound
the later stages run here: what the registry lacks, and which calls lead nowhere.

Decisions where the specification is silent: a callee that is in none of the files may exist in the database, so it is a
note and not a fault; a callee that is in the files would be overwritten by them, so a version that it lacks is the
same fault that a plan would report. Expressions are checked here, by `publish` and by `test`, but not by plan and
apply: what may be synced must not depend on whether the extra ``wfsync[runtime]`` is installed, and compiling many
thousand different expressions would take longer than the rest of a plan.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from wfsync import expressions
from wfsync.bundle.load import Desired, LoadOptions
from wfsync.bundle.parse import read_document
from wfsync.bundle.source_map import Path
from wfsync.bundle.steps import step_path_text
from wfsync.errors import InputError, Place, Problem, WfsyncError
from wfsync.plan.resolve import resolution, unresolved
from wfsync.plan.state import LiveState
from wfsync.repo.layout import syntax_of
from wfsync.repo.source import Source
from wfsync.state.desired import DesiredState, begin_loading, missing_dependencies

__all__ = ["Validation", "validate"]

_CALLERS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found in how many files."""

    files: int
    problems: tuple[Problem, ...]
    """In the order of the files and of the places in them; what concerns no file comes last."""
    names: tuple[str, ...] = ()
    """Of the files that could be read, as problems name them."""

    def count(self, severity: str) -> int:
        """How many problems have ``severity``."""
        return sum(problem.severity == severity for problem in self.problems)


def validate(parts: Iterable[tuple[Source, LoadOptions]], problems: Iterable[Problem] = ()) -> Validation:
    """Check every file of every part; files of different parts belong to different repositories.

    ``problems`` are those that kept files from becoming part of a source. Never raises for bad input.
    """
    found = list(problems)
    files = 0
    names: list[str] = []
    unchecked = False
    for source, options in parts:
        files += len(source.entries) + len({p.place for p in source.problems if p.is_error})
        names.extend(entry.label for entry in source.entries)
        unchecked |= options.registry is None
        found.extend(_check(source, options))
    if unchecked and not any(p.is_error for p in found):
        found.append(_UNCHECKED)
    return Validation(files, tuple(sorted(found, key=_position)), tuple(names))


_UNCHECKED = Problem(
    code="DEPENDENCIES_UNCHECKED",
    severity="note",
    message="there is no registry file, so whether the instance has every action, node type and schema was not checked",
    hint="name one with `registry:` in wfsync.yaml",
)


def _check(source: Source, options: LoadOptions) -> Iterator[Problem]:
    loading = begin_loading(source, replace(options, digests=False, expressions=expressions.installed()))
    try:
        state = loading.finish()
    except InputError as error:
        yield from error.problems
        return
    finally:
        loading.close()
    yield from state.notes
    for problem in missing_dependencies(state.by_key.values()):
        item = state.by_key[problem.key or ""]
        yield replace(problem, place=_place(state, item, ("dependencies",)))
    yield from _references(state)


def _references(state: DesiredState) -> Iterator[Problem]:
    """Calls that lead to a version which their callee lacks; and one note for each callee that is not in the files."""
    known = resolution(state.by_key.values(), {})
    elsewhere: dict[str, list[Problem]] = defaultdict(list)
    for problem in unresolved(state.by_key, LiveState(), known, {}):
        callee = problem.details["callee"]
        if callee in state.by_key:
            item = state.by_key[problem.details["caller"]]
            yield replace(problem, place=_place(state, item, _call_path(state, item, problem.details)))
        else:
            elsewhere[callee].append(problem)
    for callee, callers in sorted(elsewhere.items()):
        yield _elsewhere(callee, callers)


def _elsewhere(callee: str, callers: list[Problem]) -> Problem:
    names = list(dict.fromkeys(problem.details["caller"] for problem in callers))
    listed = ", ".join(names[:_CALLERS_NAMED]) + (
        f" and {len(names) - _CALLERS_NAMED} more" * (len(names) > _CALLERS_NAMED)
    )
    return Problem(
        code="REFERENCE_UNCHECKED",
        severity="note",
        message=f"{callee} is called by {listed} and is in none of these files: it must exist in the database",
        place=callers[0].place,
        hint="`wfsync plan` looks for it there",
        details={"callee": callee, "callers": names},
    )


def _call_path(state: DesiredState, item: Desired, details: Mapping[str, object]) -> Path:
    """Where the called version stands, inside the workflow of ``item``."""
    step, version = details["stepPath"], details["callerVersion"]
    call = next(c for c in item.calls if c.in_version == version and step_path_text(c.path) == step)
    holder: Path = ("draft",)
    if version is not None:
        tree = read_document(state.text(item.file), syntax_of(item.file), item.file).tree
        published = tree["workflows"][item.index]["publishedVersions"]
        holder = ("publishedVersions", next(i for i, p in enumerate(published) if p["version"] == version))
    return (*holder, "definition", *call.path, "workflowVersion")


def _place(state: DesiredState, item: Desired, path: Path) -> Place:
    """The place of ``path`` inside the workflow of ``item``; only its file when that cannot be read again."""
    try:
        document = read_document(state.text(item.file), syntax_of(item.file), item.file)
    except WfsyncError:
        return Place(item.file)
    return document.source.value(("workflows", item.index, *path))


def _position(problem: Problem) -> tuple[bool, str, float, float]:
    """Where a problem belongs in a list: what concerns a whole file stands after its lines."""
    place = problem.place
    if place is None:
        return (True, "", 0, 0)
    return (False, place.file, place.line or math.inf, place.column or math.inf)
