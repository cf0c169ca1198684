"""``events``: telling workflows that something happened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import directory_option, json_value, note_without_worker, runtime

__all__ = ["events"]


@click.group()
def events() -> None:
    """Send events: they resume the runs that wait for them, and start the workflows whose trigger names them."""


@events.command()
@click.argument("name", metavar="NAME")
@environment_option
@directory_option
@click.option("--payload", metavar="JSON|@FILE", help="What the event says; @- reads stdin. Default: {}.")
@click.option("--correlation-key", "key", metavar="KEY", help="Which waits it answers: those with this key.")
@click.option(
    "--run", "run_id", metavar="RUN", help="Send it to this run only; where that does not wait yet, it is kept."
)
@format_option("text", "json")
@pass_app
def send(
    app: App,
    name: str,
    directory: Path | None,
    payload: str | None,
    key: str | None,
    run_id: str | None,
    form: Literal["text", "json"],
) -> None:
    """Send an event: resume every run that waits for it, and start every workflow whose trigger names it.

    A workflow at its concurrencyLimit queues a run, a paused one is skipped, one whose payload does not fit is named as
    failed; none stops the others.

    \b
    Examples:
      wfsync events send ticket.created --payload @ticket.json
      wfsync events send order.paid --correlation-key ORD-7 --payload '{"amount": 12}'
    """
    from wfsync.render.inbox import sent_json, sent_text
    from wfsync.runtime.events import send as send_event

    value = json_value(payload, "--payload")
    with runtime(app, directory) as found:
        sent = send_event(found.pool, found.registry, name, value, key, run_id)
        if sent.resumed or sent.started:
            note_without_worker(app, found)
    if not (sent.resumed or sent.started or sent.queued or sent.skipped or sent.failed or sent.kept):
        app.info(_unheard(key, run_id))
    app.result(sent_json(sent) if form == "json" else sent_text(sent))


def _unheard(key: str | None, run_id: str | None) -> str:
    """Why an event did nothing: what is to be looked at when it should have done something."""
    if run_id is not None:
        return "nothing came of it: " + (
            "without --correlation-key it answers no wait and is not kept" if key is None else "the run has ended"
        )
    waits = "without --correlation-key it answers no wait" if key is None else "no run waits for it with this key"
    return f"nothing came of it: {waits}, and no published workflow's trigger names it"
