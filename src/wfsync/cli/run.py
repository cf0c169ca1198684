"""``run``: start a workflow and watch it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from wfsync.cli.context import App, echo, pass_app
from wfsync.cli.interruption import Terminated
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import Runtime, directory_option, json_value, runtime

if TYPE_CHECKING:
    from wfsync.store.runtime.reading import Run

__all__ = ["following", "run", "show_end", "working"]

_DRAIN: Final = 10.0
"""Seconds that steps of other runs may take when this command ends."""


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
    from wfsync.store.runtime.workers import living

    value = json_value(payload, "--payload")
    with runtime(app, directory) as found:
        run_id, begins = start(found.pool, found.registry, key, value, version)
        with found.pool.session() as conn:
            lives = living(conn, found.pool.place)
        app.info(f"run {run_id} of {key}" + ("" if begins else " is queued: the workflow is at its concurrencyLimit"))
        with working(app, found, needed=not lives):
            if lives and not wait:
                ended = _as_it_stands(found, run_id)
            else:
                ended = following(app, found, run_id, to_the_end=wait)
        show_end(app, found, ended, form)


@contextmanager
def working(app: App, found: Runtime, *, needed: bool) -> Iterator[None]:
    """A worker of this process while the block runs, if one is ``needed``."""
    from wfsync.runtime.worker import Worker

    if not needed:
        yield
        return
    worker = Worker(found.pool.place, found.registry)
    app.info("no worker is running: this command works on it")
    with redirect_stdout(sys.stderr):  # what an action of somebody's prints is no part of our document
        try:
            worker.start()
            yield
        finally:
            worker.stop(_DRAIN)


def following(app: App, found: Runtime, run_id: str, *, to_the_end: bool) -> Run:
    """Show the steps of a run as they are taken; the run as it stands when there is no more to see."""
    from wfsync.render.runs import step_line
    from wfsync.runtime.following import follow
    from wfsync.store.runtime.reading import Step

    color = not app.no_color and sys.stderr is not None and sys.stderr.isatty()
    try:
        for seen in follow(found.pool, run_id, to_the_end=to_the_end, stopped=lambda: False):
            if not isinstance(seen, Step):
                return seen
            if app.log_format == "json":
                app.record({"level": "info", "run": run_id, "step": seen.id, "path": seen.path, "status": seen.status})
            elif not app.quiet:
                echo(f"  {step_line(seen, color=color)}", err=True)
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
        raise RunFailed(error_text(ended) or f"the run {ended.id} failed", hint=f"wfsync runs show {ended.id}")
    if ended.status == "CANCELED":
        raise RunFailed(f"the run {ended.id} was canceled", code="RUN_CANCELED", hint=f"wfsync runs show {ended.id}")
