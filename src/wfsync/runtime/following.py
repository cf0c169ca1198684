"""Following a run while others work on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from wfsync.errors import DatabaseError
from wfsync.runtime.runs import the_run
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.reading import Run, Step, steps
from wfsync.store.runtime.watching import goes_on_by_itself

__all__ = ["follow"]

_PAUSE: Final = 0.1
_SOON: Final = 60.0
"""A wait for a later time is one that nobody sits out."""
_PATIENCE: Final = 30.0
_AWAY: Final = {"CONNECTION_LOST", "SERVER_SHUTDOWN", "CONNECTION_REFUSED", "CONNECTION_TIMEOUT", "CONNECTION_FAILED"}
"""A server that restarts: the run is not the worse for it."""


def follow(
    pool: Pool,
    run_id: str,
    *,
    to_the_end: bool,
    stopped: Callable[[], bool],
    seen: dict[tuple[str, str, int], str] | None = None,
) -> Iterator[Step | Run]:
    """Every attempt of a step as it changes, and last the run as it stands then.

    Ends when the run has ended; when it waits for an event, a person or a later hour, unless ``to_the_end``; and when
    ``stopped`` says so. ``seen`` holds what was told already, for one who follows again. A database that stays away for
    half a minute is waited for; then raises `DatabaseError`.
    """
    seen = {} if seen is None else seen
    away_since: float | None = None
    while True:
        try:
            run, found, rests = _look(pool, run_id, to_the_end=to_the_end)
            rests = rests or stopped()
        except DatabaseError as error:
            away_since = away_since or time.monotonic()
            if error.code not in _AWAY or time.monotonic() - away_since > _PATIENCE:
                raise DatabaseError(
                    error.message, code=error.code, hint=f"the run stays: `wfsync runs show {run_id}`"
                ) from None
            time.sleep(5 * _PAUSE)
            continue
        away_since = None
        for step in found:
            place = (step.path, step.iteration, step.attempt)
            if seen.get(place) != step.status:
                seen[place] = step.status
                yield step
        if not run.is_active or rests:
            yield run
            return
        time.sleep(_PAUSE)


def _look(pool: Pool, run_id: str, *, to_the_end: bool) -> tuple[Run, Sequence[Step], bool]:
    """The run, its steps, and whether it waits for what does not come by itself."""
    with pool.session() as conn:
        # The run first: steps that it has after its end are read for certain.
        run = the_run(conn, pool.place, run_id)
        found = steps(conn, pool.place, run_id)
        rests = (
            not to_the_end
            and run.status in {"WAITING", "QUEUED"}
            and not goes_on_by_itself(conn, pool.place, run.root_run_id or run.id, _SOON)
        )
    return run, found, rests
