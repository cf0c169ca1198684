"""``runs``: looking at runs, and changing what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.run import carried_on, show_end
from wfsync.cli.runtime_session import Runtime, directory_option, runtime

if TYPE_CHECKING:
    from wfsync.store.runtime.reading import Run, Step

__all__ = ["runs"]

_STATUSES = ("QUEUED", "RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELED")

_RUN = click.argument("run_id", metavar="RUN")


@click.group()
def runs() -> None:
    """Look at runs of workflows, and cancel, retry or replay them.

    RUN is a run's id, or the beginning of it.
    """


@runs.command("list")
@environment_option
@directory_option
@click.option("--workflow", metavar="KEY", help="Only runs of this workflow.")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(_STATUSES, case_sensitive=False), help="Only such runs."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@format_option("text", "json")
@pass_app
def list_(
    app: App,
    directory: Path | None,
    workflow: str | None,
    statuses: tuple[str, ...],
    limit: int,
    form: Literal["text", "json"],
) -> None:
    """List runs, the newest first."""
    from wfsync.render.runs import runs_json, runs_text
    from wfsync.store.runtime.reading import runs as read

    with runtime(app, directory, executes=False) as found, found.pool.session() as conn:
        listed = read(conn, found.pool.place, workflow=workflow, statuses=statuses, limit=limit)
    app.result(runs_json(listed) if form == "json" else runs_text(listed, color=app.color))


@runs.command()
@_RUN
@environment_option
@directory_option
@format_option("text", "json", "mermaid")
@pass_app
def show(app: App, run_id: str, directory: Path | None, form: Literal["text", "json", "mermaid"]) -> None:
    """Show one run: its steps as a tree with times, attempts and errors, and what it waits for.

    --format mermaid draws the workflow with the way that the run took.
    """
    from wfsync.render.runs import Shown, run_json, run_text
    from wfsync.runtime.runs import the_run
    from wfsync.store.runtime import reading
    from wfsync.store.runtime.tasks import tasks

    with runtime(app, directory, executes=False) as found, found.pool.session() as conn:
        place = found.pool.place
        run = the_run(conn, place, run_id)
        steps = reading.steps(conn, place, run.id)
        if form == "mermaid":
            app.result(_mermaid(found, run, steps))
            return
        shown = Shown(
            run,
            steps,
            reading.waits(conn, place, run.id),
            tasks(conn, place, everything=True, run_id=run.id),
            reading.children(conn, place, run.id),
            reading.calls(conn, place, run.id),
            reading.logs(conn, place, run.id),
        )
    app.result(run_json(shown) if form == "json" else run_text(shown, color=app.color))


@runs.command()
@_RUN
@environment_option
@directory_option
@click.option("--reason", default="", help="Why, for those who look at the run.")
@pass_app
def cancel(app: App, run_id: str, directory: Path | None, reason: str) -> None:
    """End a run and those that it has started; the call that is under way is let come to its end."""
    from wfsync.runtime.engine.services import Services
    from wfsync.runtime.engine.turn import take_turn
    from wfsync.runtime.runs import cancel as ask
    from wfsync.runtime.runs import require_active, the_run
    from wfsync.store.runtime.workers import living

    with runtime(app, directory) as found:
        run = ask(found.pool, run_id, reason)
        with found.pool.session() as conn:
            lives = living(conn, found.pool.place)
        if not lives:  # nobody else would take the turn in which the run hears of it
            services = Services(found.pool, found.registry)
            for one in (run.id, *_family(found, run)):
                take_turn(services, one)
            with found.pool.session() as conn:
                became = the_run(conn, found.pool.place, run.id)
            if became.status != "CANCELED":  # it heard of something else first, such as the answer of its last task
                require_active(became.id, became.status)
    app.result(f"Canceling run {run.id} of {run.workflow}." if lives else f"Canceled run {run.id} of {run.workflow}.")


@runs.command()
@_RUN
@environment_option
@directory_option
@click.option("--wait", is_flag=True, help="Stay until the run has ended, whatever it waits for.")
@format_option("text", "json")
@pass_app
def retry(app: App, run_id: str, directory: Path | None, wait: bool, form: Literal["text", "json"]) -> None:
    """Let a run that failed go on at its failed step, with attempts of its own.

    Steps that succeeded are not taken again. Works like `run`: where no worker lives, this command is one.
    """
    from wfsync.runtime.runs import retry as ask

    with runtime(app, directory) as found:
        run = ask(found.pool, run_id)
        show_end(app, found, carried_on(app, found, run.id, wait=wait), form)


@runs.command()
@_RUN
@environment_option
@directory_option
@click.option("--wait", is_flag=True, help="Stay until the run has ended, whatever it waits for.")
@format_option("text", "json")
@pass_app
def replay(app: App, run_id: str, directory: Path | None, wait: bool, form: Literal["text", "json"]) -> None:
    """Start a new run of the same version with the same payload. Works like `run`."""
    from wfsync.runtime.runs import replay as ask

    with runtime(app, directory) as found:
        _, new_id, _ = ask(found.pool, run_id)
        app.info(f"run {new_id} is a replay of {run_id}")
        show_end(app, found, carried_on(app, found, new_id, wait=wait), form)


def _family(found: Runtime, run: Run) -> list[str]:
    """The runs below ``run``, each after the one that started it."""
    from wfsync.store.runtime.reading import children

    below: list[str] = []
    with found.pool.session() as conn:
        for child in children(conn, found.pool.place, run.id):
            below.append(child.id)
            below += _family(found, child)
    return below


def _mermaid(found: Runtime, run: Run, steps: list[Step]) -> str:
    """The definition that the run is pinned to, and the way that it took."""
    from wfsync.render.mermaid import run_mermaid
    from wfsync.store.runtime.reading import definition_hash_of
    from wfsync.store.runtime.turns import definition_of

    with found.pool.session() as conn:
        digest = definition_hash_of(conn, found.pool.place, run.id)
        definition = None if digest is None else definition_of(conn, found.pool.place, digest)
    return run_mermaid(definition if isinstance(definition, dict) else {}, steps)
