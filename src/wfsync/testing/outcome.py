"""What came of one run, and what a test makes of it: small values that every engine can give.

An engine (in this process, or on a database) gives an `Outcome`; `wfsync.testing.verdict` holds it against what the
test expects. So verdicts are the same wherever the run was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from wfsync.bundle.model import Json, JsonObject

__all__ = ["Difference", "Outcome", "Seen", "Trouble", "Verdict"]

Seen = tuple[str, int, bool, str, str]
"""One thing that a run did: workflow, version, whether that is the draft, step path, and ``""`` for the step itself or
the name of a branch (`wfsync.testing.coverage`)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a test could not be carried through: no verdict about the workflow."""

    message: str
    hint: str = ""
    more: tuple[str, ...] = ()
    """Further reasons, a line each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the run that a test is about, and of those that it called."""

    status: str
    """Of the run; ``WAITING`` when nothing would ever have gone on."""
    envelope: JsonObject = field(default_factory=dict)
    error: JsonObject | None = None
    """As in the envelope of a failed run, and the id of its step as ``step``."""
    calls: tuple[JsonObject, ...] = ()
    """``{action, version, step, workflow, input}``, in the order in which they were made."""
    path: tuple[str, ...] = ()
    """Ids of steps, in the order in which they began."""
    tasks: tuple[JsonObject, ...] = ()
    """``{type, step, workflow, title, description?, context?}``."""
    children: tuple[JsonObject, ...] = ()
    """``{workflow, version, step, payload}``."""
    waits: tuple[JsonObject, ...] = ()
    """What a run waits for that never ends: ``{event, correlationKey, step}`` or ``{task, title, step}``."""
    elapsed: timedelta = timedelta()
    finished_at: str = ""
    unsent: tuple[str, ...] = ()
    """Names of events that nobody ever waited for."""
    seen: frozenset[Seen] = frozenset()
    trouble: Trouble | None = None
    slack: timedelta = timedelta()
    """How much later than expected a time may be: on a real instance calls take time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected."""

    what: str
    """Such as ``vars.total`` or ``calls[1].input.to``."""
    expected: Json
    actual: Json
    note: str = ""
    place: str = ""
    """Where the test says what is expected: ``FILE:LINE:COLUMN``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test's result."""

    id: str
    file: str
    line: int
    name: str
    workflow: str
    result: Literal["passed", "failed", "error"]
    """``error``: it could not be carried through."""
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    outcome: Outcome | None = None
    """What happened; None for a test that passed, or never began."""
    trouble: Trouble | None = None
    version: str = ""
    """``v2`` or ``draft``, where it was found."""
    seen: frozenset[Seen] = frozenset()
