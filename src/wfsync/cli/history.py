"""``history`` and ``show``: the ledger of applies."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option

__all__ = ["history", "show"]

_DIRECTORY = click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is."
)


@click.command()
@environment_option
@_DIRECTORY
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many, from the last.",
)
@click.option("--key", metavar="KEY", help="Only applies that changed this workflow.")
@format_option("text", "json")
@pass_app
def history(app: App, directory: Path | None, limit: int, key: str | None, form: Literal["text", "json"]) -> None:
    """List what was applied to the database, the last first.

    Reads the ledger that apply and import keep in the schema wfsync of the database; the ledger lists failed applies,
    too.

    \b
    Example:
      wfsync history --limit 5
      wfsync history --key billing.dunning
    """
    from wfsync.render.history import history_json, history_text
    from wfsync.store.ledger.access import is_open
    from wfsync.store.ledger.applies import applies

    with app.session(app.target(directory)) as session:
        if not is_open(session.conn, "applies", *(["apply_changes"] if key is not None else [])):
            app.info("there is no ledger in this database; the first `wfsync apply` creates it")
        rows = applies(session.conn, session.tenant, limit=limit, key=key) or []
    app.result(history_json(rows) if form == "json" else history_text(rows, color=app.color))


@click.command()
@click.argument("apply_id", metavar="APPLY")
@environment_option
@_DIRECTORY
@format_option("text", "json")
@pass_app
def show(app: App, apply_id: str, directory: Path | None, form: Literal["text", "json"]) -> None:
    """Show one apply of the ledger: who, what, from where, and each workflow that it changed.

    APPLY is an id from `wfsync history` or the beginning of one; last is the last apply that was carried out.

    \b
    Example:
      wfsync show last
    """
    from wfsync.render.history import apply_json, apply_text
    from wfsync.store.connection import snapshot
    from wfsync.store.ledger.applies import changes_of, find_apply

    with app.session(app.target(directory)) as session, snapshot(session.conn):
        row = find_apply(session.conn, session.tenant, apply_id)
        changes = changes_of(session.conn, session.tenant, row.id)
    app.result(apply_json(row, changes) if form == "json" else apply_text(row, changes, color=app.color))
