"""``--repo`` and what belongs to it: options that say where a command reads, and whose signature it wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wfsync.cli.context import App
from wfsync.cli.options import rev_option

__all__ = ["allow_rewind_option", "revision_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(context: click.Context, _parameter: click.Parameter, value: object) -> None:
        app: App = context.obj
        app.origin.tell = lambda problem: app.problems((problem,))
        if value is not None:
            setattr(app.origin, name, value)
        if name == "verify" and value is not None:
            found = context.get_parameter_source(name)
            app.origin.verify_is_ambient = found is click.core.ParameterSource.ENVIRONMENT

    return remember


repo_option = click.option(
    "--repo",
    metavar="URL",
    expose_value=False,
    callback=_remember("url"),
    help="Read this repository instead of the one around: https://…, ssh://…, user@host:path, or a path. It is fetched"
    " into a cache; DIR is then a folder of it, --rev one of its commits, tags or branches (default: its HEAD).",
)

allow_rewind_option = click.option(
    "--allow-rewind",
    is_flag=True,
    expose_value=False,
    callback=_remember("allow_rewind"),
    help="With --repo, consent to a commit that is older than the last applied one, or not on its line.",
)


def revision_options(command: Command) -> Command:
    """``--rev``, ``--repo``, ``--verify`` and ``--allowed-signers``: what is read, wherever it is."""
    return rev_option(repo_option(_verify_options(command)))


def _verify_options(command: Command) -> Command:
    """``--verify`` and ``--allowed-signers``."""
    command = click.option(
        "--allowed-signers",
        metavar="FILE",
        envvar="WFSYNC_ALLOWED_SIGNERS",
        type=click.Path(path_type=Path, dir_okay=False),
        expose_value=False,
        callback=_remember("allowed_signers"),
        help="Who may sign: OpenSSH's file of allowed signers, or for gpg one fingerprint a line.",
    )(command)
    return click.option(
        "--verify",
        type=click.Choice(["ssh", "gpg"]),
        envvar="WFSYNC_VERIFY",
        expose_value=False,
        callback=_remember("verify"),
        help="Refuse the commit that is read (--rev, --repo) unless it has a good signature of an allowed signer.",
    )(command)
