"""Options of every command that plans: what may be pruned, what drift does, and the brakes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wfsync.plan.limits import Limit

__all__ = ["brake_options", "rollback_brake_options"]


class _LimitType(click.ParamType["Limit"]):
    name = "N|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Limit:
        from wfsync.plan.limits import Limit, parse_limit

        if isinstance(value, Limit):
            return value
        try:
            return parse_limit(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def brake_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--prune``, ``--on-drift``, ``--max-changes`` and ``--max-deletes``, given to ``command`` as ``wishes``."""
    return _with(_OPTIONS, command)


def rollback_brake_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a rollback, which never prunes and whose deletes have no default brake."""
    return _with(_ROLLBACK_OPTIONS, command)


def _with(options: tuple[Callable[[Any], Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def with_wishes(
        *arguments: Any,
        on_drift: Any,
        max_changes: Limit | None,
        max_deletes: Limit | None,
        prune: bool | None = None,
        **rest: Any,
    ) -> Any:
        from wfsync.policy import Wishes

        return command(*arguments, wishes=Wishes(prune, on_drift, max_changes, max_deletes), **rest)

    for option in reversed(options):
        option(with_wishes)
    return with_wishes


_OPTIONS = (
    click.option(
        "--prune/--no-prune",
        default=None,
        help="Delete workflows that wfsync created from this source and that git no longer has. Default: wfsync.yaml,"
        " else no.",
    ),
    click.option(
        "--on-drift",
        type=click.Choice(["fail", "overwrite", "skip"]),
        help="What to do about workflows that somebody changed in the database since the last apply. Default: fail;"
        " overwrite for the embedded database.",
    ),
    click.option(
        "--max-changes",
        type=_LimitType(),
        help="Refuse to create, overwrite or delete more workflows than this. Default: wfsync.yaml, else no limit.",
    ),
    click.option(
        "--max-deletes",
        type=_LimitType(),
        help="Refuse to delete more workflows than this. Default: wfsync.yaml, else the larger of 3 and 30% of the"
        " managed workflows.",
    ),
)

_ROLLBACK_OPTIONS = (
    click.option(
        "--on-drift",
        type=click.Choice(["fail", "overwrite", "skip"]),
        help="What to do about workflows that were changed since APPLY, in the database or by a later apply. Default:"
        " fail; overwrite for the embedded database.",
    ),
    _OPTIONS[2],
    click.option(
        "--max-deletes",
        type=_LimitType(),
        help="Refuse to delete more workflows than this. Default: wfsync.yaml, else what APPLY created.",
    ),
)
