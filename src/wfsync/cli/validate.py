"""``validate``: every check that needs no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import format_option
from wfsync.cli.remote_options import revision_options

if TYPE_CHECKING:
    from wfsync.bundle.load import LoadOptions
    from wfsync.cli.paths import Part
    from wfsync.errors import Problem
    from wfsync.pipeline.validating import Validation

__all__ = ["validate"]

Form = Literal["text", "json", "github", "junit"]

_NOTES_SHOWN: Final = 3


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@revision_options
@format_option("text", "json", "github", "junit")
@pass_app
def validate(app: App, paths: tuple[str, ...], rev: str | None, form: Form) -> int:
    """Check workflow files without a database; exits with 1 when there is an error.

    PATH is a file or a folder; without one, all bundles of the repository around the working directory are checked.
    Every fault of every file is named in one run, with file, line, column and JSON pointer: syntax, schema, rules,
    definitions, their expressions (with `wfsync[runtime]`), keys that stand twice, calls of versions that a workflow
    does not have, and, where wfsync.yaml names a registry, what the instance lacks. Overlays of environments are
    checked as well. `wfsync explain CODE` says what a code means.

    --format github annotates the lines of a pull request; --format junit writes test results for CI, a case a file.

    \b
    Example:
      wfsync validate
      wfsync validate workflows/billing.dunning.json
      wfsync validate --rev HEAD --format json
    """
    from wfsync.cli.paths import choose
    from wfsync.expressions import installed
    from wfsync.pipeline.allowances import unused_allowances
    from wfsync.pipeline.validating import validate as check

    chosen = choose(app, paths, app.origin.default_rev if rev is None else rev)
    problems = list(chosen.problems)
    parts = []
    for part in chosen.parts:
        options, faults = _options(part)
        problems.extend(faults)
        if not part.named and not part.workspace.is_part:
            problems.extend(unused_allowances(part.source, options, part.workspace.config_label))
        parts.append((part.source, options))
    validation = check(parts, problems)
    _show(app, validation, form)
    if validation.files and not installed():
        app.info("expressions were not checked: that needs JSONata (pip install 'wfsync[runtime]')")
    return exit_codes.ERROR if validation.count("error") else exit_codes.OK


def _options(part: Part) -> tuple[LoadOptions, tuple[Problem, ...]]:
    """The rules for one part; a registry or an overlay that is wrong is a fault beside those of the files."""
    from wfsync.cli.paths import as_problems
    from wfsync.errors import WfsyncError

    faults: list[Problem] = []
    for environment in part.workspace.config.environments.values():
        try:
            faults += [note for note in part.workspace.overlay(environment).notes if note not in faults]
        except WfsyncError as error:
            faults += [problem for problem in as_problems(error) if problem not in faults]
    try:
        return part.workspace.load_options(), tuple(faults)
    except WfsyncError as error:
        without = replace(part.workspace, config=replace(part.workspace.config, registry=None))
        return without.load_options(), (*faults, *as_problems(error))


def _show(app: App, validation: Validation, form: Form) -> None:
    from wfsync.render.validation import summary_line, validation_json, validation_text

    files, problems = validation.files, validation.problems
    if form == "json":
        app.result(validation_json(files, problems))
    elif form == "text":
        app.result(validation_text(files, problems, shown=_shown(app, problems), color=app.color))
    elif form == "junit":
        from wfsync.render.junit import validation_junit

        app.result(validation_junit(validation.names, _shown(app, problems)))
    else:
        from wfsync.cli.checkout import from_checkout
        from wfsync.render.problems import problems_github

        # stdout holds workflow commands and nothing else
        annotations = problems_github(map(from_checkout, _shown(app, problems)))
        if annotations:
            app.result(annotations)
        app.info(summary_line(files, problems))


def _shown(app: App, problems: Sequence[Problem]) -> list[Problem]:
    """Errors and warnings, and the first few notes of each kind: files from elsewhere have some by the thousand."""
    if app.quiet:
        return [problem for problem in problems if problem.is_error]
    met: Counter[str] = Counter()
    shown = []
    for problem in problems:
        if problem.severity == "note" and not app.verbose:
            met[problem.code] += 1
            if met[problem.code] > _NOTES_SHOWN:
                continue
        shown.append(problem)
    for code, count in met.items():
        if count > _NOTES_SHOWN:
            shown.append(_omitted(code, count - _NOTES_SHOWN))
    return shown


def _omitted(code: str, count: int) -> Problem:
    from wfsync.errors import Problem

    return Problem(code=code, severity="note", message=f"{count} more of these notes; `wfsync -v validate` shows them")
