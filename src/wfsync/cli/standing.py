"""``status``: how every key stands in git, in the database, and since the last apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import directory_argument, environment_option, format_option, rev_option, selection_options
from wfsync.cli.remote_options import repo_option, verify_options

if TYPE_CHECKING:
    from wfsync.state.desired import Loading
    from wfsync.wiring import Session

__all__ = ["status"]


@click.command()
@directory_argument
@environment_option
@rev_option
@repo_option
@verify_options
@selection_options
@format_option("text", "json")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something is not in sync.")
@pass_app
def status(
    app: App,
    directory: Path | None,
    rev: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    form: Literal["text", "json"],
    detailed_exitcode: bool,
) -> int:
    """Show how every workflow stands: in sync, changed in git, changed in the database, or in both.

    Compares the files, the database and what the last apply left; changes nothing. Workflows that were never ours and
    have no file, and those that a rollback holds, count as in sync.

    \b
    Example:
      wfsync status
      wfsync status --format json --detailed-exitcode
    """
    from wfsync.pipeline.planning import PlanOptions
    from wfsync.render.standing import stock_json, stock_text
    from wfsync.state.desired import Selection
    from wfsync.wiring import stocktaking

    @contextmanager
    def connect(_loading: Loading) -> Iterator[Session]:
        with app.session(app.target(directory, workspace)) as session:
            yield session

    workspace = app.workspace(directory, rev)
    options = PlanOptions(
        workspace.config.overwrite,
        track=app.track,
        policies=app.policies(directory, workspace),
        about=Selection(select, exclude),
    )
    stock = stocktaking(workspace, options, connect)
    app.result(stock_json(stock) if form == "json" else stock_text(stock, color=app.color, verbose=app.verbose))
    return exit_codes.PENDING if detailed_exitcode and not stock.settled else exit_codes.OK
