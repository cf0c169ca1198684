"""Following a run while others work on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from wfsync.runtime.runs import the_run
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.reading import Run, Step, steps
from wfsync.store.runtime.watching import goes_on_by_itself

__all__ = ["follow"]

_PAUSE: Final = 0.1
_SOON: Final = 60.0
"""A wait for a later time is one that nobody sits out."""


def follow(pool: Pool, run_id: str, *, to_the_end: bool, stopped: Callable[[], bool]) -> Iterator[Step | Run]:
    """Every attempt of a step as it changes, and last the run as it stands then.

    Ends when the run has ended; when it waits for an event, a person or a later hour, unless ``to_the_end``; and when
    ``stopped`` says so.
    """
    seen: dict[tuple[str, str, int], str] = {}
    while True:
        with pool.session() as conn:
            # The run first: steps that it has after its end are read for certain.
            run = the_run(conn, pool.place, run_id)
            found = steps(conn, pool.place, run_id)
            rests = (
                not to_the_end
                and run.status in {"WAITING", "QUEUED"}
                and not goes_on_by_itself(conn, pool.place, run.root_run_id or run.id, _SOON)
                # Nothing is going to happen: because nothing does, or because it just has?
                and the_run(conn, pool.place, run_id).status == run.status
            )
        for step in found:
            place = (step.path, step.iteration, step.attempt)
            if seen.get(place) != step.status:
                seen[place] = step.status
                yield step
        if not run.is_active or rests or stopped():
            yield run
            return
        time.sleep(_PAUSE)
