"""``import``: the one-shot importer of bundles from anywhere, also of many workflows each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import (
    consent_options,
    environment_option,
    format_option,
    keep_plan,
    output_option,
    overwrite_option,
)
from wfsync.cli.reconcile import Form, show_outcome
from wfsync.cli.recording import recording

if TYPE_CHECKING:
    from wfsync.bundle.field_policies import Policies
    from wfsync.bundle.load import LoadOptions
    from wfsync.wiring import Workspace

__all__ = ["import_"]

_MIB: Final = 1024 * 1024


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@environment_option
@consent_options
@overwrite_option
@click.option(
    "--max-size", metavar="MIB", type=click.IntRange(1, 4096), default=512, show_default=True, help="Largest file."
)
@format_option("text", "json", "markdown")
@output_option
@pass_app
def import_(
    app: App,
    files: tuple[str, ...],
    force: bool,
    allow_running: bool,
    overwrite: Literal["replace", "update"] | None,
    max_size: int,
    form: Form,
    outputs: tuple[str, ...],
) -> None:
    """Import bundles, each of one or many workflows; - reads standard input.

    Creates only: a key that exists is a conflict, and then nothing of any file is written; --force overwrites those
    that differ. All files go in one transaction. A key that stands in two files is an error.

    \b
    Example:
      wfsync import workflow-bundle.json
      curl … | wfsync import --force -
    """
    from dataclasses import replace

    from wfsync.bundle.overlay import NO_OVERLAY
    from wfsync.pipeline.applying import carry_out, require_consent
    from wfsync.pipeline.options import PlanOptions
    from wfsync.pipeline.planning import make_plan
    from wfsync.plan.guard import Brakes, Consent
    from wfsync.repo.bundles import read_bundles
    from wfsync.state.desired import from_documents

    workspace = app.workspace_or_none()
    consent = Consent(force=force, allow_running=allow_running, create_only=True)
    documents = read_bundles(files, sys.stdin.buffer, max_size * _MIB)
    # Whose a field is holds for every write; an overlay is the repository's, and these files need not be of it
    policies = replace(app.policies(None, workspace), overlay=NO_OVERLAY)
    desired = from_documents(documents, _options(workspace, max_size * _MIB, policies))
    mode = overwrite or (workspace.config.overwrite if workspace is not None else "replace")
    protected = workspace.config.policy.protected if workspace is not None else ()
    target = app.target()
    with app.session(target, for_write=True, upgrade=True) as session:
        planned = make_plan(
            session.conn,
            session.layout,
            session.tenant,
            lambda: desired,
            session.reference(),
            PlanOptions(mode, consent, track=app.track, policies=policies, brakes=Brakes(protected)),
        )
        keep_plan(planned.plan)
        if workspace is None or workspace.config.registry is None:
            app.note_unchecked_dependencies()
        require_consent(planned.plan, part=None)
        options = app.apply_options(consent, recording(app, workspace, command="import", manages=False))
        outcome = carry_out(session.conn, session.layout, session.tenant, planned, options)
    show_outcome(app, outcome, form, outputs)


def _options(workspace: Workspace | None, limit: int, policies: Policies) -> LoadOptions:
    from wfsync.bundle.load import LoadOptions

    registry = workspace.registry() if workspace is not None else None
    # bundle.md: import always warns of unsound published definitions, because real instances hold them
    return LoadOptions(definitions="warn", many=True, max_bytes=limit, registry=registry, policies=policies)
