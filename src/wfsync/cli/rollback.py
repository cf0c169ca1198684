"""``rollback``: undo an apply, from what the ledger kept of the rows before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli.brakes import rollback_brake_options
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option, keep_plan, output_option, selection_options
from wfsync.cli.reconcile import Form, show_outcome, show_plan
from wfsync.cli.recording import recording

if TYPE_CHECKING:
    from wfsync.bundle.field_policies import Policies
    from wfsync.policy import Wishes
    from wfsync.wiring import Workspace

__all__ = ["rollback"]


@click.command()
@click.argument("apply_id", metavar="APPLY")
@environment_option
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is.")
@selection_options
@click.option(
    "--overwrite",
    type=click.Choice(["replace", "update"]),
    default="update",
    show_default=True,
    help="How a workflow that exists gets its former content: update keeps its row and its runs; replace deletes the"
    " row with all its runs and makes it anew, under the id that it had before the apply if that is free.",
)
@rollback_brake_options
@click.option("--force", is_flag=True, help="Consent to overwriting workflows, and to deleting those APPLY created.")
@click.option(
    "--allow-running",
    is_flag=True,
    help="Consent to overwriting or deleting workflows with queued, running or waiting runs.",
)
@click.option(
    "--expect-digest", metavar="DIGEST", help="Refuse unless the plan has this digest, which --dry-run prints."
)
@click.option("--dry-run", is_flag=True, help="Show what it would do, refusals included; writes nothing.")
@format_option("text", "json", "markdown")
@output_option
@pass_app
def rollback(
    app: App,
    apply_id: str,
    directory: Path | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    overwrite: Literal["replace", "update"],
    wishes: Wishes,
    force: bool,
    allow_running: bool,
    expect_digest: str | None,
    dry_run: bool,
    form: Form,
    outputs: tuple[str, ...],
) -> None:
    """Undo an apply: make workflows what they were before it, in one transaction.

    APPLY is an id from `wfsync history` or the beginning of one; last is the last apply that was carried out. What it
    created is deleted, what it overwrote or deleted is written again. Nothing is written without --force where
    workflows exist, nor where somebody changed them since (--on-drift). Runs that it deleted do not come back.

    Needs no repository. Workflows that were rolled back are held: apply and watch leave them until their files change,
    or until `wfsync release`. A rollback is an apply, too, and can be rolled back.

    \b
    Example:
      wfsync rollback last --dry-run
      wfsync rollback 3f2a --select 'billing.*' --force
    """
    from wfsync.pipeline.applying import carry_out, require_consent
    from wfsync.pipeline.rolling_back import RollbackOptions, plan_rollback
    from wfsync.plan.guard import Consent
    from wfsync.policy import Policy
    from wfsync.state.selection import Selection

    workspace = app.workspace_or_none() if directory is None else app.workspace(directory)
    policy = Policy() if workspace is None else workspace.config.policy
    consent = Consent(force=force, allow_running=allow_running)
    target = app.target(directory, workspace)
    with app.session(target, for_write=not dry_run) as session:
        options = RollbackOptions(
            overwrite,
            consent,
            policy.brakes(wishes, session.target.kind),
            Selection(select, exclude),
            track=app.track,
            at=None if workspace is None else workspace.identity,
            policies=_policies(app, directory, workspace),
        )
        found = plan_rollback(session.conn, session.layout, session.tenant, session.reference(), apply_id, options)
        plan = found.planned.plan
        if dry_run:
            show_plan(app, plan, form, outputs)
            return
        keep_plan(plan)
        require_consent(plan, expect_digest)
        record = found.recorded(recording(app, workspace, command="rollback"))
        outcome = carry_out(
            session.conn, session.layout, session.tenant, found.planned, app.apply_options(consent, record)
        )
    show_outcome(app, outcome, form, outputs)


def _policies(app: App, directory: Path | None, workspace: Workspace | None) -> Policies | None:
    """What the target holds apart from files; None where nobody says so, or an overlay is wrong: what is in the
    repository must not keep anybody from undoing it.
    """
    from wfsync.errors import WfsyncError

    if workspace is None:
        return None
    try:
        return app.policies(directory, workspace)
    except WfsyncError:
        return None
