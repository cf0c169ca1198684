"""``schema`` and ``explain``: what wfsync knows about its own formats and messages."""

from __future__ import annotations

from typing import Final

import click

from wfsync.cli.context import App, pass_app

__all__ = ["explain", "schema"]

_SCHEMAS: Final = {
    "bundle": "workflow-bundle.v1",
    "config": "wfsync-config.v1",
    "plan": "plan.v1",
    "plan-file": "plan-file.v1",
    "status": "status.v1",
    "targets": "targets.v1",
    "registry": "registry.v1",
    "overlay": "overlay.v1",
    "definition": "workflow-definition.v1",
    "test": "workflow-test.v1",
}


@click.command()
@click.argument("name", type=click.Choice(list(_SCHEMAS)))
@pass_app
def schema(app: App, name: str) -> None:
    """Print a JSON Schema (draft-07).

    bundle: a workflow file; config: wfsync.yaml; plan: what `plan --format json` prints; plan-file: what `plan
    --out` writes for apply; status: what `status --format json` prints; targets: what plan, apply and status print
    of a group; registry: the file that lists what an instance offers; overlay: what holds in one environment only;
    definition: the definition inside a workflow; test: a file of tests.

    \b
    Example:
      wfsync schema bundle > workflow-bundle.schema.json
    """
    from wfsync.bundle.schema_files import schema_bytes

    app.result(schema_bytes(_SCHEMAS[name]).decode())


@click.command()
@click.argument("code", required=False)
@pass_app
def explain(app: App, code: str | None) -> None:
    """Say what an error code means and what to do; without CODE, list all codes.

    \b
    Example:
      wfsync explain STALE_PLAN
      wfsync explain
    """
    from wfsync.render.explanations import CATALOGUE, explanation_text, listing, nearest

    if code is None:
        app.result(listing())
        return
    known = CATALOGUE.get(code.strip().upper().replace("-", "_"))
    if known is None:
        from wfsync.render.escape import plain

        close = nearest(code)
        hint = f"Did you mean {', '.join(close)}?" if close else "`wfsync explain` lists all codes."
        raise click.UsageError(f"There is no code {plain(code)!r}. {hint}")
    app.result(explanation_text(known))
