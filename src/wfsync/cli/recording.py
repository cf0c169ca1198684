"""What a command that writes tells the ledger of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfsync.cli.context import App

if TYPE_CHECKING:
    from wfsync.apply.record import Recording
    from wfsync.wiring import Workspace

__all__ = ["recording"]

_ELSEWHERE = frozenset({"form", "outputs", "expect_digest", "directory", "files", "max_size", "overwrite"})
"""Options that say where to read or what to print, or that the plan says better."""


def recording(app: App, workspace: Workspace | None, *, command: str, manages: bool = True) -> Recording:
    """For the running command; ``workspace`` is where it reads, None outside of any repository.

    Of its options, those that were given (on the command line) are recorded. Raises `ConfigError` for an empty --actor.
    """
    from wfsync.apply.record import Recording
    from wfsync.plan.limits import Limit

    context = click.get_current_context()
    given = {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Limit) else value
        for name, value in context.params.items()
        if name not in _ELSEWHERE
        and isinstance(value, str | int | float | bool | tuple | Limit)
        and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if app.env is not None:
        given["env"] = app.env
    return Recording(
        actor=app.who(),
        source=command if workspace is None or not manages else workspace.identity,
        command=command,
        options=given,
        keep=None if workspace is None else workspace.config.keep,
        manages=manages,
        sees_all=workspace is not None and not workspace.is_part,
    )
