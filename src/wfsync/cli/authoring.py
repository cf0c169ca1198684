"""``new`` and ``init``: files that are valid from the start."""

# What was written on the command line is told from where it leads to: plain text paths.
# ruff: noqa: PTH100, PTH112, PTH118

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli.context import App, pass_app

if TYPE_CHECKING:
    from wfsync.errors import RepositoryError
    from wfsync.wiring import Workspace

__all__ = ["init", "new"]


@click.command()
@click.argument("key")
@click.option("--name", metavar="TEXT", help="The workflow's name; made of KEY when left out.")
@click.option(
    "--format",
    "syntax",
    type=click.Choice(["json", "yaml"]),
    default="json",
    show_default=True,
    help="Form of the file.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Folder of the file; made if missing. Default: the repository's `directory`.",
)
@pass_app
def new(app: App, key: str, name: str | None, syntax: Literal["json", "yaml"], out: str | None) -> None:
    """Write a valid workflow file, with every required field, ready to edit.

    The file is named like KEY and goes where the repository keeps its workflows. It holds a draft of one step, no
    published version and no trigger. A file that exists is never overwritten, wherever in the repository KEY stands.

    \b
    Example:
      wfsync new billing.dunning
      wfsync new billing.dunning --format yaml --out workflows/billing
    """
    from wfsync.pipeline.authoring import bundle_text, check_key, new_workflow, now, offered_schema
    from wfsync.render.escape import plain
    from wfsync.repo.atomic import write_files
    from wfsync.repo.layout import path_for

    workspace = app.workspace(None)
    options = workspace.load_options()
    check_key(key, options.reserved)
    root, directory = _place(workspace, out)
    _refuse_known(workspace, key)
    path = path_for(directory, key, syntax)
    if os.path.lexists(f"{root}/{path}"):
        raise _exists([f"{root}/{path}"])
    data = bundle_text(new_workflow(key, name, offered_schema(options.registry)), syntax, now())
    write_files(root, {path: data}, sweep=())
    app.result(plain(os.path.relpath(f"{root}/{path}")))


def _place(workspace: Workspace, out: str | None) -> tuple[str, str]:
    """The root below which the file goes, and its folder from there."""
    if out is None:
        return workspace.repository.root, "" if workspace.directory == "." else workspace.directory
    inside = workspace.repository.relative(out)
    return (os.path.abspath(out), "") if inside is None else (workspace.repository.root, inside)


def _refuse_known(workspace: Workspace, key: str) -> None:
    """Raise when a file of the repository is named like ``key`` already, in whatever form and folder."""
    from wfsync.repo.layout import key_of

    known = [entry.label for entry in workspace.source(allow_empty=True).entries if key_of(entry.path) == key]
    if known:
        raise _exists(known)


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path())
@pass_app
def init(app: App, directory: str) -> None:
    """Write a small working repository: settings, one workflow, a CI snippet and a README.

    DIR (default: the working directory) is made if missing. Files that exist are never overwritten: then they are
    listed, and nothing is written.

    \b
    Example:
      wfsync init my-workflows
    """
    from wfsync.errors import RepositoryError
    from wfsync.pipeline.authoring import now, starter_files
    from wfsync.render.escape import plain
    from wfsync.repo.atomic import write_files
    from wfsync.repo.layout import printable

    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise RepositoryError(
            f"{printable(directory)} is not a folder", code="NOT_A_DIRECTORY", hint="name another one"
        )
    files = starter_files(now())
    known = [path for path in files if os.path.lexists(os.path.join(directory, path))]
    if known:
        raise _exists(os.path.normpath(os.path.join(directory, path)) for path in known)
    write_files(Path(directory), files, sweep=())
    made = [f"+ {plain(os.path.normpath(os.path.join(directory, path)))}" for path in sorted(files)]
    app.result("\n".join([*made, f"Created {len(made)} files."]))
    enter = "" if os.path.normpath(directory) == "." else f"cd {plain(directory)}, then "
    begin = "" if _is_in_git(directory) else "`git init`, "
    app.info(f"next: {enter}{begin}`wfsync validate`, `wfsync plan`")


def _is_in_git(directory: str) -> bool:
    """Whether git knows the folder already; also where it is a repository that cannot be opened."""
    from wfsync.errors import RepositoryError
    from wfsync.repo.folder import Folder
    from wfsync.repo.opening import open_repository

    try:
        return type(open_repository(directory)) is not Folder  # git's are made of it
    except RepositoryError:
        return True


def _exists(paths: Iterable[str]) -> RepositoryError:
    from wfsync.errors import Place, Problem, RepositoryError
    from wfsync.repo.layout import printable

    labels = [printable(path) for path in paths]
    return RepositoryError(
        "nothing was written: " + ("the file exists" if len(labels) == 1 else f"{len(labels)} files exist"),
        code="FILE_EXISTS",
        hint="remove what you do not need, or choose another place",
        problems=[
            Problem(code="FILE_EXISTS", message="exists, and is never overwritten", place=Place(label))
            for label in labels
        ],
    )
