"""Options that several commands share, and the machine-readable form of a failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from wfsync.errors import ConfigError, WfsyncError

if TYPE_CHECKING:
    from wfsync.plan.model import Plan

__all__ = [
    "consent_options",
    "directory_argument",
    "directory_or_plan_argument",
    "environment_option",
    "failure_document",
    "format_option",
    "keep_plan",
    "output_option",
    "output_path",
    "overwrite_option",
    "plan_file_option",
    "refresh_option",
    "rev_option",
    "selection_options",
    "shows_refusals",
    "write_outputs",
]

Command = TypeVar("Command", bound=Callable[..., Any])

_FORMAT: Final = "wfsync.format"
"""In the context's ``meta``: the chosen form of the result, known also where the command failed."""

_PLAN: Final = "wfsync.plan"
"""Likewise: the plan that was made before the command failed."""

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""What can only be the name of a format before ``=``."""

directory_argument = click.argument(
    "directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False)
)


def _in_environment(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is not None:
        context.obj = replace(context.obj, env=name)


environment_option = click.option(
    "-e",
    "--env",
    metavar="NAME",
    expose_value=False,
    callback=_in_environment,
    help="Environment of wfsync.yaml; the same as before the command's name, and stronger.",
)
"""``-e`` once more, after the command's name, where most people write it."""

directory_or_plan_argument = click.argument(
    "directory", metavar="[DIR|PLANFILE]", required=False, type=click.Path(path_type=Path)
)

plan_file_option = click.option(
    "--out",
    "plan_to",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the plan to a file as well: `wfsync apply FILE` then does exactly this, or nothing.",
)

refresh_option = click.option(
    "--refresh",
    is_flag=True,
    help="Read every row again, also those that have not moved since the last apply as far as can be told.",
)

rev_option = click.option(
    "--rev", metavar="REV", help="Read this commit, tag or branch instead of the work tree; nothing is checked out."
)

overwrite_option = click.option(
    "--overwrite",
    type=click.Choice(["replace", "update"]),
    help="How an existing workflow is overwritten: replace deletes its row with all its runs and makes a new one,"
    " update keeps its id and its runs. Default: wfsync.yaml, else replace.",
)


def selection_options(command: Command) -> Command:
    """``--select`` and ``--exclude``."""
    command = click.option(
        "--exclude", metavar="GLOB", multiple=True, help="Leave these keys out; repeatable, wins over --select."
    )(command)
    return click.option("--select", metavar="GLOB", multiple=True, help="Only these keys; repeatable.")(command)


def consent_options(command: Command) -> Command:
    """``--force`` and ``--allow-running``."""
    command = click.option(
        "--allow-running", is_flag=True, help="Consent to overwriting workflows with queued, running or waiting runs."
    )(command)
    return click.option("--force", is_flag=True, help="Consent to overwriting workflows that exist and differ.")(
        command
    )


def format_option(*forms: str) -> Callable[[Command], Command]:
    """``--format`` with ``forms``, the first of which is the default."""

    def remember(context: click.Context, _parameter: click.Parameter, value: str) -> str:
        context.meta[_FORMAT] = value
        return value

    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        callback=remember,
        is_eager=True,
        help="Form of the result on stdout.",
    )


def output_path(output: str, forms: Collection[str]) -> str:
    """The path in the value of an ``--output``; ``forms`` are the names that may stand before it."""
    name, separator, path = output.partition("=")
    return path if separator and name in forms else output


def _named_forms(context: click.Context, _parameter: click.Parameter, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """``outputs``, none of which names a form that the command does not have."""
    forms = next(
        p.type.choices for p in context.command.params if isinstance(p.type, click.Choice) and p.name == "form"
    )
    for output in outputs:
        name, separator, path = output.partition("=")
        if separator and name not in forms and _WORD.fullmatch(name):
            raise click.UsageError(
                f"--output {output}: there is no format {name}; there are {', '.join(forms)}."
                f" A file of that name is written as --output ./{name}={path}"
            )
        if not output_path(output, forms):
            raise click.UsageError(f"--output {output or repr(output)}: there is no name of a file.")
    return outputs


output_option = click.option(
    "--output",
    "outputs",
    metavar="[FORMAT=]FILE",
    multiple=True,
    callback=_named_forms,
    help="Write the result to a file as well; with FORMAT= in another form. Repeatable.",
)


def write_outputs(outputs: tuple[str, ...], form: str, forms: dict[str, Callable[[], str]]) -> None:
    """Write every ``--output``; ``forms`` maps names to what makes the text. Raises `ConfigError`."""
    for output in outputs:
        path = output_path(output, forms)
        name = form if path == output else output.partition("=")[0]
        try:
            Path(path).write_text(forms[name](), encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot write {path}: {error.strerror or error}", code="OUTPUT", hint="check --output"
            ) from None


def keep_plan(plan: Plan) -> None:
    """Remember the plan of this invocation: should the command fail later, its document still shows the plan."""
    click.get_current_context().meta[_PLAN] = plan


def shows_refusals(context: click.Context, error: WfsyncError) -> bool:
    """Whether the failed command's document for people lists every problem of ``error``: a plan with its refusals."""
    plan: Plan | None = context.meta.get(_PLAN)
    if plan is None or context.meta.get(_FORMAT) == "json":
        return False
    return {(p.code, p.key) for p in error.problems} <= {(b.code, b.key) for b in plan.blocks}


def failure_document(context: click.Context, error: WfsyncError) -> str | None:
    """The document of a command that failed: one for machines (JSON, JUnit, annotations) when that was
    asked for, a refused plan in any form; else None.
    """
    plan: Plan | None = context.meta.get(_PLAN)
    match context.meta.get(_FORMAT):
        case "json":
            from wfsync.render.json import failure_json, plan_json

            return failure_json(error) if plan is None else plan_json(plan, error)
        case "markdown" if plan is not None:
            from wfsync.render.markdown import plan_markdown

            return plan_markdown(plan)
        case "text" if plan is not None:
            from wfsync.render.text import plan_text

            return plan_text(plan)
        case "junit":
            from wfsync.plan.codec import error_problems
            from wfsync.render.junit import validation_junit

            return validation_junit((), error_problems(error))
        case "github":
            from wfsync.cli.checkout import from_checkout
            from wfsync.render.annotations import failure_annotations
            from wfsync.render.problems import problems_github

            return problems_github(map(from_checkout, failure_annotations(error)))
        case _:
            return None
