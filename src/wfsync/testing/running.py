"""One test → its verdict; all tests of a run, in this process or in several."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from wfsync.bundle.model import JsonObject
from wfsync.runtime.redaction import Redactor
from wfsync.runtime.registry import Registry
from wfsync.testing.checking import misnamed
from wfsync.testing.model import Case
from wfsync.testing.outcome import Difference, Outcome, Trouble, Verdict
from wfsync.testing.processes import in_processes
from wfsync.testing.verdict import differences
from wfsync.testing.workflows import NotRunnable, Prepared, Workflows

__all__ = ["Engine", "Suite"]


class Engine(Protocol):
    """Carries a test through."""

    def run(self, case: Case, prepared: Prepared) -> Outcome:
        """What came of it. Never raises for what a test or a workflow does wrong."""

    def close(self) -> None:
        """Give back what it uses."""


@dataclass(slots=True)
class Suite:
    """Tests, the workflows that they are about, and the engine that runs them."""

    cases: Sequence[Case]
    workflows: Workflows
    registry: Registry
    engine: Engine

    def verdicts(self, *, jobs: int, stop_at_first: bool = False) -> Iterator[Verdict]:
        """The verdict of each test, in order, as they come. ``stop_at_first``: none after the first that is no pass."""
        if jobs <= 1:
            every: Iterable[Verdict] = map(self.verdict, self.cases)
        else:
            # Read and compiled once, before processes part
            self._prepare()
            every = in_processes(self.verdict, self.cases, jobs, self._lost)
        for verdict in every:
            yield verdict
            if stop_at_first and verdict.result != "passed":
                close = getattr(every, "close", None)
                if close is not None:
                    close()
                return

    def verdict(self, case: Case) -> Verdict:
        """Run one test."""
        began = time.perf_counter()
        verdict = self._verdict(case)
        return replace(verdict, seconds=time.perf_counter() - began)

    def tested(self) -> list[Prepared]:
        """The versions that tests are about, each once; those that cannot be run are left out."""
        found: dict[tuple[str, int | None], Prepared] = {}
        for case in self.cases:
            try:
                prepared = self.workflows.get(case.workflow, case.version)
            except NotRunnable:
                continue
            found[prepared.program.key, prepared.version] = prepared
        return list(found.values())

    def _prepare(self) -> None:
        self.tested()

    def _verdict(self, case: Case) -> Verdict:
        verdict = Verdict(case.id, case.file, case.line, case.name, case.workflow, "error")
        try:
            prepared = self.workflows.get(case.workflow, case.version)
        except NotRunnable as error:
            first, *more = error.reasons
            wrong = "correct `workflow` or `version`" if error.is_missing else "a workflow must be sound to be tested"
            return replace(verdict, trouble=Trouble(first, wrong, tuple(more)))
        verdict = replace(verdict, version="draft" if prepared.version is None else f"v{prepared.version}")
        trouble = misnamed(case, prepared, self.workflows, self.registry)
        if trouble is not None:
            return replace(verdict, trouble=trouble)
        outcome = self.engine.run(case, prepared)
        mask = Redactor(case.secrets)
        if outcome.trouble is not None:
            return replace(verdict, outcome=_shown(outcome, mask), trouble=outcome.trouble, seen=outcome.seen)
        found = differences(case, outcome)
        if found:
            masked = tuple(_masked(one, mask) for one in found)
            return replace(
                verdict, result="failed", differences=masked, outcome=_shown(outcome, mask), seen=outcome.seen
            )
        return replace(verdict, result="passed", seen=outcome.seen)

    @staticmethod
    def _lost(case: Case, reason: str) -> Verdict:
        trouble = Trouble(f"the process that ran this test ended early ({reason})", "run it alone with --jobs 1")
        return Verdict(case.id, case.file, case.line, case.name, case.workflow, "error", trouble=trouble)


def _masked(one: Difference, mask: Redactor) -> Difference:
    return replace(one, expected=mask.value(one.expected), actual=mask.value(one.actual), note=mask.text(one.note))


def _shown(outcome: Outcome, mask: Redactor) -> Outcome:
    """What is shown of it: how the run went, without its data, which may be large."""
    calls: tuple[JsonObject, ...] = tuple(mask.value(call) for call in outcome.calls)
    return replace(outcome, envelope={}, error=mask.value(outcome.error), calls=calls, seen=frozenset())
