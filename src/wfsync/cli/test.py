"""``test``: workflows tried out with made-up answers in place of the world."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App, pass_app
from wfsync.cli.options import format_option, output_option, write_outputs

if TYPE_CHECKING:
    from wfsync.cli.test_paths import ChosenTests
    from wfsync.errors import Problem
    from wfsync.testing.model import Case
    from wfsync.testing.report import TestReport
    from wfsync.testing.running import Suite

__all__ = ["test"]


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("-k", "wanted", metavar="EXPR", help="Only tests whose name, file or workflow has these words.")
@click.option("-x", "--exitfirst", "first", is_flag=True, help="Stop at the first test that does not pass.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes to run in. Default: one a core.")
@click.option(
    "--engine",
    type=click.Choice(["in-process", "dbos"]),
    default="in-process",
    show_default=True,
    help="Where runs are carried out: in this process, or by a worker on a PostgreSQL that is thrown away.",
)
@click.option("--coverage", is_flag=True, help="Say which steps and branches no test has tried.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail when less of all steps and branches was tried; implies --coverage.",
)
@format_option("text", "json", "junit")
@output_option
@pass_app
def test(
    app: App,
    paths: tuple[str, ...],
    wanted: str | None,
    first: bool,
    jobs: int | None,
    engine: Literal["in-process", "dbos"],
    coverage: bool,
    fail_under: float | None,
    form: str,
    outputs: tuple[str, ...],
) -> int:
    """Run the tests of this repository's workflows; exits with 1 unless all pass.

    Tests are the files tests/**/*.yaml beside wfsync.yaml; PATH is one of them or a folder. Each test gives a workflow
    a payload or an event, says what its actions, people and called workflows answer, and what must come of it. Nothing
    is really called but actions without side effects, and no time is really waited for. docs/testing.md is the guide,
    `wfsync schema test` the reference.

    EXPR has parts of names, joined by and, or, not and parentheses. -v lists the tests that pass as well.

    \b
    Examples:
      wfsync test
      wfsync test tests/support -k "escalation and not email" -x
      wfsync test --coverage --fail-under 90 --output junit=tests.xml
    """
    from wfsync.cli.test_paths import choose_tests
    from wfsync.testing.report import run_suite

    if engine == "dbos" and (jobs or 1) > 1:
        raise click.UsageError("--jobs is for --engine in-process: a process has one worker.")
    chosen = choose_tests(app, paths)
    suite, every = _suite(chosen, wanted, engine)
    measured = coverage or fail_under is not None
    if engine == "dbos":
        app.info("the tests run on a PostgreSQL of their own, which is removed afterwards")
    with closing(suite.engine):
        report = run_suite(
            suite,
            jobs=1 if engine == "dbos" else jobs or _cores(),
            stop_at_first=first,
            whole=measured and chosen.is_all and wanted is None,
            coverage=measured,
            track=app.track,
        )
    _show(app, report, fail_under, form, outputs)
    skipped = every - len(report.verdicts)
    ran = len(report.verdicts)
    app.info(f"{ran} test{'s' * (ran != 1)} in {report.seconds:.2f} s" + f", {skipped} not run" * bool(skipped))
    return exit_codes.OK if report.passes(fail_under) else exit_codes.ERROR


def _suite(chosen: ChosenTests, wanted: str | None, engine: Literal["in-process", "dbos"]) -> tuple[Suite, int]:
    """The tests that are to be run, and how many there are."""
    from wfsync.testing.assembling import assemble

    workspace = chosen.workspace
    every = _cases(chosen)
    cases = every if wanted is None else _selected(every, wanted)
    suite = assemble(
        cases,
        workspace.source(allow_empty=True),
        workspace.load_options(),
        workspace.declared(),
        engine,
    )
    return suite, len(every)


def _cases(chosen: ChosenTests) -> list[Case]:
    from wfsync.errors import InputError
    from wfsync.repo.layout import syntax_of
    from wfsync.testing.read import read_tests

    cases: list[Case] = []
    problems: list[Problem] = []
    for entry in chosen.entries:
        try:
            cases.extend(read_tests(chosen.reader.read(entry), syntax_of(entry.path), entry.label).cases)
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(
            "not every file of tests can be used",
            code=problems[0].code,
            hint="`wfsync schema test` prints what they may say; docs/testing.md is the guide",
            problems=problems,
        )
    return cases


def _selected(cases: Sequence[Case], wanted: str) -> list[Case]:
    from wfsync.errors import ConfigError
    from wfsync.testing.selecting import InvalidExpression, selection

    try:
        is_meant = selection(wanted)
    except InvalidExpression as error:
        raise click.UsageError(f"-k: {error}") from None
    selected = [case for case in cases if is_meant(case)]
    if not selected:
        raise ConfigError(
            f"no test is called like {wanted!r}", code="NO_TESTS", hint="`wfsync -v test` lists the tests by name"
        )
    return selected


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _show(app: App, report: TestReport, fail_under: float | None, form: str, outputs: tuple[str, ...]) -> None:
    from wfsync.render.testing import report_json, report_junit, report_text

    verbose = app.verbose > 0
    forms = {
        "text": lambda: report_text(report, fail_under=fail_under, verbose=verbose),
        "json": lambda: report_json(report),
        "junit": lambda: report_junit(report),
    }
    if form == "text":
        app.result(report_text(report, fail_under=fail_under, verbose=verbose, color=app.color))
    else:
        app.result(forms[form]())
    write_outputs(outputs, form, forms)
