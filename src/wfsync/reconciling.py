"""Load, connect, compare: what every command does that looks at a repository and a database together.

Above `wiring`, which opens each of the two, and below the commands and the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wfsync.errors import ConfigError
from wfsync.policy import NO_WISHES, Wishes
from wfsync.wiring import Session, Workspace

if TYPE_CHECKING:
    from wfsync.pipeline.planning import Planned, PlanOptions
    from wfsync.pipeline.standing import Stock
    from wfsync.state.desired import Loading, Selection

__all__ = ["comparing", "owning", "stocktaking"]


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
    from wfsync.pipeline.planning import make_plan
    from wfsync.state.desired import begin_loading

    loading = begin_loading(workspace.source(beside=beside), workspace.load_options(options.policies), options.track)
    try:
        with connect(loading) as session:
            owned = owning(workspace, options, selection, wishes, session.target.kind)
            planned = make_plan(
                session.conn,
                session.layout,
                session.tenant,
                lambda: loading.finish().selected(selection, may_be_empty=owned.prune),
                session.reference(),
                owned,
                loading.recogniser,
            )
            yield session, planned
    finally:
        loading.close()


def stocktaking(
    workspace: Workspace, options: PlanOptions, connect: Callable[[Loading], AbstractContextManager[Session]]
) -> Stock:
    """Load, connect, and look how every key of ``workspace`` stands. ``connect`` and faults as for `comparing`."""
    from wfsync.pipeline.standing import take_stock
    from wfsync.state.desired import begin_loading

    loading = begin_loading(workspace.source(), workspace.load_options(options.policies), options.track)
    try:
        with connect(loading) as session:
            brakes = workspace.config.policy.brakes(NO_WISHES, session.target.kind)
            return take_stock(
                session.conn,
                session.layout,
                session.tenant,
                loading.finish,
                session.reference(),
                replace(options, source=workspace.identity, brakes=brakes),
                loading.recogniser,
            )
    finally:
        loading.close()
