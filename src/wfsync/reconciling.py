"""Load, connect, compare: what every command does that looks at a repository and a database together.

Above `wiring`, which opens each of the two, and below the commands and the service.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from wfsync.errors import ConfigError, WfsyncError
from wfsync.policy import NO_WISHES, Wishes
from wfsync.wiring import Session, Workspace

if TYPE_CHECKING:
    from wfsync.pipeline.options import PlanOptions
    from wfsync.pipeline.planning import Planned
    from wfsync.pipeline.stock import Stock
    from wfsync.plan.model import Plan
    from wfsync.repo.source import Source
    from wfsync.state.desired import DesiredState, Loading
    from wfsync.state.selection import Selection

_MANY: Final = 1000
"""Files; looking for fewer takes no longer than starting a process."""

__all__ = ["comparing", "owning", "planning", "stocktaking"]


def owning(
    workspace: Workspace,
    options: PlanOptions,
    selection: Selection,
    wishes: Wishes,
    kind: Literal["embedded", "named"],
) -> PlanOptions:
    """``options`` for a plan that knows whose keys are: the name of the source, pruning and brakes.

    Raises `ConfigError` (code ``USAGE``) when pruning is asked for where only a part of the repository is read; what
    the configuration says of it is for the whole, and left.
    """
    policy = workspace.config.policy
    if wishes.prune and workspace.is_part:
        raise ConfigError(
            f"{workspace.directory} is not the directory of {workspace.config_label}: what is gone cannot be told",
            code="USAGE",
            hint="run --prune without DIR, and choose keys with --select",
        )
    return replace(
        options,
        source=workspace.identity,
        prune=policy.prunes(wishes) and not workspace.is_part,
        brakes=policy.brakes(wishes, kind),
        about=selection,
    )


@contextmanager
def comparing(
    workspace: Workspace,
    selection: Selection,
    options: PlanOptions,
    connect: Callable[[Loading], AbstractContextManager[Session]],
    beside: frozenset[str] = frozenset(),
    wishes: Wishes = NO_WISHES,
) -> Iterator[tuple[Session, Planned]]:
    """Load, connect, compare: what every command does that makes a plan of a repository.

    ``connect`` is called when the files are being loaded, in other processes where there are many; it is given them so
    that it can wait for them before it creates anything. The policy of the configuration and ``wishes`` say what is
    pruned and where the brakes are. Raises what loading, ``connect`` and `make_plan` raise.
    """
    with _loading(workspace, options, beside) as loading, connect(loading) as session:
        owned = owning(workspace, options, selection, wishes, session.target.kind)
        yield session, _planned(session, loading, owned, selection)


@contextmanager
def planning(
    workspace: Workspace,
    selection: Selection,
    options: PlanOptions,
    connect: Callable[[Loading], AbstractContextManager[Session]],
    wishes: Wishes = NO_WISHES,
) -> Iterator[tuple[Session, Plan]]:
    """As `comparing`, for who only shows the plan: nothing is compared where neither side has moved since a plan that
    found nothing to do.
    """
    with _loading(workspace, options) as loading, connect(loading) as session:
        from wfsync.pipeline.recalling import recalled_plan

        owned = owning(workspace, options, selection, wishes, session.target.kind)
        yield (
            session,
            recalled_plan(
                session.where,
                loading,
                loading.options,
                session.reference(),
                owned,
                lambda: _planned(session, loading, owned, selection).plan,
            ),
        )


def stocktaking(
    workspace: Workspace,
    options: PlanOptions,
    connect: Callable[[Loading], AbstractContextManager[Session]],
    *,
    listed: bool = True,
) -> Stock:
    """Load, connect, and look how every key of ``workspace`` stands. ``connect`` and faults as for `comparing`.

    Unless they are to be ``listed``, keys of which there is nothing to say may be counted only.
    """
    with _loading(workspace, options) as loading, connect(loading) as session:
        from wfsync.pipeline.recalling import recalled_stock

        brakes = workspace.config.policy.brakes(NO_WISHES, session.target.kind)
        owned = replace(options, source=workspace.identity, brakes=brakes)
        if listed:
            return _stock(session, loading, owned)
        return recalled_stock(
            session.where,
            loading,
            loading.options,
            session.reference(),
            owned,
            lambda: _stock(session, loading, owned),
        )


@contextmanager
def _loading(workspace: Workspace, options: PlanOptions, beside: frozenset[str] = frozenset()) -> Iterator[Loading]:
    """The bundles of ``workspace``, yet to be read. Many of them are looked for in another process while this one
    imports the driver and goes on, until it is asked for them.

    What is wrong with the repository is said first, whatever else is wrong.
    """
    from wfsync.state.desired import Loading
    from wfsync.state.parallel import Ahead
    from wfsync.state.workers import worthwhile_jobs

    def found(files: frozenset[str]) -> Source:
        return workspace.source(beside=files)

    def find() -> Source:
        try:
            return next(search.results())
        except WfsyncError as error:
            if error.code != "WORKER_LOST":
                raise
            return found(beside)

    tracked = workspace.repository.tracked
    is_aside = tracked >= _MANY and worthwhile_jobs(tracked) > 1 and "psycopg" not in sys.modules
    search = Ahead([beside], found, jobs=2 if is_aside else 1)
    loading = Loading(find, workspace.load_options(options.policies), options.track)
    try:
        if is_aside:
            import wfsync.pipeline.recalling
            import wfsync.store.layout  # noqa: F401 - takes as long, and whoever connects may wait for the files first
        else:
            loading.source  # noqa: B018 - nobody else looks for them
        yield loading
    except WfsyncError:
        loading.source  # noqa: B018 - its error takes precedence
        raise
    finally:
        loading.close()
        search.close()


def _planned(session: Session, loading: Loading, options: PlanOptions, selection: Selection) -> Planned:
    from wfsync.pipeline.planning import make_plan

    def wanted() -> DesiredState:
        return loading.finish().selected(selection, may_be_empty=options.prune)

    return make_plan(*session.where, wanted, session.reference(), options, loading.recogniser)


def _stock(session: Session, loading: Loading, options: PlanOptions) -> Stock:
    from wfsync.pipeline.standing import take_stock

    return take_stock(*session.where, loading.finish, session.reference(), options, loading.recogniser)
