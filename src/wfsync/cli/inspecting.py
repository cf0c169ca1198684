"""``diff`` and ``refs``: one workflow on two sides, and who calls whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option, rev_option

if TYPE_CHECKING:
    from wfsync.bundle.model import Workflow
    from wfsync.pipeline.comparing import Comparison

__all__ = ["diff", "refs"]


class _Versions(click.ParamType[tuple[int, int]]):
    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,10})\.\.(\d{1,10})", str(value))
        if match is None:
            self.fail(f"{value!r} is not of the form 1..2", param, ctx)
        return int(match[1]), int(match[2])


@click.command()
@click.argument("key")
@environment_option
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is.")
@click.option(
    "--rev",
    "revs",
    metavar="REV",
    multiple=True,
    help="Once: this revision instead of the work tree. Twice: compare the two revisions.",
)
@click.option("--versions", type=_Versions(), metavar="A..B", help="Compare two published versions of the file.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something differs.")
@format_option("text", "json")
@pass_app
def diff(
    app: App,
    key: str,
    directory: Path | None,
    revs: tuple[str, ...],
    versions: tuple[int, int] | None,
    detailed_exitcode: bool,
    form: Literal["text", "json"],
) -> int:
    """Show what differs in one workflow: from the database to its file.

    \b
    Example:
      wfsync diff billing.dunning
      wfsync diff billing.dunning --rev v1.4 --rev HEAD
      wfsync diff billing.dunning --versions 1..2
    """
    from wfsync.render.comparison import comparison_json, comparison_text

    comparison = _compare(app, key, directory, revs, versions)
    if form == "json":
        app.result(comparison_json(comparison))
    else:
        app.result(comparison_text(comparison, width=app.width, color=app.color, verbose=app.verbose))
    differs = bool(comparison.paths) or comparison.missing is not None
    return exit_codes.PENDING if detailed_exitcode and differs else exit_codes.OK


def _compare(
    app: App, key: str, directory: Path | None, revs: tuple[str, ...], versions: tuple[int, int] | None
) -> Comparison:
    from wfsync.bundle.field_policies import GIT_OWNS_ALL
    from wfsync.errors import InputError
    from wfsync.pipeline.comparing import between_versions, compare_sides, in_database, in_files

    if len(revs) > 2 or (versions is not None and len(revs) > 1):
        raise click.UsageError("--rev may be given twice at most, and once with --versions.")
    if len(revs) == 2:
        before, after = ((f"revision {rev}", _from_files(app, directory, rev, key)) for rev in revs)
        return compare_sides(key, before, after)
    rev = revs[0] if revs else None
    workspace = app.workspace(directory, rev)
    # Versions are not about any target; a comparison with the database is about what it would hold
    policies = GIT_OWNS_ALL if versions is not None else app.policies(directory, workspace)
    workflow = in_files(workspace.source(), key, workspace.load_options(policies))
    if versions is not None:
        if workflow is None:
            raise InputError(f"no file holds the workflow {key}", code="WORKFLOW_NOT_FOUND")
        return between_versions(key, workflow, versions)
    with app.session(app.target(directory, workspace)) as session:
        session.layout.require_readable()
        live, keys_by_id = in_database(session.conn, session.layout, session.tenant, key)
    name = "the file" if rev is None else f"revision {rev}"
    return compare_sides(key, ("the database", live), (name, workflow), keys_by_id, policies)


def _from_files(app: App, directory: Path | None, rev: str | None, key: str) -> Workflow | None:
    from wfsync.pipeline.comparing import in_files

    workspace = app.workspace(directory, rev)
    return in_files(workspace.source(), key, workspace.load_options())


@click.command()
@click.argument("key", required=False)
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is.")
@rev_option
@format_option("text", "json")
@pass_app
def refs(app: App, key: str | None, directory: Path | None, rev: str | None, form: Literal["text", "json"]) -> None:
    """Show which workflows call which, as the files say it.

    With KEY only the calls by and of that workflow. Needs no database.

    \b
    Example:
      wfsync refs
      wfsync refs billing.dunning --format json
    """
    from wfsync.errors import InputError
    from wfsync.pipeline.referring import edges
    from wfsync.render.references import references_json, references_text
    from wfsync.state.desired import begin_loading

    workspace = app.workspace(directory, rev)
    state = begin_loading(workspace.source(), workspace.load_options()).finish()
    found = edges(state.by_key)
    if key is not None:
        if key not in state.by_key and not any(edge.callee == key for edge in found):
            raise InputError(f"no file holds or calls the workflow {key}", code="WORKFLOW_NOT_FOUND")
        found = tuple(edge for edge in found if key in (edge.caller, edge.callee))
    app.result(references_json(found) if form == "json" else references_text(found))
