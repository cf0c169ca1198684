"""``plan``, ``apply`` and ``status`` of a group: which one is meant, its options, and one exit code for all targets."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.context import App
from wfsync.cli.demand import require_demanded, with_demanded
from wfsync.cli.options import write_outputs
from wfsync.cli.rewinding import with_rewind
from wfsync.config import named_environment
from wfsync.errors import ConfigError, WfsyncError

if TYPE_CHECKING:
    from wfsync.apply.record import Recording
    from wfsync.groups import Wave
    from wfsync.pipeline.many import Command, GroupReport, TargetReport
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import Overwrite
    from wfsync.policy import Wishes
    from wfsync.state.selection import Selection
    from wfsync.wiring import Workspace

__all__ = [
    "GroupForm",
    "GroupOfTargets",
    "chosen_group",
    "exit_code_of",
    "jobs_option",
    "keep_going_option",
    "refuse_plan_file",
]

GroupForm = Literal["text", "json", "markdown", "github"]
DEFAULT_JOBS: Final = 4

_WORST_FIRST: Final = (
    exit_codes.ERROR,
    exit_codes.REFUSED,
    exit_codes.CONFLICT,
    exit_codes.LOCKED,
    exit_codes.PENDING,
    exit_codes.OK,
)

jobs_option = click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1, max=64),
    help=f"Of a group: how many targets at once. Default: {DEFAULT_JOBS}.",
)

keep_going_option = click.option(
    "--keep-going", is_flag=True, help="Of a group: begin the next wave also when a target has failed."
)


@dataclass(frozen=True, slots=True)
class GroupOfTargets:
    """The group that an invocation is about."""

    app: App
    name: str
    workspace: Workspace
    waves: tuple[Wave, ...]
    jobs: int

    def run(
        self,
        command: Command,
        selection: Selection,
        wishes: Wishes,
        consent: Consent,
        *,
        overwrite: Overwrite | None = None,
        refresh: bool = False,
        keep_going: bool = False,
        recording: Recording | None = None,
    ) -> GroupReport:
        """Carry out ``command`` on every target; says on stderr how each ended. Raises as `wfsync.many.running.run`."""
        from wfsync.many.running import Order, run

        app, workspace = self.app, self.workspace
        if command == "apply":
            require_demanded(app, workspace)
        order = Order(
            command,
            self.name,
            workspace,
            selection,
            overwrite or workspace.config.overwrite,
            wishes,
            consent,
            app.lock_timeout,
            self.jobs,
            keep_going,
            refresh,
            recording,
            lambda session, plan: with_demanded(app, workspace, with_rewind(app, session, workspace, plan)),
            app.track,
        )
        if command != "status" and workspace.config.registry is None:
            app.note_unchecked_dependencies()
        report = run(order, self.waves, os.environ, self._tell)
        if any(target.outcome is not None for target in report.targets):
            app.on_commit()  # what was written is reported, whatever signal comes now
        return report

    def show(self, report: GroupReport, form: GroupForm, outputs: tuple[str, ...] = ()) -> None:
        """Write the report to stdout, then to every ``--output``: that may fail, and what was done is said first."""
        from wfsync.cli.checkout import from_checkout
        from wfsync.render.many import group_annotations, group_json, group_markdown, group_text
        from wfsync.render.problems import problems_github

        app = self.app
        forms = {
            "text": lambda: group_text(report),
            "json": lambda: group_json(report),
            "markdown": lambda: group_markdown(report),
            "github": lambda: problems_github(map(from_checkout, group_annotations(report))),
        }
        if form == "text":
            app.result(group_text(report, width=app.width, color=app.color, verbose=app.verbose))
        else:
            app.result(forms[form]())
        write_outputs(outputs, form, forms)

    def _tell(self, target: TargetReport, done: int, total: int) -> None:
        from wfsync.render.many import target_words

        if target.error is not None:
            error = WfsyncError(
                f"{target.name}: {target.error.message}", code=target.error.code, hint=target.error.hint
            )
            self.app.error(error, listed=True)
        else:
            self.app.info(f"[{done}/{total}] {target.name}: {target_words(target)}")


def chosen_group(
    app: App, directory: Path | None, rev: str | None, jobs: int | None, *, keep_going: bool = False
) -> GroupOfTargets | None:
    """The group that ``-e`` or WFSYNC_ENV names; None where it is one target.

    Raises `ConfigError` (``GROUP_NOT_ALLOWED``) for a group together with --database or --tenant, and
    `click.UsageError` for --jobs or --keep-going without a group.
    """
    named = named_environment(app.env, os.environ)
    workspace = None if named is None else app.workspace(directory, rev)
    if named is not None and workspace is not None:
        from wfsync.groups import waves_of

        name, config = named[0], workspace.config
        environment = config.environments.get(name)
        several = environment is not None and environment.tenants is not None and app.tenant is None
        if name in config.groups or several:
            if app.database is not None or app.tenant is not None:
                raise ConfigError(
                    f"{name} is a group, and --database and --tenant are about one target",
                    code="GROUP_NOT_ALLOWED",
                    hint="leave them out, or name one environment of the group",
                )
            waves = waves_of(name, config.groups, config.environments)
            return GroupOfTargets(app, name, workspace, waves, jobs or DEFAULT_JOBS)
    for option, is_given in (("--jobs", jobs is not None), ("--keep-going", keep_going)):
        if is_given:
            raise click.UsageError(
                f"{option} is about a group of targets, and one target is meant (-e names no group)."
            )
    return None


def refuse_plan_file(group: GroupOfTargets) -> ConfigError:
    """Why no plan file is written of ``group``."""
    return ConfigError(
        f"{group.name} is a group, and a plan file is of one target",
        code="GROUP_NOT_ALLOWED",
        hint="plan each environment by itself with --out",
    )


def exit_code_of(report: GroupReport, *, detailed: bool = False) -> int:
    """The worst of all targets: 1 before 4, 3, 5, 2 and 0; after a signal that left something undone 130 or 143."""
    if report.stopped_by is not None:
        return exit_codes.INTERRUPTED if report.stopped_by == signal.SIGINT else exit_codes.TERMINATED
    codes = {exit_codes.OK}
    for target in report.targets:
        if target.error is not None:
            code = exit_codes.of(target.error)
            codes.add(code if code in _WORST_FIRST else exit_codes.ERROR)
        elif detailed and target.pending:
            codes.add(exit_codes.PENDING)
    return next(code for code in _WORST_FIRST if code in codes)
