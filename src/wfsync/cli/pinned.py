"""``plan --out FILE`` and ``apply FILE``: a plan is written down, approved, and carried out as it was approved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

import click

from wfsync.cli.context import App
from wfsync.errors import ConfigError, InputError, RepositoryError

if TYPE_CHECKING:
    from wfsync.apply.record import Recording
    from wfsync.pipeline.pinning import Opened, Setting
    from wfsync.pipeline.planning import Planned
    from wfsync.plan.pinned import PinnedPlan, PinnedSource
    from wfsync.plan.pinned_file import SealedPlan
    from wfsync.state.selection import Selection
    from wfsync.store.target import Target
    from wfsync.wiring import Session, Workspace

__all__ = [
    "Approved",
    "approved",
    "is_plan_file",
    "plan_file",
    "refuse_homeless",
    "refuse_nothing",
    "refuse_other_options",
    "refuse_taken",
    "write_plan_file",
]

_WITH_A_PLAN_FILE: Final = frozenset(
    {
        "directory",
        "env",
        "repo",
        "verify",
        "allowed_signers",
        "force",
        "allow_running",
        "allow_rewind",
        "max_changes",
        "max_deletes",
    }
    | {"form", "outputs"}
)
"""Options of apply that consent or brake, say where the result goes, or name a place: what is there is compared with
what the plan says. Everything else is fixed by the file."""

_HEAD: Final = 4096
"""Bytes that tell a plan file from any other."""


def is_plan_file(source: Path | None) -> TypeGuard[Path]:
    """Whether the argument of apply is a plan file: a file of any kind, where a folder would be a repository."""
    return source is not None and source.exists() and not source.is_dir()


def refuse_nothing(source: Path | None, rev: str | None, repo: str | None) -> None:
    """Raise `ConfigError` (``MISSING_DIRECTORY``) when the argument of apply is not there, as whatever it was meant."""
    if source is not None and rev is None and repo is None and not source.exists():
        raise ConfigError(
            f"there is neither a folder nor a plan file {source}",
            code="MISSING_DIRECTORY",
            hint="check the path; `wfsync plan --out FILE` writes a plan file",
        )


def refuse_homeless(out: Path, beside: Iterable[str]) -> None:
    """Raise `ConfigError` (``OUTPUT``) when the folder of ``out`` is not there: it may be a slip of the pen; and
    `click.UsageError` when it has no name, or that of a file of those ``beside`` it.
    """
    if not out.name:
        raise click.UsageError("--out needs the name of a file.")
    if any(Path(other).resolve() == out.resolve() for other in beside):
        raise click.UsageError(f"--out and --output name the same file, {out}.")
    if not out.parent.is_dir():
        raise ConfigError(
            f"cannot write {out}: the folder {out.parent} does not exist", code="OUTPUT", hint="make it, or check --out"
        )


def refuse_other_options(context: click.Context) -> None:
    """Raise `click.UsageError` when more was given with a plan file than consent."""
    given = [
        parameter
        for parameter in context.command.params
        if (name := parameter.name or "") not in _WITH_A_PLAN_FILE
        and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        names = ", ".join(parameter.opts[0] for parameter in given)
        raise click.UsageError(
            f"{names} cannot be given with a plan file: the plan fixes what is done. Only consent (--force,"
            " --allow-running, …) and --lock-timeout can; make a new plan for anything else."
        )


def plan_file(
    session: Session, workspace: Workspace, planned: Planned, directory: Path | None, selection: Selection
) -> bytes:
    """The plan file of what was ``planned`` on ``session`` of ``workspace``; ``directory`` is DIR as it was typed.

    Raises `DatabaseError` (``PLAN_KEY_UNAVAILABLE``) where there is no key to hide digests with.
    """
    from wfsync.pipeline.pinning import pin_plan

    path = None if directory is None else str(directory)
    setting = replace(_setting(workspace, planned), path=path, select=selection.select, exclude=selection.exclude)
    return pin_plan(session.conn, planned.plan, setting)


def refuse_taken(out: Path, workspace: Workspace) -> None:
    """Raise `ConfigError` (code ``USAGE``) when a plan file called ``out`` would be taken for a bundle, or would take
    the place of what is no plan: a slip of the pen must not cost the configuration.
    """
    from wfsync.config import CONFIG_NAME
    from wfsync.repo.layout import is_bundle, normal

    inside = None if workspace.repository.rev is not None else workspace.repository.relative(out)
    fault, other = None, f"under a name of its own, such as {out.with_name('approved.plan')}"
    if out.name == CONFIG_NAME or inside in workspace.own_files():
        fault = "is a file that wfsync reads its settings from"
    elif inside is not None and is_bundle(inside, normal(workspace.directory)):
        fault = "lies among the bundles, and the next command would take it for one"
        other = f"beside their folder, or as {out.with_suffix('.plan')}"
    elif _is_other_file(out):
        fault = "is there already, and no plan that wfsync wrote"
    if fault is not None:
        raise ConfigError(
            f"{out} {fault}",
            code="USAGE",
            hint=f"nothing was written; write the plan {other}",
        )


def _is_other_file(out: Path) -> bool:
    """Whether ``out`` has content that writing a plan would lose. An empty file has none: `mktemp` makes such."""
    from wfsync.plan.pinned_file import is_plan_file as claims_to_be_one

    if not out.is_file():  # not there, or a folder or a pipe: the writer says what is wrong with that
        return False
    try:
        with out.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:  # nobody can tell what would be lost
        return True
    return bool(head) and not claims_to_be_one(head)


def write_plan_file(app: App, out: Path, data: bytes) -> None:
    """Write a plan file, all of it or nothing: a file that was there stays whole until then.

    Raises `RepositoryError` (``WRITE``, ``REPOSITORY_SYMLINK``, …) when ``out`` cannot be written.
    """
    from wfsync.repo.atomic import AtomicWriter

    with AtomicWriter(out.parent, deep=False) as writer:
        writer.add(out.name, data)
        writer.commit()
    app.info(f"the plan is in {out}; `wfsync apply {out}` carries out exactly this")


@dataclass(slots=True)
class Approved:
    """A plan file that is to be carried out."""

    app: App
    """With the environment of the plan, where the invocation names none."""
    sealed: SealedPlan
    workspace: Workspace
    start: Path | None
    """DIR, as far as it is here."""
    beside: frozenset[str]
    """The plan file itself, where it lies among the bundles."""
    _opened: Opened | None = None

    @property
    def plan(self) -> PinnedPlan:
        """What the file says. Believe it once `check` has been passed."""
        return self.sealed.plan

    def target(self, target: Target) -> Target:
        """``target`` with the tenant of the plan, where the invocation names none."""
        return target if target.tenant is not None else replace(target, tenant=self.plan.target.tenant)

    def check(self, session: Session) -> None:
        """Make sure that the file is whole and meant for ``session``; raises as `open_pinned`."""
        from wfsync.pipeline.pinning import open_pinned

        self._opened = open_pinned(session.conn, self.sealed, session.reference(), session.tenant)

    def noted(self, recording: Recording) -> Recording:
        """``recording`` with the id of the plan, by which the ledger knows that it was applied, and its selection."""
        from wfsync.store.ledger.plans import PLAN_FILE

        chosen = {"select": list(self.plan.options.select), "exclude": list(self.plan.options.exclude)}
        given = {name: globs for name, globs in chosen.items() if globs}
        return replace(recording, options={**recording.options, **given, PLAN_FILE: self.plan.id})

    @contextmanager
    def unmoved(
        self, making: AbstractContextManager[tuple[Session, Workspace, Planned]]
    ) -> Iterator[tuple[Session, Workspace, Planned]]:
        """The plan made again by ``making``, if it still is the approved one.

        Raises `Conflict` (``STALE_PLAN``) if it is not, and what ``making`` raises.
        """
        from wfsync.pipeline.pinning import missing_meanwhile, require_unmoved

        with ExitStack() as stack:
            try:
                session, workspace, planned = stack.enter_context(making)
            except InputError as error:
                conflict = None if self._opened is None else missing_meanwhile(self._opened, error)
                if conflict is None:
                    raise
                raise conflict from error
            assert self._opened is not None  # noqa: S101 - no plan is made before the file was checked
            require_unmoved(self._opened, _setting(workspace, planned), planned)
            yield session, workspace, planned


def approved(app: App, file: Path) -> Approved:
    """Read the plan file, and open the repository that it is about.

    Raises `InputError` (``PLAN_FILE_INVALID``, ``PLAN_FILE_VERSION``) and whatever opening a repository raises.
    """
    sealed = _read(file)
    if not app.names_environment:
        app = replace(app, env=sealed.plan.target.environment)
    start, workspace = _workspace(app, sealed.plan.source)
    inside = workspace.repository.relative(file)
    return Approved(app, sealed, workspace, start, frozenset() if inside is None else frozenset({inside}))


def _read(file: Path) -> SealedPlan:
    from wfsync.plan.pinned_file import MAX_BYTES, parse

    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror or error}", code="PLAN_FILE_INVALID", hint="check the path"
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file} is larger than any plan file", code="PLAN_FILE_INVALID", hint="check the path")
    return parse(data, str(file))


def _workspace(app: App, source: PinnedSource) -> tuple[Path | None, Workspace]:
    """Where the files are read: what the plan named, as far as it is here; the digests decide whether it fits.

    DIR as it was typed, else the repository around the working directory; the revision that was named, as it is now,
    else the work tree (the branch of a pull request may be gone once it was merged).
    """
    start = None if source.path is None else Path(source.path)
    rev = source.rev
    while True:
        try:
            workspace = app.workspace(start, rev)
        except RepositoryError as error:
            if rev is not None and error.code == "REVISION_NOT_FOUND":
                app.info(f"the plan was made of the revision {rev}, which is gone: reading the work tree")
                rev = None
                continue
            if start is not None and error.code in ("MISSING_DIRECTORY", "NOT_A_DIRECTORY"):
                start = None
                continue
            raise
        if start is None and workspace.directory != source.directory:
            # DIR was named from elsewhere: its bundles are where they were in the repository
            folder = Path(workspace.repository.root, source.directory)
            if rev is not None or folder.is_dir():
                return folder, app.workspace(folder, rev)
        return start, workspace


def _setting(workspace: Workspace, planned: Planned) -> Setting:
    from wfsync.pipeline.pinning import Setting

    return Setting(
        workspace.settings(),
        workspace.config_label,
        source=workspace.identity,
        policies=planned.desired.policies,
    )
