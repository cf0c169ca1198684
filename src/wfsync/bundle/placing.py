"""Faults of one file put into their places, and how many of them are worth listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from wfsync.bundle.decode import MAX_PROBLEMS
from wfsync.bundle.parse import Syntax, read_document
from wfsync.bundle.rules import Fault
from wfsync.bundle.source_map import Path, SourceMap
from wfsync.errors import Place, Problem, Severity

__all__ = ["BoundedProblems", "Places"]


@dataclass(slots=True)
class Places:
    """Puts faults into their places; reads the text again, strictly, the first time it is asked."""

    data: bytes
    syntax: Syntax
    file: str
    _source: SourceMap | None = field(default=None)

    def problem(self, fault: Fault, base: Path, key: str | None) -> Problem:
        """``fault`` of the workflow at ``base`` with its places."""
        path = base + fault.path
        if fault.member is not None:
            place = self.source.key((*path, fault.member))
        elif fault.inside is not None:
            place = self.source.inside(path, *fault.inside)
        else:
            place = self.source.value(path)
        return Problem(
            code=fault.code,
            message=fault.message,
            severity=fault.severity,
            place=place,
            key=key,
            hint=fault.hint,
            related=tuple(self.source.value(base + p) for p in fault.related),
            details=fault.details,
        )

    @property
    def source(self) -> SourceMap:
        """Where everything stands in the text."""
        if self._source is None:
            self._source = read_document(self.data, self.syntax, self.file).source
        return self._source


class BoundedProblems:
    """The problems of one file, at most `MAX_PROBLEMS` of each code and severity; the rest is only counted."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._counts: Counter[tuple[str, Severity]] = Counter()
        self._kept: list[Problem] = []
        self.has_errors = False
        self.extend(problems)

    def append(self, problem: Problem) -> None:
        """Keep ``problem`` if there is room, count it in any case."""
        kind = (problem.code, problem.severity)
        self._counts[kind] += 1
        self.has_errors = self.has_errors or problem.is_error
        if self._counts[kind] <= MAX_PROBLEMS:
            self._kept.append(problem)

    def extend(self, problems: Iterable[Problem]) -> None:
        """`append` each."""
        for problem in problems:
            self.append(problem)

    def listed(self, file: str) -> tuple[Problem, ...]:
        """Those that were kept, and how many were not."""
        more = (
            Problem(code=code, severity=severity, message=f"{count - MAX_PROBLEMS} more of these", place=Place(file))
            for (code, severity), count in self._counts.items()
            if count > MAX_PROBLEMS
        )
        return (*self._kept, *more)
