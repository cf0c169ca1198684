"""``export``: the database → canonical files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option

if TYPE_CHECKING:
    from wfsync.bundle.field_policies import Policies
    from wfsync.pipeline.exporting import Destination, ExportRequest
    from wfsync.wiring import Workspace

__all__ = ["export"]


@click.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@environment_option
@click.option("--all", "everything", is_flag=True, help="Every workflow of the database.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Write there instead.")
@click.option(
    "--format",
    "syntax",
    type=click.Choice(["json", "yaml"]),
    default="json",
    show_default=True,
    help="Of files that do not exist yet, and of a bundle; an existing file keeps its own.",
)
@click.option("--bundle", metavar="FILE", help="Write one bundle of all chosen workflows; - is standard output.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when files and database differ.")
@click.option("--commit", is_flag=True, help="Commit the written files, and nothing else, with the message of -m.")
@click.option("-m", "--message", metavar="TEXT", help="Message of the commit.")
@click.option("--drop-comments", is_flag=True, help="Rewrite YAML files also when their comments are lost.")
@pass_app
def export(
    app: App,
    keys: tuple[str, ...],
    everything: bool,
    out: Path | None,
    syntax: Literal["json", "yaml"],
    bundle: str | None,
    check: bool,
    commit: bool,
    message: str | None,
    drop_comments: bool,
) -> int:
    """Write workflows of the database to canonical files.

    A key that has a file is written where that file is, a new one to <directory>/<key>.json. Only files whose value
    differs are written, all or none; files that the database knows nothing of are listed and never removed. KEY may be
    a glob.

    \b
    Example:
      wfsync export --all
      wfsync export 'billing.*' --out exported
      wfsync export --all --bundle workflow-bundle.json
    """
    from wfsync.pipeline.exporting import ExportRequest

    _refuse_contradictions(keys, everything, out, bundle, check, commit, message)
    request = ExportRequest(keys, syntax, drop_comments, check, app.track)
    if bundle is not None:
        return _bundle(app, request, bundle)
    return _files(app, request, out, message if commit else None)


def _refuse_contradictions(
    keys: tuple[str, ...],
    everything: bool,
    out: Path | None,
    bundle: str | None,
    check: bool,
    commit: bool,
    message: str | None,
) -> None:
    if not keys and not everything:
        raise click.UsageError("Name the keys to export, or give --all.")
    if keys and everything:
        raise click.UsageError("Give keys or --all, not both.")
    if bundle is not None and (check or commit or out is not None):
        raise click.UsageError("--bundle writes one file: --out, --check and --commit do not go with it.")
    if check and commit:
        raise click.UsageError("--check writes nothing, so there is nothing to commit.")
    if commit != (message is not None):
        raise click.UsageError("--commit and -m TEXT go together.")


def _bundle(app: App, request: ExportRequest, bundle: str) -> int:
    from wfsync.pipeline.exporting import export_bundle
    from wfsync.repo.atomic import AtomicWriter

    with app.session(app.target()) as session:
        data, problems = export_bundle(session.conn, session.layout, session.tenant, request)
    app.problems(problems)
    if bundle == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return exit_codes.OK
    path = Path(bundle).absolute()
    # Not deep: the folder may be anybody's, and leftovers of an export of one bundle lie beside it
    with AtomicWriter(path.parent, deep=False) as writer:
        if not path.is_file() or path.read_bytes() != data:
            writer.add(path.name, data)
            writer.commit()
    app.result(f"Exported to {bundle}.")
    return exit_codes.OK


def _files(app: App, request: ExportRequest, out: Path | None, message: str | None) -> int:
    from dataclasses import replace

    from wfsync.pipeline.exporting import commit_report, export_files
    from wfsync.render.exporting import export_text

    to = _destination(app, out)
    try:
        with app.session(app.target()) as session:
            report = export_files(session.conn, session.layout, session.tenant, request, to, commit=message is not None)
    finally:
        if to.loading is not None:
            to.loading.close()
    if message is not None:
        report = replace(report, commit=commit_report(report, to, message))
    app.problems(report.problems)
    app.result(export_text(report, check=request.check, verbose=app.verbose, color=app.color))
    return exit_codes.PENDING if request.check and report.differs else exit_codes.OK


def _destination(app: App, out: Path | None) -> Destination:
    from wfsync.bundle.load import LoadOptions
    from wfsync.pipeline.exporting import Destination
    from wfsync.state.desired import begin_loading

    if out is not None and not out.exists():
        return Destination(str(out.absolute()), ".", None)
    workspace = app.workspace(out)
    source = workspace.source(allow_empty=True)
    # Unsound published definitions of the files do not matter here: they may be about to be replaced
    rules = LoadOptions(
        definitions="warn", reserved=workspace.load_options().reserved, policies=_policies(app, out, workspace)
    )
    loading = begin_loading(source, rules)
    return Destination(workspace.repository.root, workspace.directory, loading)


def _policies(app: App, out: Path | None, workspace: Workspace) -> Policies:
    """Of the target. An environment is one of the repository around the working directory, wherever files go."""
    if out is None or not app.names_environment:
        return app.policies(out, workspace)
    return app.policies(None, app.workspace(None))
