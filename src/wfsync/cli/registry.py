"""``registry``: what an instance offers, written down, and held against the workflows that need it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option, rev_option
from wfsync.cli.pinned import refuse_homeless

if TYPE_CHECKING:
    from wfsync.bundle.declared import Declared
    from wfsync.errors import Problem
    from wfsync.pipeline.covering import Coverage
    from wfsync.runtime.registry import Registry
    from wfsync.wiring import Workspace

__all__ = ["registry"]

_DIRECTORY = click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is."
)


@click.group()
def registry() -> None:
    """Show, check and export what an instance offers.

    Actions, node types and payload schemas come from wfsync itself, from installed packages (plugins) and from the file
    that `registry:` in wfsync.yaml names, whose stubs stand for actions on the embedded instance and in tests.
    """


@registry.command("list")
@environment_option
@_DIRECTORY
@rev_option
@click.option("--kind", type=click.Choice(["actions", "nodeTypes", "schemas"]), help="Only these entries.")
@format_option("text", "json")
@pass_app
def list_(
    app: App,
    directory: Path | None,
    rev: str | None,
    kind: Literal["actions", "nodeTypes", "schemas"] | None,
    form: Literal["text", "json"],
) -> int:
    """List what can be executed here: built-ins, plugins, and what the repository declares.

    An action is real, a stub, or known by name only: then its schemas are checked and it cannot be executed. A plugin
    that cannot be used is named on stderr, and the exit code is 1.

    \b
    Example:
      wfsync registry list
      wfsync registry list --kind actions --format json
    """
    from wfsync.render.registry import KINDS, listing_json, listing_text

    found, problems = _instance(app, directory, rev)
    kinds = KINDS if kind is None else (kind,)
    app.problems(problems)
    app.result(listing_json(found, kinds, problems) if form == "json" else listing_text(found, kinds))
    return exit_codes.ERROR if problems else exit_codes.OK


def _instance(app: App, directory: Path | None, rev: str | None) -> tuple[Registry, tuple[Problem, ...]]:
    """What the instance that is meant has, and which plugins cannot be used."""
    from wfsync.runtime.plugins import discover
    from wfsync.runtime.stubs import combined

    workspace = _workspace(app, directory, rev)
    declared = None if workspace is None else workspace.declared()
    stubs = app.choice(directory, workspace).kind == "embedded"
    found = discover()
    return combined(found.registry, declared, stubs=stubs), found.problems


def _workspace(app: App, directory: Path | None, rev: str | None) -> Workspace | None:
    """The repository that is meant; None where none was named and none is around."""
    from wfsync.errors import ConfigError

    if directory is not None or rev is not None:
        return app.workspace(directory, rev)
    try:
        return app.workspace_or_none()
    except ConfigError as error:
        if error.code != "NO_REPOSITORY":
            raise
        return None


@registry.command()
@environment_option
@_DIRECTORY
@rev_option
@click.option(
    "--out", "target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it there."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json"]),
    help="Default: yaml, or json where FILE ends in .json.",
)
@click.option("--installed", is_flag=True, help="Only what is installed here; no registry file is read.")
@pass_app
def export(
    app: App,
    directory: Path | None,
    rev: str | None,
    target: Path | None,
    form: Literal["yaml", "json"] | None,
    installed: bool,
) -> None:
    """Write what this instance has, for repositories whose instance cannot be asked.

    The result is a registry file: with `registry:` it makes the same check elsewhere as here. It holds names,
    schemas and properties, never code and no stubs. The same instance always gives the same bytes.

    \b
    Example:
      wfsync registry export --installed --out registry.yaml
    """
    from wfsync.bundle.canonical import canonical_bytes
    from wfsync.bundle.yaml_write import write_yaml
    from wfsync.runtime.plugins import installed as everything_installed
    from wfsync.runtime.registry_tree import registry_tree
    from wfsync.runtime.stubs import combined

    if target is not None:
        refuse_homeless(target, ())
    declared = None
    if not installed:
        workspace = _workspace(app, directory, rev)
        declared = None if workspace is None else workspace.declared()
        if workspace is not None and target is not None:
            _refuse_to_overwrite(workspace, target)
    tree = registry_tree(combined(everything_installed(), declared, stubs=False))
    as_json = form == "json" or (form is None and target is not None and target.suffix.lower() == ".json")
    data = canonical_bytes(tree) if as_json else write_yaml(tree)
    if target is None:
        app.result(data.decode())
        return
    from wfsync.repo.atomic import write_files

    write_files(target.parent, {target.name: data}, sweep=())
    app.result(
        f"Exported {len(tree['actions'])} actions, {len(tree['nodeTypes'])} node types and "
        f"{len(tree['schemas'])} payload schemas."
    )


def _refuse_to_overwrite(workspace: Workspace, target: Path) -> None:
    """The file that was just read has stubs and comments, which an export has not."""
    if workspace.registry_path is not None and workspace.repository.relative(str(target)) == workspace.registry_path:
        raise click.UsageError(
            f"{target} is this repository's own registry, whose stubs and comments would be lost. Name another file, or"
            " give --installed to replace it by what is installed."
        )


@registry.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@environment_option
@_DIRECTORY
@rev_option
@format_option("text", "json")
@pass_app
def check(app: App, file: str | None, directory: Path | None, rev: str | None, form: Literal["text", "json"]) -> int:
    """Check a registry file, and whether it has all that the workflows of the repository need.

    FILE is a registry, such as one exported from another instance; - reads standard input. Without it, it is the one
    that wfsync.yaml names. Exits with 1 when the file is wrong or a workflow needs more, and names what is missing for
    each. What nobody needs is a note. Outside of a repository only the file itself is checked.

    \b
    Example:
      wfsync registry check
      wfsync registry check production-registry.yaml --format json
    """
    from wfsync.render.registry import check_json, check_text

    workspace = _workspace(app, directory, rev)
    declared = _declared(workspace, file)
    coverage = None
    if workspace is not None and workspace.config_path is not None:
        coverage = _coverage(app, workspace, directory, declared, file)
    else:
        app.info("there is no wfsync.yaml here, so only the file itself was checked")
    shown = (declared.file, declared.names, coverage)
    text = check_json(*shown) if form == "json" else check_text(*shown, notes=not app.quiet, color=app.color)
    app.result(text)
    return exit_codes.ERROR if coverage is not None and coverage.lacking else exit_codes.OK


def _declared(workspace: Workspace | None, file: str | None) -> Declared:
    """The registry in ``file``, else that of the repository."""
    from wfsync.bundle.declared import parse_declared
    from wfsync.errors import ConfigError

    if file is None:
        declared = None if workspace is None else workspace.declared()
        if declared is None:
            raise ConfigError(
                "no registry file is named", code="REGISTRY_MISSING", hint="give FILE, or `registry:` in wfsync.yaml"
            )
        return declared
    if file == "-":
        return parse_declared(sys.stdin.buffer.read(), "<stdin>")
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the registry file {file} cannot be read: {error.strerror or error}",
            code="REGISTRY_MISSING",
            hint="name a file that exists",
        ) from None
    return parse_declared(data, file)


def _coverage(app: App, workspace: Workspace, directory: Path | None, declared: Declared, file: str | None) -> Coverage:
    from wfsync.pipeline.covering import cover

    inside = None if file in (None, "-") else workspace.repository.relative(str(file))
    source = workspace.source(beside=frozenset() if inside is None else frozenset({inside}))
    options = workspace.load_options(app.policies(directory, workspace), dependencies=False)
    return cover(source, options, declared.names)
