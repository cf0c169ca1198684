"""What every command has: the global options, the two streams, and how an error is shown.

stdout carries exactly one document, written by `result`; everything else goes to stderr (spec: cli.md).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal, TextIO

import click

from wfsync.config import (
    DatabaseChoice,
    named_environment,
    resolve_database,
    resolve_environment,
    resolve_tenant,
)
from wfsync.errors import Problem, WfsyncError
from wfsync.repo.origin import Origin

if TYPE_CHECKING:
    from wfsync.apply.actor import Actor
    from wfsync.apply.execute import ApplyOptions
    from wfsync.apply.record import Recording
    from wfsync.bundle.field_policies import Policies
    from wfsync.environments import ChosenEnvironment
    from wfsync.plan.guard import Consent
    from wfsync.state.desired import Loading
    from wfsync.state.progress import Track
    from wfsync.store.embedded import EmbeddedServer
    from wfsync.store.target import Target
    from wfsync.wiring import Session, Workspace

__all__ = ["App", "echo", "pass_app"]

DEFAULT_LOCK_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class App:
    """The global options of one invocation, and the services that commands need."""

    config: str | None = None
    database: str | None = field(default=None, repr=False)
    tenant: str | None = None
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    log_format: Literal["text", "json"] = "text"
    env: str | None = None
    actor: str | None = None
    origin: Origin = field(default_factory=Origin, repr=False)
    """Where commands that take `--repo` read."""
    on_commit: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called the moment something is committed: no signal may be reported as "rolled back" after it."""
    answered: Event = field(default_factory=Event, repr=False)
    """Set once the one document of the command is written: no other one may follow."""

    # -- rooms ---------------------------------------------------------------------------------------------------

    def workspace(self, start: Path | None, rev: str | None = None) -> Workspace:
        """The repository around ``start``, else around the working directory."""
        from wfsync.wiring import open_workspace

        found = open_workspace(start, rev=rev, config_option=self.config, environ=os.environ, open_at=self.origin.open)
        self.origin.settle(found.repository, found.config.verify, found.config_label)
        return found

    def workspace_or_none(self) -> Workspace | None:
        """The repository around the working directory; None outside of any (`import` needs none)."""
        from wfsync.errors import RepositoryError

        try:
            return self.workspace(None)
        except RepositoryError:
            return None

    @property
    def names_environment(self) -> bool:
        """Whether an option or a variable names an environment."""
        return named_environment(self.env, os.environ) is not None

    def environment(self, start: Path | None = None, workspace: Workspace | None = None) -> ChosenEnvironment | None:
        """The environment that is meant; None where none is named.

        Environments are those of ``workspace``, else of the repository around ``start``: a named one needs either.
        """
        if not self.names_environment:
            return None
        found = workspace if workspace is not None else self.workspace(start)
        return resolve_environment(self.env, os.environ, found.config, self.tenant)

    def choice(self, start: Path | None = None, workspace: Workspace | None = None) -> DatabaseChoice:
        """Which database options, environment and variables name; see `environment` for the arguments."""
        return resolve_database(self.database, os.environ, self.environment(start, workspace))

    def policies(self, start: Path | None, workspace: Workspace | None) -> Policies:
        """What the database that is meant holds apart from what files say: fields of its own, and the environment's
        overlay. Without a repository (``workspace`` None) a named one has the defaults.
        """
        from wfsync.config import Config

        kind = self.choice(start, workspace).kind
        if workspace is None:
            return Config().policies(kind)
        chosen = self.environment(start, workspace)
        return workspace.policies(kind, None if chosen is None else chosen.environment)

    def embedded(self, start: Path | None) -> EmbeddedServer:
        """The embedded server of the repository around ``start``; not started."""
        from wfsync.store.embedded import EmbeddedServer
        from wfsync.wiring import embedded_root

        return EmbeddedServer(embedded_root(self._root(start)))

    def target(self, start: Path | None = None, workspace: Workspace | None = None) -> Target:
        """The database that is meant, as `choice`; the embedded server is started if need be."""
        from wfsync.wiring import open_target

        chosen = self.environment(start, workspace)
        choice = resolve_database(self.database, os.environ, chosen)
        target = open_target(choice, lambda: self._root(start), self.info)
        tenant = resolve_tenant(self.tenant, os.environ, chosen)
        return replace(target, environment=chosen.environment.name if chosen is not None else None, tenant=tenant)

    @contextmanager
    def session(self, target: Target, *, for_write: bool = False, upgrade: bool = False) -> Iterator[Session]:
        """A connection to ``target``; see `wfsync.wiring.open_session`."""
        from wfsync.wiring import open_session

        tenant = target.tenant if target.tenant is not None else resolve_tenant(self.tenant, os.environ)
        with open_session(
            target, tenant, lock_timeout=self.lock_timeout, for_write=for_write, upgrade=upgrade
        ) as session:
            yield session

    def looking(self, start: Path | None, workspace: Workspace) -> Callable[[Loading], AbstractContextManager[Session]]:
        """How a command connects that only looks at the database, for `wfsync.reconciling`."""

        @contextmanager
        def connect(loading: Loading) -> Iterator[Session]:
            self.require_files(loading, start, workspace)
            with self.session(self.target(start, workspace)) as session:
                yield session

        return connect

    def require_files(self, loading: Loading, start: Path | None, workspace: Workspace) -> None:
        """Raise what looking for the files raises before a server is started for files that are not there."""
        if self.choice(start, workspace).kind == "embedded" and not self.embedded(start).is_ready:
            loading.source  # noqa: B018 - see above

    def must_create_tables(self, target: Target) -> bool:
        """Whether `session` with ``upgrade`` would create or migrate the instance's tables: only the embedded
        server's.
        """
        from wfsync.wiring import lacks_tables

        return lacks_tables(target)

    def _root(self, start: Path | None) -> str:
        from wfsync.wiring import repository_root

        self.origin.require_place()
        return repository_root(start if start is not None else Path.cwd())

    # -- streams -------------------------------------------------------------------------------------------------

    @property
    def color(self) -> bool:
        """Whether stdout is a terminal that may be coloured (https://no-color.org)."""
        return not self.no_color and not os.environ.get("NO_COLOR") and _is_terminal(sys.stdout)

    @property
    def width(self) -> int | None:
        """The terminal's columns; None when stdout is no terminal."""
        if not _is_terminal(sys.stdout):
            return None
        import shutil

        return shutil.get_terminal_size().columns

    @property
    def track(self) -> Track:
        """What shows how far long work has come."""
        from wfsync.render.progress import tracker

        return tracker(quiet=self.quiet, color=not self.no_color and not os.environ.get("NO_COLOR"))

    def apply_options(self, consent: Consent, recording: Recording | None = None) -> ApplyOptions:
        """How this invocation carries out a plan, and what the ledger says of it."""
        from wfsync.apply.execute import ApplyOptions

        return ApplyOptions(consent, self.lock_timeout, self.on_commit, self.track, recording)

    def who(self) -> Actor:
        """Who is at work, for the ledger."""
        import getpass

        from wfsync.apply.actor import resolve_actor

        def os_user() -> str:
            try:
                return getpass.getuser()
            except (KeyError, OSError):  # a container whose user has no name
                return f"uid {os.getuid()}"

        return resolve_actor(self.actor, os.environ, os_user)

    def result(self, text: str) -> None:
        """Write the one document of this command to stdout."""
        self.answered.set()
        echo(text, nl=not text.endswith("\n"), color=True if self.color else None)

    def info(self, message: str) -> None:
        """Say something on stderr that is not the result; silent with --quiet."""
        if not self.quiet:
            self.log("info", message)

    def log(self, level: str, message: str) -> None:
        """One line (or one JSON object) on stderr."""
        if self.log_format == "json":
            self.record({"level": level, "message": message})
        else:
            echo(f"wfsync: {message}" if level == "info" else f"wfsync: {level}: {message}", err=True)

    def problems(self, problems: tuple[Problem, ...]) -> None:
        """Show problems on stderr: errors always, warnings unless --quiet, notes with --verbose."""
        from wfsync.render.problems import problems_text

        shown = [p for p in problems if self._shows(p)]
        if not shown:
            return
        if self.log_format == "json":
            from wfsync.plan.codec import problem_value

            for problem in shown:
                self.record({"level": problem.severity, **problem_value(problem)})
        else:
            echo(problems_text(shown), nl=False, err=True)

    def error(self, error: WfsyncError, *, listed: bool = False) -> None:
        """Show ``error`` on stderr, with everything behind it unless that is ``listed`` on stdout already."""
        if not listed:
            self.problems(error.problems)
        from wfsync.plan.secrets import hide_message

        message, hint = hide_message(error.message), hide_message(error.hint or "")
        if self.log_format == "json":
            self.record({"level": "error", "code": error.code, "message": message, "hint": hint or None})
            return
        from wfsync.render.escape import plain

        echo(f"wfsync: error {error.code}: {plain(message)}", err=True)
        if hint:
            echo(f"    {plain(hint)}", err=True)

    def note_unchecked_dependencies(self) -> None:
        """Say that nobody told what the instance offers, so that MISSING_DEPENDENCIES was not looked for."""
        self.problems(
            (
                Problem(
                    code="DEPENDENCIES_UNCHECKED",
                    severity="note",
                    message="there is no registry file, so whether the instance has every action, node type and schema"
                    " was not checked",
                    hint="name one with `registry:` in wfsync.yaml",
                ),
            )
        )

    def record(self, content: dict[str, object]) -> None:
        """One JSON object on stderr."""
        import orjson

        echo(orjson.dumps(content), err=True)

    def _shows(self, problem: Problem) -> bool:
        if problem.severity == "error":
            return True
        if problem.severity == "warning":
            return not self.quiet
        return self.verbose > 0


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()  # None: closed before Python began (`>&-`)


pass_app = click.make_pass_decorator(App)


def echo(text: str | bytes, *, nl: bool = True, err: bool = False, color: bool | None = None) -> None:
    """Write to a stream whose reader may have gone away (`wfsync apply | head`): that changes no exit code."""
    try:
        click.echo(text, nl=nl, err=err, color=color)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())
