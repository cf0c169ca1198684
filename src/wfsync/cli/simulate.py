"""``simulate``: what a workflow would do, with nothing behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import directory_option, json_value

if TYPE_CHECKING:
    from wfsync.testing.model import WorkflowVersion
    from wfsync.testing.workflows import Prepared, Workflows

__all__ = ["simulate"]


@click.command()
@click.argument("key")
@click.option("--payload", metavar="JSON|@FILE", help="What the run is given; @- reads stdin. Default: made up.")
@click.option("--version", metavar="N|draft", help="Which version. Default: the newest published one, else the draft.")
@click.option(
    "--waits",
    type=click.Choice(["arrive", "time-out"]),
    default="arrive",
    show_default=True,
    help="What becomes of waits for events that have a timeout.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="A run that takes more steps is ended.",
)
@environment_option
@directory_option
@format_option("text", "json", "mermaid")
@pass_app
def simulate(
    app: App,
    key: str,
    payload: str | None,
    version: str | None,
    waits: Literal["arrive", "time-out"],
    max_steps: int,
    directory: Path | None,
    form: Literal["text", "json", "mermaid"],
) -> int:
    """Show step by step what a workflow of this repository would do, and why. Nothing is called and nothing is written.

    What actions give is made up from their output schemas, or from what later steps read of it; events and answers of
    people likewise. Only built-in actions that compute (transform.*) are really run, and no time is waited for. Each
    line gives the reason: of a branch its condition with the values that it looked at, of an output where it is from.

    Exits with 1 when the run would fail, or would not end.

    \b
    Examples:
      wfsync simulate support.ticket-triage
      wfsync simulate finance.dunning --payload @invoice.json --waits time-out
      wfsync simulate finance.dunning --format mermaid
    """
    from datetime import UTC, datetime

    from wfsync.errors import ConfigError, RuntimeNotInstalled
    from wfsync.expressions import installed as expressions_installed
    from wfsync.render.simulation import simulation_json, simulation_mermaid, simulation_text
    from wfsync.runtime.plugins import installed
    from wfsync.runtime.simulation import Manner
    from wfsync.runtime.simulation import simulate as run
    from wfsync.runtime.stubs import combined
    from wfsync.testing.simulating import Simulated, payload_for
    from wfsync.testing.starting import payload_faults
    from wfsync.testing.workflows import NotRunnable, Workflows

    if not expressions_installed():
        raise RuntimeNotInstalled("a workflow cannot be simulated, because what executes workflows is not installed")
    given = None if payload is None else json_value(payload, "--payload")
    workspace = app.workspace(directory)
    registry = combined(installed(), workspace.declared(), stubs=False)
    workflows = Workflows(workspace.source(), workspace.load_options(), registry)
    try:
        prepared = _chosen(workflows, key, version)
    except NotRunnable as error:
        hint = "correct the key or --version" if error.is_missing else "`wfsync publish --check` says more of a draft"
        raise ConfigError("\n".join(error.reasons), code="NOT_SIMULATED", hint=hint) from None
    if payload is not None:
        for fault in payload_faults(prepared, given, registry):
            app.log("warning", f"no run would begin with this payload: {fault}")
    found = run(
        prepared.program,
        prepared.definition,
        payload_for(prepared, registry) if payload is None else given,
        registry,
        find=Simulated(workflows).find,
        manner=Manner(datetime.now(UTC), waits, max_steps),
    )
    match form:
        case "json":
            app.result(simulation_json(found))
        case "mermaid":
            app.result(simulation_mermaid(found, prepared.definition))
        case _:
            app.result(simulation_text(found))
    return exit_codes.OK if str(found.status) == "SUCCEEDED" else exit_codes.ERROR


def _chosen(workflows: Workflows, key: str, version: str | None) -> Prepared:
    wanted: WorkflowVersion = None
    if version == "draft":
        wanted = "draft"
    elif version is not None:
        if not version.isascii() or not version.isdigit() or len(version) > 10:
            raise click.BadParameter("must be a number or `draft`", param_hint="--version")
        wanted = int(version)
    return workflows.get(key, wanted)
