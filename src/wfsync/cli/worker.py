"""``worker`` and ``schedules``: what happens by itself."""

from __future__ import annotations

import sys
import threading
from contextlib import redirect_stdout
from pathlib import Path
from typing import Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.interruption import Terminated
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import directory_option, runtime

__all__ = ["schedules", "worker"]


@click.command()
@environment_option
@directory_option
@click.option(
    "--concurrency",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="How many runs this worker works on at once; runs that wait take none of it.",
)
@click.option(
    "--drain",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    help="How long steps that are under way may take after a signal.",
)
@pass_app
def worker(app: App, directory: Path | None, concurrency: int, drain: float) -> None:
    """Execute runs until SIGTERM or Ctrl-C, and start those whose time has come.

    Any number of workers may run, on any number of machines that reach the same database. After a signal a worker takes
    nothing new and lets steps under way come to their end; a second signal ends it at once. What a worker leaves,
    however it ends, others take over within 30 seconds.
    """
    from wfsync.runtime.worker import Worker

    # What an action of somebody's prints is no part of our document.
    with runtime(app, directory) as found, redirect_stdout(sys.stderr):
        one = Worker(found.pool.place, found.registry, concurrency)
        drained = True
        try:
            one.start()
            app.info(
                f"worker {one.id} is ready, for {concurrency} runs at once, on {found.pool.place.target.display()}"
            )
            threading.Event().wait()
        except (KeyboardInterrupt, Terminated):
            app.info("stopping: steps under way come to their end; a second signal does not wait")
        finally:
            drained = one.stop(drain)
    app.result("Stopped." if drained else "Stopped; steps that were under way are taken over by others.")


@click.command()
@environment_option
@directory_option
@format_option("text", "json")
@pass_app
def schedules(app: App, directory: Path | None, form: Literal["text", "json"]) -> None:
    """List the workflows that start by the clock: when next, when last, and why not."""
    from wfsync.render.inbox import schedules_json, schedules_text
    from wfsync.runtime.schedules import planned

    with runtime(app, directory, executes=False) as found, found.pool.session() as conn:
        listed = planned(conn, found.pool.place)
    app.result(schedules_json(listed) if form == "json" else schedules_text(listed))
