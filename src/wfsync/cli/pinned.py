"""``plan --out FILE`` and ``apply FILE``: a plan is written down, approved, and carried out as it was approved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

import click

from wfsync.cli.context import App
from wfsync.cli.options import keep_plan
from wfsync.config import named_environment
from wfsync.errors import ConfigError, RepositoryError

if TYPE_CHECKING:
    from wfsync.pipeline.pinning import Setting
    from wfsync.pipeline.planning import Planned
    from wfsync.plan.guard import Consent
    from wfsync.plan.model import Plan
    from wfsync.plan.pinned import PinnedSource
    from wfsync.plan.pinned_file import SealedPlan
    from wfsync.state.desired import Selection
    from wfsync.wiring import Session, Workspace

__all__ = ["is_plan_file", "pinned", "plan_file", "refuse_other_options", "write_plan_file"]

_WITH_A_PLAN_FILE: Final = frozenset(
    {"directory", "env", "repo", "force", "allow_running", "max_changes", "max_deletes", "form", "outputs"}
)
"""Options of apply that consent, or say where the result goes, or name a target, which is compared with that of the
plan. Everything else is fixed by the file."""


def is_plan_file(source: Path | None) -> TypeGuard[Path]:
    """Whether the argument of apply is a plan file: a file of any kind, where a folder would be a repository."""
    return source is not None and source.exists() and not source.is_dir()


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
    session: Session, workspace: Workspace, plan: Plan, directory: Path | None, selection: Selection
) -> bytes:
    """The plan file of ``plan``, which was made on ``session`` of ``workspace``; ``directory`` is DIR as it was typed.

    Raises `DatabaseError` (``PLAN_KEY_UNAVAILABLE``) where there is no key to hide digests with.
    """
    from wfsync.pipeline.pinning import pin_plan

    path = None if directory is None else str(directory)
    setting = replace(_setting(workspace), path=path, select=selection.select, exclude=selection.exclude)
    return pin_plan(session.conn, plan, setting)


def write_plan_file(app: App, out: Path, data: bytes) -> None:
    """Write a plan file, all of it or nothing: a file that was there stays whole until then.

    Raises `RepositoryError` (``WRITE``, ``REPOSITORY_SYMLINK``, …) when ``out`` cannot be written.
    """
    from wfsync.repo.atomic import AtomicWriter

    with AtomicWriter(out.parent, deep=False) as writer:
        writer.add(out.name, data)
        writer.commit()
    app.info(f"the plan is in {out}; `wfsync apply {out}` carries out exactly this")


@contextmanager
def pinned(app: App, file: Path, consent: Consent) -> Iterator[tuple[Session, Workspace, Planned]]:
    """Open the plan file, connect, and make its plan again from what files and rows are now.

    Raises `InputError` (``PLAN_FILE_INVALID``, ``PLAN_FILE_VERSION``), `Conflict` (``PLAN_TARGET_MISMATCH``,
    ``STALE_PLAN``), and whatever planning raises.
    """
    from wfsync.pipeline.pinning import open_pinned, plan_pinned, restricted
    from wfsync.pipeline.planning import PlanOptions, make_plan
    from wfsync.state.desired import begin_loading

    sealed = _read(file)
    claimed = sealed.plan
    if named_environment(app.env, os.environ) is None:
        app = replace(app, env=claimed.target.environment)
    start, workspace = _workspace(app, claimed.source)
    own = workspace.repository.relative(file)
    source = workspace.source(beside=frozenset() if own is None else frozenset({own}))
    options = claimed.options
    loading = begin_loading(source, workspace.load_options(), app.track)
    try:
        target = app.target(start, workspace)
        if target.tenant is None:
            target = replace(target, tenant=claimed.target.tenant)
        if app.must_create_tables(target):
            loading.finish()  # nothing is created for files that are wrong
        with app.session(target, for_write=True, upgrade=True) as session:
            reference = session.reference()
            opened = open_pinned(session.conn, sealed, reference)

            def make() -> Planned:
                return make_plan(
                    session.conn,
                    session.layout,
                    session.tenant,
                    lambda: restricted(loading.finish(), claimed.keys),
                    reference,
                    PlanOptions(options.overwrite, consent, track=app.track),
                    loading.recogniser,
                )

            planned = plan_pinned(opened, _setting(workspace), make)
            if workspace.config.registry is None:
                app.note_unchecked_dependencies()
            keep_plan(planned.plan)
            yield session, workspace, planned
    finally:
        loading.close()


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


def _setting(workspace: Workspace) -> Setting:
    from wfsync.pipeline.pinning import Setting

    return Setting(workspace.settings(), workspace.config_label)
