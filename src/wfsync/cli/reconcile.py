"""``plan`` and ``apply``: compare the repository with a database, and carry out the difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

import click

from wfsync.cli import exit_codes
from wfsync.cli.brakes import brake_options
from wfsync.cli.context import App, pass_app
from wfsync.cli.demand import require_demanded, with_demanded
from wfsync.cli.many import chosen_group, exit_code_of, jobs_option, keep_going_option, refuse_plan_file
from wfsync.cli.options import (
    consent_options,
    directory_argument,
    directory_or_plan_argument,
    environment_option,
    format_option,
    keep_plan,
    output_option,
    output_path,
    overwrite_option,
    plan_file_option,
    refresh_option,
    selection_options,
    write_outputs,
)
from wfsync.cli.pinned import (
    Approved,
    approved,
    is_plan_file,
    plan_file,
    refuse_homeless,
    refuse_nothing,
    refuse_other_options,
    refuse_taken,
    write_plan_file,
)
from wfsync.cli.recording import recording
from wfsync.cli.remote_options import allow_rewind_option, revision_options
from wfsync.cli.rewinding import keep_course, with_rewind

if TYPE_CHECKING:
    from wfsync.apply.outcome import Outcome
    from wfsync.pipeline.options import PlanOptions
    from wfsync.pipeline.planning import Planned
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import Plan
    from wfsync.policy import Wishes
    from wfsync.state.desired import Loading
    from wfsync.state.live import Reading
    from wfsync.state.selection import Selection
    from wfsync.wiring import Session, Workspace

__all__ = ["Form", "apply", "plan", "show_outcome", "show_plan"]

Form = Literal["text", "json", "markdown"]
PlanForm = Literal["text", "json", "markdown", "github"]


@dataclass(frozen=True, slots=True)
class Request:
    """What both commands were asked."""

    directory: Path | None
    rev: str | None
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    overwrite: Literal["replace", "update"] | None
    wishes: Wishes

    keys: frozenset[str] | None = None
    """Exactly these: those of a plan file."""
    refresh: bool = False
    """Nothing is taken for unmoved that could be read."""

    @classmethod
    def of(cls, file: Approved, wishes: Wishes) -> Self:
        """What a plan file asks; ``wishes`` can raise the brakes."""
        plan = file.plan
        fixed = replace(wishes, prune=plan.options.prune, on_drift=plan.options.on_drift)
        return cls(
            file.start, None, plan.options.select, plan.options.exclude, plan.options.overwrite, fixed, plan.keys
        )

    @property
    def selection(self) -> Selection:
        """The keys that are meant."""
        from wfsync.state.selection import Selection

        return Selection(self.select, self.exclude, self.keys)


@click.command()
@directory_argument
@environment_option
@revision_options
@selection_options
@overwrite_option
@brake_options
@refresh_option
@format_option("text", "json", "markdown", "github")
@output_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something would change.")
@plan_file_option
@jobs_option
@pass_app
def plan(
    app: App,
    directory: Path | None,
    rev: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    overwrite: Literal["replace", "update"] | None,
    wishes: Wishes,
    refresh: bool,
    form: PlanForm,
    outputs: tuple[str, ...],
    detailed_exitcode: bool,
    plan_to: Path | None,
    jobs: int | None,
) -> int:
    """Show what apply would do; changes nothing.

    Reads the bundles of DIR (default: the repository around the working directory) and compares them with the
    database. Exits with 0 also when apply would refuse, and names the refusal.

    --format markdown is a comment for a pull request, --format github annotates its files.
    """
    from wfsync.plan.guard import Consent

    if plan_to is not None:
        refuse_homeless(plan_to, (output_path(output, get_args(PlanForm)) for output in outputs))
    request = Request(directory, rev, select, exclude, overwrite, wishes, refresh=refresh)
    group = chosen_group(app, directory, rev, jobs)
    if group is not None:
        if plan_to is not None:
            raise refuse_plan_file(group)
        report = group.run("plan", request.selection, wishes, Consent(), overwrite=overwrite, refresh=refresh)
        group.show(report, form, outputs)
        return exit_code_of(report, detailed=detailed_exitcode)
    data = None
    if plan_to is None:
        made = _shown(app, request)
    else:
        with _planned(app, request, Consent()) as (session, workspace, planned):
            refuse_taken(plan_to, workspace)
            data = plan_file(session, workspace, planned, directory, request.selection)
            made = planned.plan
    if plan_to is not None and data is not None:
        write_plan_file(app, plan_to, data)
    show_plan(app, made, form, outputs)
    return exit_codes.PENDING if detailed_exitcode and (made.summary().pending or made.blocks) else exit_codes.OK


@click.command()
@directory_or_plan_argument
@environment_option
@revision_options
@selection_options
@overwrite_option
@brake_options
@refresh_option
@consent_options
@allow_rewind_option
@click.option(
    "--expect-digest", metavar="DIGEST", help="Refuse unless the plan has this digest, which plan and apply print."
)
@format_option("text", "json", "markdown")
@output_option
@jobs_option
@keep_going_option
@pass_app
def apply(
    app: App,
    directory: Path | None,
    rev: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    overwrite: Literal["replace", "update"] | None,
    wishes: Wishes,
    refresh: bool,
    force: bool,
    allow_running: bool,
    expect_digest: str | None,
    form: Form,
    outputs: tuple[str, ...],
    jobs: int | None,
    keep_going: bool,
) -> int:
    """Make the database what the repository says, in one transaction.

    Creates what is missing. Workflows that exist and differ are overwritten with --force only; without it nothing at
    all is written and they are listed (exit code 3). Workflows that no file names are left alone, unless --prune is
    given and wfsync itself created them from this source.

    With a PLANFILE that `plan --out` wrote, does exactly what was planned, with the options of that plan; only consent
    can be given. If a file or a row of the plan is another one since, nothing is written (exit code 3).

    With -e of a group, every target has a transaction of its own, and a wave is begun only when no target before it
    failed. The exit code is the worst: 1 before 4, 3, 5 and 0.
    """
    from wfsync.pipeline.applying import carry_out, require_consent
    from wfsync.plan.guard import Consent

    request = Request(directory, rev, select, exclude, overwrite, wishes, refresh=refresh)
    consent = Consent(force=force, allow_running=allow_running)
    file = None
    refuse_nothing(directory, rev, app.origin.url)
    if is_plan_file(directory):
        refuse_other_options(click.get_current_context())
        file = approved(app, directory)
        app = file.app
        making = file.unmoved(_planned(app, Request.of(file, wishes), consent, write=True, file=file))
    elif (group := chosen_group(app, directory, rev, jobs, keep_going=keep_going)) is not None:
        if expect_digest is not None:
            raise click.UsageError("--expect-digest is about one target, and -e names a group.")
        record = recording(app, group.workspace, command="apply")
        report = group.run(
            "apply",
            request.selection,
            wishes,
            consent,
            overwrite=overwrite,
            refresh=refresh,
            keep_going=keep_going,
            recording=record,
        )
        group.show(report, form, outputs)
        return exit_code_of(report)
    else:
        making = _planned(app, request, consent, write=True)
    with making as (session, workspace, planned):
        if file is None:
            require_consent(planned.plan, expect_digest)
        else:
            require_consent(planned.plan, expect_digest, part="the rest needs a plan with --select or --exclude")
        record = recording(app, workspace, command="apply")
        options = app.apply_options(consent, record if file is None else file.noted(record))
        outcome = carry_out(session.conn, session.layout, session.tenant, planned, options)
        outcome = keep_course(app, session, workspace, outcome, options)
    show_outcome(app, outcome, form, outputs)
    return exit_codes.OK


def _shown(app: App, request: Request) -> Plan:
    """The plan, for who only looks at it."""
    from wfsync.plan.guard import Consent
    from wfsync.reconciling import planning

    workspace = app.workspace(request.directory, request.rev)
    options = _options(app, request, workspace, Consent(), "all" if request.refresh else "unproven")
    connect = app.looking(request.directory, workspace)
    with planning(workspace, request.selection, options, connect, request.wishes) as (session, made):
        return _refined(app, session, workspace, made)


@contextmanager
def _planned(
    app: App, request: Request, consent: Consent, *, write: bool = False, file: Approved | None = None
) -> Iterator[tuple[Session, Workspace, Planned]]:
    """Load, connect, compare; with a plan ``file``, the same once more. Files are loaded in other processes while the
    database is read.
    """
    from wfsync.reconciling import comparing

    @contextmanager
    def connect(loading: Loading) -> Iterator[Session]:
        app.require_files(loading, request.directory, workspace)
        target = app.target(request.directory, workspace)
        if file is not None:
            target = file.target(target)
        if write and app.must_create_tables(target):
            loading.finish()  # nothing is created for files that are wrong
        with app.session(target, for_write=write, upgrade=write) as session:
            if file is not None:
                file.check(session)
            yield session

    workspace = app.workspace(request.directory, request.rev) if file is None else file.workspace
    if write:
        require_demanded(app, workspace)
    beside = frozenset[str]() if file is None else file.beside
    reading: Reading = ("anew" if request.refresh else "prove") if write else ("all" if request.refresh else "unproven")
    options = _options(app, request, workspace, consent, reading)
    with comparing(workspace, request.selection, options, connect, beside, request.wishes) as (session, planned):
        yield session, workspace, replace(planned, plan=_refined(app, session, workspace, planned.plan))


def _options(app: App, request: Request, workspace: Workspace, consent: Consent, reading: Reading) -> PlanOptions:
    from wfsync.pipeline.options import PlanOptions

    policies = app.policies(request.directory, workspace)
    overwrite = request.overwrite or workspace.config.overwrite
    return PlanOptions(overwrite, consent, track=app.track, policies=policies, reading=reading)


def _refined(app: App, session: Session, workspace: Workspace, made: Plan) -> Plan:
    """The plan with what is to be said of the repository as a whole."""
    if workspace.config.registry is None:
        app.note_unchecked_dependencies()
    made = with_demanded(app, workspace, with_rewind(app, session, workspace, made))
    keep_plan(made)
    return made


def show_plan(app: App, made: Plan, form: PlanForm, outputs: tuple[str, ...]) -> None:
    """Write a plan to stdout and to every ``--output``."""
    from wfsync.render.text import plan_text

    forms = {
        "text": lambda: plan_text(made),
        "json": lambda: _json(made),
        "markdown": lambda: _markdown(made),
        "github": lambda: _github(made),
    }
    write_outputs(outputs, form, forms)
    if form == "text":
        app.result(plan_text(made, width=app.width, color=app.color, verbose=app.verbose))
    else:
        app.result(forms[form]())


# Each form is imported where it is asked for.


def _json(made: Plan) -> str:
    from wfsync.render.json import plan_json

    return plan_json(made)


def _markdown(made: Plan) -> str:
    from wfsync.render.markdown import plan_markdown

    return plan_markdown(made)


def _github(made: Plan) -> str:
    from wfsync.cli.checkout import from_checkout
    from wfsync.render.annotations import plan_annotations
    from wfsync.render.problems import problems_github

    return problems_github(map(from_checkout, plan_annotations(made)))


def show_outcome(app: App, outcome: Outcome, form: Form, outputs: tuple[str, ...]) -> None:
    """Write what an apply did to stdout and to every ``--output``."""
    from wfsync.render.json import outcome_json
    from wfsync.render.markdown import outcome_markdown
    from wfsync.render.outcome import outcome_text

    forms = {
        "text": lambda: outcome_text(outcome),
        "json": lambda: outcome_json(outcome),
        "markdown": lambda: outcome_markdown(outcome),
    }
    if form == "text":
        app.result(outcome_text(outcome, width=app.width, color=app.color, verbose=app.verbose))
    else:
        app.result(forms[form]())
    write_outputs(outputs, form, forms)  # last: it may fail, and what was done must be said first
