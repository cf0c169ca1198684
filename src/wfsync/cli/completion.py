"""``completion``: what a shell needs to complete wfsync's commands and options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app

__all__ = ["VARIABLE", "answer", "completion"]

VARIABLE: Final = "_WFSYNC_COMPLETE"
"""Set by the shell's function when it asks for completions, which click answers."""

_PROGRAM: Final = "wfsync"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_app
def completion(app: App, context: click.Context, shell: str) -> None:
    """Print the script by which a shell completes commands and options.

    \b
    Example:
      wfsync completion bash > ~/.local/share/bash-completion/completions/wfsync
      wfsync completion zsh > ~/.zfunc/_wfsync        (a folder of $fpath)
      wfsync completion fish > ~/.config/fish/completions/wfsync.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all three
    # Not made.source(): bash's own starts a bash to ask for its version.
    app.result(ShellComplete.source(made(context.find_root().command, {}, _PROGRAM, VARIABLE)))


def answer(root: click.Command, environ: Mapping[str, str] | None = None) -> int | None:
    """Answer a shell that asks for completions; None when none does. To be called before anything is parsed."""
    instruction = (os.environ if environ is None else environ).get(VARIABLE)
    if not instruction:
        return None
    from click.shell_completion import shell_complete

    return exit_codes.OK if shell_complete(root, {}, _PROGRAM, VARIABLE, instruction) == 0 else exit_codes.USAGE
