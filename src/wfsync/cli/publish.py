"""``publish``: a draft becomes a version."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.recording import recording

if TYPE_CHECKING:
    from wfsync.publishing.checking import Surroundings
    from wfsync.publishing.report import Report
    from wfsync.wiring import Session, Workspace

__all__ = ["publish", "surroundings"]


@click.command()
@click.argument("key")
@environment_option
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is.")
@click.option(
    "--database", "in_database", is_flag=True, help="Publish in the database, not in the file; export it afterwards."
)
@click.option("--check", is_flag=True, help="Write nothing: only say what publish validation finds.")
@click.option("--allow-unchanged", is_flag=True, help="Publish although the newest version says what the draft says.")
@click.option("--drop-comments", is_flag=True, help="Rewrite a YAML file that has comments, and lose them.")
@format_option("text", "json")
@pass_app
def publish(
    app: App,
    key: str,
    directory: Path | None,
    in_database: bool,
    check: bool,
    allow_unchanged: bool,
    drop_comments: bool,
    form: Literal["text", "json"],
) -> int:
    """Make a published version of a workflow's draft.

    The draft is checked first: its structure, expressions, actions and their inputs, secrets, assignments, payload
    schemas and trigger. With any error nothing is changed, and the exit code is 1. Then the file gets one version more,
    with the number after the newest, and is written in canonical form: git is the source of truth. `wfsync apply`
    brings it to a database.

    --database does it in the instance instead, in one transaction; `wfsync export KEY` then brings it to the file.

    \b
    Example:
      wfsync publish billing.dunning --check
      wfsync publish billing.dunning
      wfsync publish billing.dunning --database
    """
    from wfsync.errors import RuntimeNotInstalled
    from wfsync.expressions import installed
    from wfsync.render.publishing import report_json, report_text

    if not installed():
        raise RuntimeNotInstalled("a draft cannot be checked, because what executes workflows is not installed")
    if in_database:
        report = _in_database(app, key, directory, check=check, allow_unchanged=allow_unchanged)
    else:
        report = _in_file(
            app, key, directory, check=check, allow_unchanged=allow_unchanged, drop_comments=drop_comments
        )
    app.problems(report.notes)
    app.result(report_json(report) if form == "json" else report_text(report, quiet=app.quiet, color=app.color))
    if report.action == "published" and report.in_database:
        app.info(f"an export is due: `wfsync export {key}` writes the version into the file")
    return exit_codes.ERROR if report.failed else exit_codes.OK


def _in_file(
    app: App, key: str, directory: Path | None, *, check: bool, allow_unchanged: bool, drop_comments: bool
) -> Report:
    from wfsync.publishing.files import FileOptions, publish_in_file

    workspace = app.workspace(directory)
    options = FileOptions(workspace.load_options(), check, allow_unchanged, drop_comments)
    return publish_in_file(workspace.source(), key, surroundings(app, directory, workspace), options)


def _in_database(app: App, key: str, directory: Path | None, *, check: bool, allow_unchanged: bool) -> Report:
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import SourceRef
    from wfsync.publishing.database import Instance, check_in_database, publish_in_database

    workspace = _workspace(app, directory)
    with app.session(app.target(directory, workspace), for_write=not check) as session:
        around = surroundings(app, directory, workspace, session)
        at = Instance(session.conn, session.layout, session.tenant, session.reference())
        if check:
            return check_in_database(at, key, around)
        options = app.apply_options(Consent(), recording(app, workspace, command="publish"))
        root = "" if workspace is None else workspace.repository.root
        source = SourceRef(root, "" if workspace is None else workspace.directory)
        return publish_in_database(at, key, around, source, options, allow_unchanged=allow_unchanged)


def _workspace(app: App, directory: Path | None) -> Workspace | None:
    """The repository that is meant; None where none was named and none is around: a database alone is enough."""
    from wfsync.errors import ConfigError

    if directory is not None:
        return app.workspace(directory)
    try:
        return app.workspace_or_none()
    except ConfigError as error:
        if error.code != "NO_REPOSITORY":
            raise
        return None


def surroundings(
    app: App, directory: Path | None, workspace: Workspace | None, session: Session | None = None
) -> Surroundings:
    """What a draft is checked against: what is installed here and declared in the repository, and the secrets of the
    database that is meant. Says so when nobody declares anything. Raises as `wfsync.runtime.plugins.installed`.
    """
    from wfsync.publishing.checking import Surroundings
    from wfsync.runtime.plugins import installed
    from wfsync.runtime.stubs import combined

    declared = None if workspace is None else workspace.declared()
    stubs = app.choice(directory, workspace).kind == "embedded"
    registry = combined(installed(), declared, stubs=stubs)
    return Surroundings(registry, lambda named: _secrets(app, directory, workspace, named, session))


def _secrets(
    app: App, directory: Path | None, workspace: Workspace | None, named: Collection[str], session: Session | None
) -> Collection[str] | None:
    """The secrets that there are; None where nobody can tell, because the instance is not ours.

    The environment first: what has all its secrets there needs no database, and an embedded one is not made for this.
    """
    from wfsync.runtime.secrets import names_in_environment
    from wfsync.wiring import lacks_tables

    here = names_in_environment(os.environ)
    if here.issuperset(named):
        return here
    if session is not None:
        return _stored(session)
    if app.choice(directory, workspace).kind == "embedded":
        server = app.embedded(directory).status()
        if not (server.data_dir / "PG_VERSION").is_file():
            return here
    target = app.target(directory, workspace)
    if lacks_tables(target):
        return here
    with app.session(target) as opened:
        return _stored(opened)


def _stored(session: Session) -> Collection[str] | None:
    from wfsync.errors import DatabaseError
    from wfsync.runtime.secrets import known_names
    from wfsync.store.runtime.place import require_place

    tenant = session.tenant.value if session.tenant is not None else None
    try:
        place = require_place(session.conn, session.layout, tenant)
    except DatabaseError as error:
        if error.code != "RUNTIME_UNAVAILABLE":
            raise
        return None
    return known_names(os.environ, session.conn, place)
