"""Every command of `wfsync`, by name; its module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click
from click.exceptions import NoSuchCommand

__all__ = ["Commands"]

_MODULES: Final[Mapping[str, str]] = {
    "adopt": "standing",
    "apply": "reconcile",
    "completion": "completion",
    "db": "database",
    "diff": "inspecting",
    "events": "events",
    "explain": "reference",
    "export": "exporting",
    "fmt": "fmt",
    "history": "history",
    "import": "importing",
    "init": "authoring",
    "new": "authoring",
    "plan": "reconcile",
    "publish": "publish",
    "refs": "inspecting",
    "registry": "registry",
    "release": "standing",
    "rollback": "rollback",
    "run": "run",
    "runs": "runs",
    "schedules": "worker",
    "schema": "reference",
    "secrets": "secrets",
    "show": "history",
    "simulate": "simulate",
    "status": "standing",
    "tasks": "tasks",
    "test": "test",
    "validate": "validate",
    "watch": "watching",
    "worker": "worker",
}
_NAMES: Final = {"import": "import_"}
"""Where a command cannot be called in Python what it is called by its user."""


class Commands(click.Group):
    """A group that knows the names of its commands, and imports one when it is run or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of ``--help``."""
        del ctx
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None when there is none."""
        del ctx
        if cmd_name not in _MODULES:
            return None
        found = getattr(import_module(f"wfsync.cli.{_MODULES[cmd_name]}"), _NAMES.get(cmd_name, cmd_name))
        assert isinstance(found, click.Command)  # noqa: S101 - by the table above
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but for what it suggests: it knows only commands that were added."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None
