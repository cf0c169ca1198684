"""What to add to click's message about a mistake on the command line."""

from __future__ import annotations

import click

__all__ = ["usage_hint"]


def usage_hint(error: click.ClickException) -> str | None:
    """A sentence that helps with ``error``, or None.

    An option that stands behind the command but is a global one is unknown to the command; say where it belongs.
    """
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    root = error.ctx.find_root()
    if error.ctx is root:
        return None
    for parameter in root.command.params:
        if isinstance(parameter, click.Option) and error.option_name in (*parameter.opts, *parameter.secondary_opts):
            value = "" if parameter.is_flag or parameter.count else f" {parameter.metavar or 'VALUE'}"
            command = error.ctx.command_path.removeprefix(root.command_path).strip()
            written = f"{root.command_path} {error.option_name}{value} {command} …"
            return f"{error.option_name} is a global option and stands before the command: {written}"
    return None
