"""``fmt``: files as canonical bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app

if TYPE_CHECKING:
    from wfsync.pipeline.formatting import Formatting

__all__ = ["fmt"]


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when a file would be rewritten.")
@click.option("--drop-comments", is_flag=True, help="Rewrite YAML files that have comments as well, and lose them.")
@pass_app
def fmt(app: App, paths: tuple[str, ...], check: bool, drop_comments: bool) -> int:
    """Rewrite workflow files to canonical bytes.

    PATH is a file or a folder; without one, all bundles of the repository around the working directory are rewritten.
    Keys are sorted, the layout is made even, dependencies are derived from the steps, definition ids become the
    workflow's key, numbers are written in one way and versions in ascending order. JSON stays JSON and YAML stays YAML;
    exportedAt stays as it is. A file that is canonical already is not touched.

    A YAML file with comments is reported and left alone. When any file cannot be read or breaks a rule, every fault is
    named and no file is written. A file that is named itself may hold a bundle of many workflows.

    \b
    Example:
      wfsync fmt
      wfsync fmt --check
      wfsync fmt exported/bundle.json
    """
    from wfsync.cli.paths import choose
    from wfsync.errors import InputError
    from wfsync.pipeline.formatting import FormatOptions, format_files
    from wfsync.state.desired import raise_if_wrong

    chosen = choose(app, paths, None)
    options = FormatOptions(write=not check and not chosen.problems, drop_comments=drop_comments)
    parts = [(part.source, part.named) for part in chosen.parts]
    try:
        formatting = format_files(parts, options)
    except InputError as error:
        raise_if_wrong((*chosen.problems, *error.problems))
        raise
    raise_if_wrong(chosen.problems)
    app.problems(formatting.notes)
    app.result(_text(formatting, check=check))
    return exit_codes.PENDING if check and formatting.rewritten else exit_codes.OK


def _text(formatting: Formatting, *, check: bool) -> str:
    from wfsync.render.escape import plain

    lines = [f"~ {plain(label)}" for label in formatting.rewritten]
    counts = [
        f"{len(formatting.rewritten)} {'would be rewritten' if check else 'rewritten'}",
        f"{formatting.files - len(formatting.rewritten) - len(formatting.kept)} unchanged",
    ]
    if formatting.kept:
        counts.append(f"{len(formatting.kept)} left alone because of comments")
    noun = "file" if formatting.files == 1 else "files"
    lines.append(f"{'Checked' if check else 'Formatted'} {formatting.files} {noun}: {', '.join(counts)}.")
    return "\n".join(lines)
