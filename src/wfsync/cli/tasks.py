"""``tasks``: the inbox of people."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option
from wfsync.cli.runtime_session import directory_option, json_value, note_without_worker, runtime

__all__ = ["tasks"]


@click.group()
def tasks() -> None:
    """Show the tasks that workflows have for people, and answer them."""


@tasks.command("list")
@environment_option
@directory_option
@click.option("--all", "everything", is_flag=True, help="Those that are closed, too.")
@format_option("text", "json")
@pass_app
def list_(app: App, directory: Path | None, everything: bool, form: Literal["text", "json"]) -> None:
    """List open tasks, the oldest first."""
    from wfsync.render.inbox import tasks_json, tasks_text
    from wfsync.store.runtime.tasks import tasks as read

    with runtime(app, directory, executes=False) as found, found.pool.session() as conn:
        listed = read(conn, found.pool.place, everything=everything)
    app.result(tasks_json(listed) if form == "json" else tasks_text(listed))


@tasks.command()
@click.argument("task_id", metavar="ID")
@environment_option
@directory_option
@click.option("--answer", metavar="JSON|@FILE", help="What the task's step is given; @- reads stdin. Default: {}.")
@pass_app
def complete(app: App, task_id: str, directory: Path | None, answer: str | None) -> None:
    """Answer a task: its run goes on. ID is the task's id, or the beginning of it.

    The answer is checked against the form of the task's type: the schema task.<taskType> of the registry.

    \b
    Example:
      wfsync tasks complete 3b5ffc14 --answer '{"approved": true}'
    """
    from wfsync.runtime.tasks import complete as answer_task

    value = json_value(answer, "--answer")
    with runtime(app, directory) as found:
        task = answer_task(found.pool, found.registry, task_id, value, app.who().name)
        note_without_worker(app, found)
    app.result(f"Completed task {task.id} of run {task.run_id}.")
