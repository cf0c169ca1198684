"""``status``, ``adopt`` and ``release``: how every key stands, and whose it is."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.many import chosen_group, exit_code_of, jobs_option
from wfsync.cli.options import directory_argument, environment_option, format_option, rev_option, selection_options
from wfsync.cli.recording import recording
from wfsync.cli.remote_options import revision_options

__all__ = ["adopt", "release", "status"]


@click.command()
@directory_argument
@environment_option
@revision_options
@selection_options
@format_option("text", "json")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something is not in sync.")
@jobs_option
@pass_app
def status(
    app: App,
    directory: Path | None,
    rev: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    form: Literal["text", "json"],
    detailed_exitcode: bool,
    jobs: int | None,
) -> int:
    """Show how every workflow stands: in sync, changed in git, changed in the database, or in both.

    Compares the files, the database and what the last apply left; changes nothing. Workflows that were never ours and
    have no file, and those that a rollback holds, count as in sync.

    \b
    Example:
      wfsync status
      wfsync status --format json --detailed-exitcode
    """
    from wfsync.pipeline.options import PlanOptions
    from wfsync.plan.guard import Consent
    from wfsync.policy import NO_WISHES
    from wfsync.reconciling import stocktaking
    from wfsync.render.standing import stock_json, stock_text
    from wfsync.state.selection import Selection

    group = chosen_group(app, directory, rev, jobs)
    if group is not None:
        report = group.run("status", Selection(select, exclude), NO_WISHES, Consent())
        group.show(report, form)
        return exit_code_of(report, detailed=detailed_exitcode)
    workspace = app.workspace(directory, rev)
    options = PlanOptions(
        workspace.config.overwrite,
        track=app.track,
        policies=app.policies(directory, workspace),
        about=Selection(select, exclude),
    )
    stock = stocktaking(workspace, options, app.looking(directory, workspace), listed=form == "json" or app.verbose > 0)
    app.result(stock_json(stock) if form == "json" else stock_text(stock, color=app.color, verbose=app.verbose))
    return exit_codes.PENDING if detailed_exitcode and not stock.settled else exit_codes.OK


_DIRECTORY = click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is."
)


@click.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@environment_option
@_DIRECTORY
@rev_option
@format_option("text", "json")
@pass_app
def adopt(
    app: App,
    keys: tuple[str, ...],
    directory: Path | None,
    rev: str | None,
    form: Literal["text", "json"],
) -> None:
    """Manage workflows from this repository that exist already: unmanaged ones, and those of another source.

    Each must have a file here and a row in the database. Neither is changed: what differs afterwards is overwritten by
    the next `wfsync apply --force`. An adopted workflow is never pruned.

    \b
    Example:
      wfsync adopt billing.dunning
    """
    from wfsync.pipeline.adopting import adopt as take
    from wfsync.pipeline.options import PlanOptions
    from wfsync.plan.guard import Consent
    from wfsync.reconciling import stocktaking
    from wfsync.render.standing import managing_json, managing_text
    from wfsync.state.selection import Selection

    workspace = app.workspace(directory, rev)
    policies = app.policies(directory, workspace)
    options = PlanOptions(
        workspace.config.overwrite, track=app.track, policies=policies, about=Selection(keys=frozenset(keys))
    )
    target = app.target(directory, workspace)
    record = recording(app, workspace, command="adopt")
    with app.session(target, for_write=True) as session:
        stock = stocktaking(workspace, options, lambda _loading: nullcontext(session))
        done = take(
            session.conn,
            session.layout,
            session.tenant,
            keys,
            stock,
            policies,
            app.apply_options(Consent(), record),
        )
    app.result(managing_json(done) if form == "json" else managing_text(done))


@click.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@environment_option
@_DIRECTORY
@format_option("text", "json")
@pass_app
def release(app: App, keys: tuple[str, ...], directory: Path | None, form: Literal["text", "json"]) -> None:
    """End the hold of workflows that were rolled back: the next apply makes them what their files say.

    \b
    Example:
      wfsync release billing.dunning
    """
    from wfsync.pipeline.adopting import Asker
    from wfsync.pipeline.adopting import release as end_holds
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import SourceRef
    from wfsync.render.standing import managing_json, managing_text

    workspace = app.workspace(directory)
    record = recording(app, workspace, command="release")
    source = SourceRef(workspace.repository.root, workspace.directory)
    with app.session(app.target(directory, workspace), for_write=True) as session:
        done = end_holds(
            session.conn,
            session.layout,
            session.tenant,
            keys,
            Asker(source, workspace.identity, session.reference()),
            app.apply_options(Consent(), record),
        )
    app.result(managing_json(done) if form == "json" else managing_text(done))
