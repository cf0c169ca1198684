"""Whose a workflow is and who changed it: the three-way state of every key (spec: cli.md, ``status``). Pure.

Three digests decide: the file's, the row's, and the *base*, which is the row as our last apply left it. The base is
known only where this source manages the key and the field policies are those under which it was made; where it is not
known, nobody is accused of a change in the database::

    file  row          managed by this source      not
    ----  -----------  --------------------------  -----------------------
    yes   equal        in_sync                     in_sync
    yes   differs      git_changed                 unmanaged_differs
                       database_changed  (drift)
                       both_changed      (drift)
    yes   none         database_deleted            git_only
    no    yes          database_only_managed       database_only_unmanaged
    any   not equal    held, if a rollback went behind this very file

Decisions where the specification is silent: a key of another source counts as not managed (`Standing.managed_by` names
the other); equal on both sides is ``in_sync`` also where a hold exists; a hold on a key that has no file keeps ``""``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from wfsync.plan.managed import Managed, ManagedState
from wfsync.plan.state import Live, LiveState

__all__ = [
    "NO_FILE",
    "STATES",
    "OnDrift",
    "Owner",
    "Standing",
    "State",
    "is_weak",
    "may_take",
    "standing",
    "standings",
]

State: TypeAlias = Literal[
    "in_sync",
    "git_changed",
    "database_changed",
    "both_changed",
    "git_only",
    "database_deleted",
    "database_only_managed",
    "database_only_unmanaged",
    "unmanaged_differs",
    "held",
]
OnDrift: TypeAlias = Literal["fail", "overwrite", "skip"]
"""What an apply does about a workflow that somebody changed in the database since our last apply."""

STATES: Final[tuple[State, ...]] = (
    "in_sync",
    "git_changed",
    "database_changed",
    "both_changed",
    "git_only",
    "database_deleted",
    "database_only_managed",
    "database_only_unmanaged",
    "unmanaged_differs",
    "held",
)
NO_FILE: Final = ""
"""`Managed.held` of a key that had no file when a rollback brought it back."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asks: a repository's directory, under the field policies in force."""

    source: str
    """As in `Managed.source`."""
    policy_of: Callable[[str], str]
    """Key → fingerprint of the field policies and of the overlay that holds for it, as in `Managed.policy`."""


class Standing(Struct, frozen=True, gc=False):
    """How one key stands."""

    key: str
    state: State
    drift: bool = False
    """The row is not what our last apply left, and not what the file says: somebody changed it in the database."""
    base_known: bool = False
    """False: not ours, or managed under other field policies, so that nobody can tell who changed it."""
    managed_by: str | None = None
    """The other source that manages the key."""
    prunable: bool = False
    """We created this very row from this source, and no file names it any more."""
    unprunable: str | None = None
    """Why a managed row without a file is never pruned."""


def is_weak(source: str) -> bool:
    """True for a source that is only a folder of some machine: the same repository elsewhere has another name."""
    return source.startswith("file:")


def may_take(managed: Managed | None, owner: Owner, *, force: bool) -> bool:
    """Whether an apply from ``owner`` may make the key its own: nobody's, its own, or a weak source's with consent.

    What another strong source manages is taken over by `wfsync adopt` only.
    """
    return managed is None or managed.source == owner.source or (force and is_weak(managed.source))


def standing(key: str, file: str | None, row: Live | None, managed: Managed | None, owner: Owner) -> Standing | None:
    """How ``key`` stands, from the file's digest, the row, and what is remembered; None where there is neither.

    The rules are the table above.
    """
    if file is None and row is None:
        return None
    ours = managed if managed is not None and managed.source == owner.source else None
    other = managed.source if managed is not None and ours is None else None
    base = ours.digest if ours is not None and ours.policy == owner.policy_of(key) else None
    known = base is not None
    if file is not None and row is not None and file == row.digest:
        return Standing(key, "in_sync", base_known=known, managed_by=other)
    if ours is not None and _is_held(ours, file, owner):
        return Standing(key, "held", base_known=known)
    if row is None:
        return Standing(key, "git_only" if ours is None else "database_deleted", base_known=known, managed_by=other)
    if file is None:
        if ours is None:
            return Standing(key, "database_only_unmanaged", managed_by=other)
        reason = _unprunable(ours, row)
        drift = known and row.digest != base
        return Standing(key, "database_only_managed", drift, known, None, reason is None, reason)
    if ours is None:
        return Standing(key, "unmanaged_differs", managed_by=other)
    if base is None or row.digest == base:
        return Standing(key, "git_changed", base_known=known)
    return Standing(key, "database_changed" if file == base else "both_changed", drift=True, base_known=True)


def standings(
    files: Mapping[str, str],
    live: LiveState,
    managed: ManagedState,
    owner: Owner,
    *,
    elsewhere: Collection[str] = (),
    chosen: Callable[[str], bool] = lambda _: True,
) -> dict[str, Standing]:
    """How every chosen key stands, in order of key.

    ``files`` are the digests of the chosen files, ``elsewhere`` the keys of files that the selection leaves out: those
    are not gone from git. Keys with several rows have no state.
    """
    return {found.key: found for found in _standings(files, live, managed, owner, frozenset(elsewhere), chosen)}


def _standings(
    files: Mapping[str, str],
    live: LiveState,
    managed: ManagedState,
    owner: Owner,
    elsewhere: frozenset[str],
    chosen: Callable[[str], bool],
) -> Iterator[Standing]:
    alone = (key for key in live.by_key if key not in files and key not in elsewhere and chosen(key))
    for key in sorted((*files, *alone)):
        if key not in live.ambiguous:
            found = standing(key, files.get(key), live.by_key.get(key), managed.by_key.get(key), owner)
            if found is not None:
                yield found


def _is_held(ours: Managed, file: str | None, owner: Owner) -> bool:
    """Whether a rollback went behind this very file, or behind one that cannot be compared with it: other policies than
    then make another digest of the same file, and are no change in git.
    """
    if ours.held is None or file is None or ours.held == NO_FILE:
        return ours.held is not None and ours.held == (NO_FILE if file is None else file)
    return ours.held == file or ours.held_policy not in (None, owner.policy_of(ours.key))


def _unprunable(ours: Managed, row: Live) -> str | None:
    if ours.origin != "created":
        return "it was there before wfsync managed it"
    if ours.workflow_id != row.workflow_id:
        return "it is another row than the one that wfsync created"
    return None
