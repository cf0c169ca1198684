"""``watch``: the reconciler as a service."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from wfsync.cli import exit_codes
from wfsync.cli.brakes import brake_options
from wfsync.cli.context import App, echo, pass_app
from wfsync.cli.demand import require_demanded
from wfsync.cli.interruption import IN_CONTEXT, Signals
from wfsync.cli.options import (
    consent_options,
    directory_argument,
    environment_option,
    overwrite_option,
    selection_options,
)
from wfsync.cli.recording import recording
from wfsync.cli.remote_options import revision_options
from wfsync.errors import ConfigError, WfsyncError

if TYPE_CHECKING:
    from wfsync.apply.execute import ApplyOptions
    from wfsync.daemon.bell import Bell
    from wfsync.daemon.metrics import Metrics
    from wfsync.daemon.reconciler import Setup, Switch
    from wfsync.daemon.report import Report
    from wfsync.pipeline.options import PlanOptions
    from wfsync.plan.guard import Consent
    from wfsync.policy import Wishes
    from wfsync.store.target import Target
    from wfsync.wiring import Workspace

__all__ = ["watch"]

SECRET_VARIABLE: Final = "WFSYNC_WEBHOOK_SECRET"  # noqa: S105 - its name

_SECONDS: Final = click.FloatRange(min=0, min_open=True, max=86_400)


@dataclass(frozen=True, slots=True)
class Request:
    """What `watch` was asked to keep in sync, and how."""

    directory: Path | None
    rev: str | None
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    overwrite: Literal["replace", "update"] | None
    wishes: Wishes
    consent: Consent
    allow_rewind: bool
    full_interval: float


@click.command()
@directory_argument
@environment_option
@revision_options
@selection_options
@overwrite_option
@brake_options
@consent_options
@click.option(
    "--allow-rewind",
    is_flag=True,
    help="Consent to a commit that is older than the last applied one, or not on its line.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=_SECONDS,
    default=60.0,
    show_default=True,
    help="Pause between two syncs; chance takes up to a tenth off it.",
)
@click.option(
    "--full-interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0, max=604_800),
    default=3600.0,
    show_default=True,
    help="How often every row is read, as at start, also those that have not moved as far as can be told; 0: always.",
)
@click.option(
    "--max-backoff",
    metavar="SECONDS",
    type=_SECONDS,
    default=300.0,
    show_default=True,
    help="The longest pause after failures in a row; the first is a second, each further one twice as long.",
)
@click.option("--once", is_flag=True, help="Sync once and end with the exit code that apply would have.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Answer /healthz, /readyz, /metrics and POST /sync; :PORT listens on every address.",
)
@click.option(
    "--webhook-secret-env",
    metavar="NAME",
    default=SECRET_VARIABLE,
    show_default=True,
    help="Variable with the secret of POST /sync; without one nobody may ask for a sync.",
)
@pass_app
def watch(
    app: App,
    directory: Path | None,
    rev: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    overwrite: Literal["replace", "update"] | None,
    wishes: Wishes,
    force: bool,
    allow_running: bool,
    allow_rewind: bool,
    interval: float,
    full_interval: float,
    max_backoff: float,
    once: bool,
    listen: str | None,
    webhook_secret_env: str,
) -> int:
    """Keep the database what the repository says: compare, apply, sleep, again.

    The flags are the consent of every sync, and the brakes hold: what apply would refuse is reported, and the next
    revision is tried. One instance leads a database and tenant; others stand by and take over. wfsync.yaml is read
    again at every sync; `suspend: true` in it stops writing.

    \b
    SIGHUP          sync now
    SIGTERM         stop: what is not committed is rolled back
    SIGUSR1, USR2   suspend this process; resume
    """
    from random import SystemRandom

    from wfsync.daemon.bell import Bell
    from wfsync.daemon.loop import Loop
    from wfsync.daemon.pace import Pace
    from wfsync.daemon.reconciler import Reconciler, Switch
    from wfsync.plan.guard import Consent

    signals: Signals = click.get_current_context().meta[IN_CONTEXT]
    consent = Consent(force=force, allow_running=allow_running)
    request = Request(directory, rev, select, exclude, overwrite, wishes, consent, allow_rewind, full_interval)
    bell, switch, told = Bell(), Switch(), _Told(app)
    reconciler = Reconciler(_setup(app, request, switch, signals))
    loop = Loop(reconciler.sync, bell, Pace(interval, max_backoff), told, signals.rest, SystemRandom().random)
    try:
        with _listening(app, listen, told, bell, webhook_secret_env), _signals(bell, switch):
            report = loop.run(once=once)
    finally:
        reconciler.close()
    return _exit_code(report)


def _setup(app: App, request: Request, switch: Switch, signals: Signals) -> Setup:
    from wfsync.daemon.reconciler import Setup
    from wfsync.pipeline.options import PlanOptions
    from wfsync.state.progress import untracked
    from wfsync.state.selection import Selection

    quiet = replace(app, quiet=True)
    announced = False

    def workspace() -> Workspace:
        app.origin.forget()
        found = app.workspace(request.directory, request.rev)
        require_demanded(app, found)
        return found

    def target(workspace: Workspace) -> Target:
        nonlocal announced  # which database it is, is said once
        found = (quiet if announced else app).target(request.directory, workspace)
        announced = True
        return found

    def plan_options(workspace: Workspace) -> PlanOptions:
        overwrite = request.overwrite or workspace.config.overwrite
        policies = app.policies(request.directory, workspace)
        return PlanOptions(overwrite, request.consent, details=False, policies=policies, reading="prove")

    def apply_options(workspace: Workspace) -> ApplyOptions:
        options = app.apply_options(request.consent, recording(app, workspace, command="watch"))
        return replace(options, track=untracked)

    def is_final(error: WfsyncError) -> bool:
        if error.code == "REMOTE_URL":
            return isinstance(error, ConfigError)  # else a redirect of the server leads to it
        # A block of wfsync.yaml may name another database at the next revision
        is_named_here = app.database is not None or not app.names_environment
        return is_named_here and error.code in ("DATABASE_REQUIRED", "INVALID_DATABASE_URL")

    def interrupted() -> None:
        if signals.received is not None:
            raise signals.received

    return Setup(
        workspace,
        target,
        lambda target: app.session(target, for_write=True, upgrade=True),
        Selection(request.select, request.exclude),
        request.wishes,
        plan_options,
        apply_options,
        request.allow_rewind,
        switch,
        interrupted,
        is_final=is_final,
        full_interval=request.full_interval,
    )


class _Told:
    """Tells stderr and the listener of every sync."""

    def __init__(self, app: App) -> None:
        import time

        from wfsync.daemon.metrics import Metrics

        self._app = app
        self.metrics: Metrics = Metrics(time.time())

    def __call__(self, report: Report, pause: float, failures: int) -> None:
        from wfsync.daemon.lines import left_out, level, new_hint, new_problems, sync_line, sync_object

        problems, hint = new_problems(report, self.metrics.last), new_hint(report, self.metrics.last)
        self.metrics = self.metrics.after(report, pause, failures)
        if self._app.log_format == "json":
            if not (self._app.quiet and level(report) == "info"):
                self._app.record(sync_object(report, pause, problems))
            return
        if level(report) != "info":
            self._app.log(level(report), sync_line(report, pause))
        else:
            self._app.info(sync_line(report, pause))
        if hint is not None:
            echo(f"    {hint}", err=True)
        self._app.problems(problems)
        if (more := left_out(report, problems, quiet=self._app.quiet)) is not None:
            echo(more, err=True)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether the last sync reached git and the database; a standby is ready to take over."""
        last = self.metrics.last
        if last is None:
            return False, {"ready": False, "status": "starting"}
        ready = not last.is_cut_off
        return ready, {"ready": ready, "status": last.status, "code": last.code, "leader": last.leader}

    def standby(self) -> float | None:
        """Seconds until a standby looks for the lead again; None for who is none."""
        import time

        metrics = self.metrics
        if metrics.last is None or metrics.last.status != "standby":
            return None
        return max((metrics.next_sync or 0.0) - time.time(), 0.0)


@contextmanager
def _listening(app: App, listen: str | None, told: _Told, bell: Bell, variable: str) -> Iterator[None]:
    if listen is None:
        yield
        return
    from wfsync.daemon.listener import Answers, Listener, parse_address
    from wfsync.daemon.metrics import metrics_text

    secret = os.environ.get(variable, "").encode()
    answers = Answers(told.ready, lambda: metrics_text(told.metrics), bell, secret, told.standby)
    listener = Listener(parse_address(listen), answers)
    listener.open()
    app.info(f"listening on {listener.url}" + ("" if secret else f"; {variable} is not set, so POST /sync is refused"))
    try:
        yield
    finally:
        listener.close()


@contextmanager
def _signals(bell: Bell, switch: Switch) -> Iterator[None]:
    """SIGHUP, SIGUSR1 and SIGUSR2, where the system has them."""

    def suspend() -> None:
        switch.suspended = True

    def resume() -> None:
        switch.suspended = False
        bell.ring("signal")

    meanings: dict[str, Callable[[], None]] = {
        "SIGHUP": lambda: bell.ring("signal"),
        "SIGUSR1": suspend,
        "SIGUSR2": resume,
    }
    previous = {}
    for name, meaning in meanings.items():
        number = getattr(signal, name, None)
        if number is not None:
            previous[number] = signal.signal(number, lambda *_, meaning=meaning: meaning())
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_code(report: Report) -> int:
    if report.error is not None:
        return exit_codes.of(report.error)
    return exit_codes.LOCKED if report.status == "standby" else exit_codes.OK
