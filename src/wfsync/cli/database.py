"""``db``: the instance's tables, and the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option

if TYPE_CHECKING:
    from wfsync.errors import Problem
    from wfsync.store.embedded import EmbeddedServer
    from wfsync.store.target import Target

__all__ = ["db"]

_DIRECTORY: Final = click.argument(
    "directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False)
)


@click.group()
def db() -> None:
    """Look after the database: the instance's tables, and the embedded server.

    With no database named, wfsync uses an embedded PostgreSQL that lives in .wfsync/ of the repository around DIR (or
    around the working directory). It is started on demand and goes on running until `wfsync db stop`.
    """


@db.command()
@_DIRECTORY
@environment_option
@format_option("text", "json")
@pass_app
def status(app: App, directory: Path | None, form: Literal["text", "json"]) -> None:
    """Show which database is meant, in which layout its tables are, and what an upgrade would do.

    Starts nothing: an embedded server that does not run is reported as stopped.
    """
    from wfsync.pipeline.databases import describe
    from wfsync.render.databases import status_json, status_text

    choice = app.choice(directory)
    if choice.kind == "named":
        description = describe(app.target(directory), choice.origin, None)
    else:
        description = describe(None, choice.origin, app.embedded(directory))
    app.result(status_json(description) if form == "json" else status_text(description))


@db.command()
@_DIRECTORY
@environment_option
@pass_app
def upgrade(app: App, directory: Path | None) -> None:
    """Create or migrate wfsync's own tables in the database, and the ledger.

    An existing instance, whose tables somebody else made, keeps them as they are and gets only the ledger: the schema
    wfsync, in which apply remembers what it did and whose each workflow is. In wfsync's own database the engine that
    executes workflows gets its schema, too, wfsync_engine, where wfsync[runtime] is installed.
    """
    from wfsync.pipeline.databases import upgrade as upgrade_database

    target = app.target(directory)
    done = upgrade_database(target, app.lock_timeout)
    for name in done.tables:
        app.info(f"applied {name}")
    for name in done.ledger:
        app.info(f"applied {name} of the ledger")
    for name in done.repaired:
        app.info(
            f"made wfsync.{name} anew, empty: it was gone from the ledger; grant other roles their rights on it again"
        )
    app.problems((*done.problems, *_engine(app, target)))
    app.result(f"Upgraded {target.display()}: {len(done.tables) + len(done.ledger)} migrations applied.")


@db.command()
@_DIRECTORY
@environment_option
@pass_app
def url(app: App, directory: Path | None) -> None:
    """Print the URL of the database, without any password; starts the embedded server if that is the one.

    \b
    Example:
      psql "$(wfsync --quiet db url)"
    """
    app.result(app.target(directory).display())


@db.command()
@_DIRECTORY
@environment_option
@pass_app
def stop(app: App, directory: Path | None) -> None:
    """Stop the embedded server. Its data stays."""
    stopped = _embedded(app, directory).stop()
    app.result("Stopped the embedded PostgreSQL." if stopped else "The embedded PostgreSQL was not running.")


@db.command()
@_DIRECTORY
@environment_option
@click.option("--yes", is_flag=True, help="Consent to losing everything in it.")
@pass_app
def reset(app: App, directory: Path | None, yes: bool) -> None:
    """Stop the embedded server and delete its data for good; the next command starts an empty one."""
    from wfsync.errors import Refused

    server = _embedded(app, directory)
    if not yes:
        raise Refused(
            f"{server.status().data_dir} and every workflow and run in it would be deleted",
            code="CONSENT_REQUIRED",
            hint="run `wfsync db reset --yes` if that is meant",
        )
    existed = server.reset()
    app.result("Deleted the embedded database." if existed else "There was no embedded database.")


def _engine(app: App, target: Target) -> tuple[Problem, ...]:
    """Make the engine's tables where workflows can be executed. That it may not is a warning: syncing needs none."""
    from wfsync.errors import DatabaseError, Problem
    from wfsync.expressions import installed
    from wfsync.store.runtime.place import engine_is_there, require_place

    if not installed():
        return ()
    with app.session(target) as session:
        if session.layout.name != "wfsync" or engine_is_there(session.conn):
            return ()
        tenant = session.tenant.value if session.tenant is not None else None
        place = require_place(session.conn, session.layout, tenant)
    from wfsync.runtime.worker import install

    try:
        install(place)
    except DatabaseError as error:
        return (Problem(code=error.code, message=error.message, severity="warning", hint=error.hint),)
    app.info("made the engine's tables in the schema wfsync_engine")
    return ()


def _embedded(app: App, directory: Path | None) -> EmbeddedServer:
    from wfsync.errors import ConfigError

    choice = app.choice(directory)
    if choice.kind != "embedded":
        raise ConfigError(
            f"{choice.origin} names a database, and this command is about the embedded server",
            code="USAGE",
            hint=f"leave {choice.origin} out",
        )
    return app.embedded(directory)
