"""``run``: start a workflow and watch it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import click

from wfsync.cli.context import App, echo, pass_app
from wfsync.cli.interruption import Terminated
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import Runtime, directory_option, json_value, runtime

if TYPE_CHECKING:
    from wfsync.store.runtime.reading import Run

__all__ = ["carried_on", "run", "show_end"]

Seen: TypeAlias = dict[tuple[str, str, int], str]

_DRAIN: Final = 10.0
"""Seconds that steps of other runs may take when this command ends."""
_LOOK: Final = 2.0


@click.command()
@click.argument("key", metavar="KEY")
@environment_option
@directory_option
@click.option("--payload", metavar="JSON|@FILE", help="What the run is given; @- reads stdin. Default: {}.")
@click.option("--version", type=click.IntRange(min=1), help="The published version; default: the newest.")
@click.option("--wait", is_flag=True, help="Stay until the run has ended, whatever it waits for.")
@format_option("text", "json")
@pass_app
def run(
    app: App,
    key: str,
    directory: Path | None,
    payload: str | None,
    version: int | None,
    wait: bool,
    form: Literal["text", "json"],
) -> None:
    """Run a published workflow of the database, and show how it goes on stderr.

    Where a worker lives, it does the work, and the command stays only with --wait. Where none does, this command is one
    until the run has ended, or until it waits for an event, a person or another hour. Exits with 1 when the run fails.

    \b
    Examples:
      wfsync run support.ticket-triage --payload '{"ticket": {"id": "T-1"}}' --wait
      wfsync run finance.dunning --payload @invoice.json --version 2
    """
    from wfsync.runtime.runs import start

    value = json_value(payload, "--payload")
    with runtime(app, directory) as found:
        run_id, begins = start(found.pool, found.registry, key, value, version)
        app.info(f"run {run_id} of {key}" + ("" if begins else " is queued: the workflow is at its concurrencyLimit"))
        ended = carried_on(app, found, run_id, wait=wait)
        show_end(app, found, ended, form)


def carried_on(app: App, found: Runtime, run_id: str, *, wait: bool) -> Run:
    """The run after what this command has to do with it: nothing where a worker lives, unless it is to ``wait``; where
    none does, or none does any more, this command is one.
    """
    seen: Seen = {}
    if _living(found):
        if not wait:
            app.info("a worker is running and takes it; --wait stays until the run has ended")
            return _as_it_stands(found, run_id)
        ended = _following(app, found, run_id, seen, to_the_end=True, stopped=_deserted(found))
        if not ended.is_active:
            return ended
    app.info("no worker is running: this command works on it")
    with _working(found):
        return _following(app, found, run_id, seen, to_the_end=wait, stopped=lambda: False)


def _living(found: Runtime) -> bool:
    from wfsync.store.runtime.workers import living

    with found.pool.session() as conn:
        return living(conn, found.pool.place) > 0


def _deserted(found: Runtime) -> Callable[[], bool]:
    """Whether no worker lives any more: one that was killed is known to be dead only some time later."""
    looked_at = time.monotonic()

    def deserted() -> bool:
        nonlocal looked_at
        if time.monotonic() - looked_at < _LOOK:
            return False
        looked_at = time.monotonic()
        return not _living(found)

    return deserted


@contextmanager
def _working(found: Runtime) -> Iterator[None]:
    """A worker of this process while the block runs."""
    from wfsync.runtime.worker import Worker

    worker = Worker(found.pool.place, found.registry)
    with redirect_stdout(sys.stderr):  # what an action of somebody's prints is no part of our document
        try:
            worker.start()
            yield
        finally:
            worker.stop(_DRAIN)


def _following(
    app: App, found: Runtime, run_id: str, seen: Seen, *, to_the_end: bool, stopped: Callable[[], bool]
) -> Run:
    """Show the steps of a run as they are taken; the run as it stands when there is no more to see."""
    from wfsync.render.runs import step_line
    from wfsync.runtime.following import follow
    from wfsync.store.runtime.reading import Step

    color = not app.no_color and sys.stderr is not None and sys.stderr.isatty()
    try:
        for one in follow(found.pool, run_id, to_the_end=to_the_end, stopped=stopped, seen=seen):
            if not isinstance(one, Step):
                return one
            if app.log_format == "json":
                app.record({"level": "info", "run": run_id, "step": one.id, "path": one.path, "status": one.status})
            elif not app.quiet:
                echo(f"  {step_line(one, color=color)}", err=True)
    except (KeyboardInterrupt, Terminated):
        app.info(f"the run stays, and workers go on with it; to end it: wfsync runs cancel {run_id}")
        raise
    raise RuntimeError("following a run ends with the run")


def _as_it_stands(found: Runtime, run_id: str) -> Run:
    from wfsync.runtime.runs import the_run

    with found.pool.session() as conn:
        return the_run(conn, found.pool.place, run_id)


def show_end(app: App, found: Runtime, ended: Run, form: Literal["text", "json"]) -> None:
    """The result of a command that followed a run. Raises `RunFailed` when the run failed or was canceled."""
    from wfsync.render.runs import Shown, error_text, run_json, run_line
    from wfsync.runtime.runs import RunFailed
    from wfsync.store.runtime.reading import steps

    if form == "json":
        with found.pool.session() as conn:
            app.result(run_json(Shown(ended, steps(conn, found.pool.place, ended.id))))
    else:
        app.result(f"{run_line(ended)}.")
    if ended.status == "FAILED":
        raise RunFailed(
            error_text(ended) or f"the run {ended.id} failed",
            hint=f"`wfsync runs show {ended.id}` shows its steps, and `wfsync runs retry` goes on at the failed one",
        )
    if ended.status == "CANCELED":
        hint = f"`wfsync runs show {ended.id}` says why"
        raise RunFailed(f"the run {ended.id} was canceled", code="RUN_CANCELED", hint=hint)
