"""What a test file says: the form of ``schemas/workflow-test.v1.schema.json`` with its defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.source_map import Path, SourceMap
from wfsync.runtime.protocol import Failure

__all__ = [
    "NOW",
    "Answer",
    "Case",
    "ChildReply",
    "Expectation",
    "Reply",
    "SentEvent",
    "StartingEvent",
    "TestFile",
    "WorkflowVersion",
]

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When runs of tests begin that do not say: verdicts must not depend on the day."""

NOTHING: Final = timedelta()

WorkflowVersion = int | Literal["draft"] | None
"""A published version, the draft, or the newest published version (else the draft)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a stubbed call gives: ``fail`` in the calls that ``calls`` lists (all, when it lists none), else the input
    itself, or ``output``.
    """

    output: Json = None
    echo: bool = False
    fail: Failure | None = None
    calls: frozenset[int] = frozenset()
    delay: timedelta = NOTHING

    def failure(self, call: int) -> Failure | None:
        """Why call number ``call`` (from 1) fails; None when it does not."""
        return self.fail if not self.calls or call in self.calls else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers to a task, so long after it was opened."""

    answer: Json
    after: timedelta = NOTHING


@dataclass(frozen=True, slots=True)
class ChildReply:
    """How a called workflow ends that is not run. ``payload`` None: what it was given."""

    vars: JsonObject = field(default_factory=dict)
    payload: Json = None
    fail: Failure | None = None
    delay: timedelta = NOTHING


@dataclass(frozen=True, slots=True)
class StartingEvent:
    """The event that starts the run."""

    name: str
    payload: Json = field(default_factory=dict)
    correlation_key: str | None = None


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that comes while the run is under way. Without ``after`` and ``at`` it is sent as soon as the run waits
    for an event of that name.
    """

    name: str
    payload: Json = field(default_factory=dict)
    correlation_key: str | None = None
    after: timedelta | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come of a run. Members that are None say nothing; trees are patterns (`wfsync.testing.matching`)."""

    status: Literal["SUCCEEDED", "FAILED", "CANCELED", "WAITING"] = "SUCCEEDED"
    envelope: Mapping[str, Json] = field(default_factory=dict)
    """Patterns for ``payload``, ``vars`` and ``meta``, where there are such."""
    error: JsonObject | None = None
    calls: tuple[JsonObject, ...] | None = None
    calls_include: tuple[JsonObject, ...] | None = None
    not_called: tuple[str, ...] = ()
    path: tuple[str, ...] | None = None
    path_includes: tuple[str, ...] | None = None
    tasks: tuple[JsonObject, ...] | None = None
    children: tuple[JsonObject, ...] | None = None
    waits_for: JsonObject | None = None
    elapsed: tuple[timedelta | None, timedelta | None] | None = None
    """From and to, both included."""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    file: str
    """As messages name it."""
    path: Path
    """Of the test in its file."""
    line: int
    name: str
    workflow: str
    version: WorkflowVersion = None
    payload: Json = field(default_factory=dict)
    event: StartingEvent | None = None
    meta: JsonObject = field(default_factory=dict)
    now: datetime = NOW
    secrets: Mapping[str, str] = field(default_factory=dict)
    stubs: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    """By step id, ``ACTION`` or ``ACTION@VERSION``. One reply holds for every call; of more, one for each call."""
    shared_stubs: frozenset[str] = frozenset()
    """Names of stubs that the file gives to all its tests: they need not fit every workflow."""
    events: tuple[SentEvent, ...] = ()
    tasks: Mapping[str, tuple[Answer, ...]] = field(default_factory=dict)
    children: Mapping[str, tuple[ChildReply, ...]] = field(default_factory=dict)
    cancel_after: timedelta | None = None
    expect: Expectation = field(default_factory=Expectation)
    source: SourceMap = field(default_factory=lambda: SourceMap(""), compare=False, repr=False)
    """Where everything stands in its file."""

    @property
    def id(self) -> str:
        """What ``-k`` searches, and what results are called by: ``tests/triage.yaml::an urgent ticket``."""
        return f"{self.file}::{self.name}"


@dataclass(frozen=True, slots=True)
class TestFile:
    """One file of tests."""

    __test__ = False  # pytest takes it for a test otherwise

    file: str
    cases: tuple[Case, ...]
