"""What every reference between workflows means, and which mean nothing (spec: bundle.md "References between
workflows").

In a file a call names its callee by key. Files from elsewhere may hold the database ids of their origin: such a UUID
means the workflow of the same input whose ``definition.id`` it is, else the workflow of the database that has it as
id, else it stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from wfsync.bundle.load import Desired
from wfsync.bundle.references import Call, is_uuid, plain_uuid
from wfsync.bundle.steps import step_path_text
from wfsync.errors import Place, Problem, Severity
from wfsync.plan.change import KeptWhy
from wfsync.plan.state import Live, LiveState

__all__ = ["Resolution", "needs_relabel", "resolution", "unresolved"]

_NOWHERE: Final = "no file and no workflow of the database has this key"
_LEFT_OUT: Final = "it is not in the database, and the selection leaves its file out"
_CHANGE: Final = "add the callee to the repository (and to --select), publish the version, or change the call"
_KEPT: Final = {
    "held": ("it is held behind a rollback", "end that with `wfsync release {key}`, or change the call"),
    "skipped": (
        "it was left alone, because somebody changed it in the database",
        "take that into git with `wfsync export {key}`, or give --on-drift overwrite to lose it; or change the call",
    ),
}
"""Why a callee is not what its file says, and what helps."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Which key a UUID in a file means."""

    origins: Mapping[str, str]
    """``definition.id`` of the input's workflows → key; ids that two workflows claim are left out."""
    stored: Mapping[str, str]
    """``workflow_id`` → key of the database's workflows."""
    disputed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids that several workflows of the input claim, and their keys: nobody can tell whom they mean."""

    def key_of(self, target: str) -> str:
        """The key that ``target`` means; ``target`` itself when it is a key already, or a UUID of nobody."""
        if not is_uuid(target):
            return target
        known = plain_uuid(target)
        return self.origins.get(known) or self.stored.get(known) or target


def resolution(desired: Iterable[Desired], stored: Mapping[str, str]) -> Resolution:
    """Collect what UUIDs mean in one input against one database."""
    claims: dict[str, list[str]] = {}
    for item in desired:
        if item.origin_id is not None:
            claims.setdefault(item.origin_id, []).append(item.key)
    origins = {origin: keys[0] for origin, keys in claims.items() if len(keys) == 1}
    disputed = {origin: tuple(sorted(keys)) for origin, keys in claims.items() if len(keys) > 1}
    return Resolution(origins, stored, disputed)


def needs_relabel(item: Desired, key_of: Callable[[str], str]) -> bool:
    """True when the file's own text of a reference is not the key that it means, so that its digest must be made
    anew.
    """
    return any(key_of(call.target) != call.target for call in item.calls)


def unresolved(
    desired: Mapping[str, Desired],
    live: LiveState,
    known: Resolution,
    changing: Mapping[str, Desired],
    unselected: Collection[str] = (),
    deleted: Collection[str] = (),
    kept: Mapping[str, tuple[KeptWhy, Collection[int]]] = MappingProxyType({}),
) -> Iterator[Problem]:
    """Every call that would lead nowhere once ``desired`` is applied; ``unselected`` are keys of files left out,
    ``deleted`` the ids of rows that will be gone, ``kept`` says of files that are left alone why, and which versions
    they have.

    ``MISSING_REFERENCE`` for a callee or a version that exists neither in the set nor in the database, and for a stored
    caller whose callee's version one of ``changing`` (the overwrites) drops: an error where a published version calls,
    a warning where a draft does. ``NON_PORTABLE_REFERENCE`` warns of UUIDs that belong to nobody.
    """
    for item in desired.values():
        for call in item.calls:
            yield from _check(item, call, known, desired, live, unselected, kept)
    replaced = {live.by_key[key].workflow_id: item for key, item in changing.items() if key in live.by_key}
    for caller in live.rows():
        if caller.key in desired or caller.workflow_id in deleted:
            continue
        for call in caller.calls:
            callee = replaced.get(call.target)
            if callee is not None:
                yield from _dropped(caller, call, callee, live.by_key[callee.key])


def _check(
    item: Desired,
    call: Call,
    known: Resolution,
    desired: Mapping[str, Desired],
    live: LiveState,
    unselected: Collection[str],
    kept: Mapping[str, tuple[KeptWhy, Collection[int]]],
) -> Iterator[Problem]:
    key = known.key_of(call.target)
    if is_uuid(key):
        yield _not_portable(item, call, known.disputed.get(plain_uuid(key), ()))
        return
    callee = desired.get(key)
    versions = callee.versions if callee is not None else None
    if versions is None and key in live.by_key:
        versions = live.by_key[key].versions
    why, would_have = kept.get(key, (None, ()))
    if versions is None:
        if key not in live.ambiguous:
            left_out = key in unselected
            reason = _LEFT_OUT if left_out else _NOWHERE
            yield _missing(item.key, item.file, call, key, "it is not in the database" if why else reason, why)
    elif call.version and call.version not in versions:
        has = ", ".join(map(str, versions)) or "none"
        reason = f"it has no published version {call.version} (it has: {has})"
        yield _missing(item.key, item.file, call, key, reason, why if call.version in would_have else None)


def _not_portable(item: Desired, call: Call, claimants: tuple[str, ...]) -> Problem:
    unknown = "an id that neither these files nor this database know"
    disputed = f"an id that several of these files claim as theirs ({', '.join(claimants)})"
    return Problem(
        code="NON_PORTABLE_REFERENCE",
        severity="warning",
        message=f"{_where(call)} calls {call.target}, {disputed if claimants else unknown}",
        place=Place(item.file),
        key=item.key,
        hint="name the callee by its key",
        details={"caller": item.key, "callee": call.target, "stepPath": step_path_text(call.path)},
    )


def _dropped(caller: Live, call: Call, callee: Desired, before: Live) -> Iterator[Problem]:
    if call.version in before.versions and call.version not in callee.versions:
        reason = "the overwrite drops it, and this caller in the database needs it"
        yield _missing(caller.key, callee.file, call, callee.key, reason)


def _missing(caller: str, file: str, call: Call, key: str, reason: str, why: KeptWhy | None = None) -> Problem:
    severity: Severity = "warning" if call.in_version is None else "error"
    version = f" version {call.version}" if call.version else ""
    hint = _CHANGE
    if why is not None:
        because, what_helps = _KEPT[why]
        reason, hint = f"{reason}; {because}", what_helps.format(key=key)
    return Problem(
        code="MISSING_REFERENCE",
        severity=severity,
        message=f"{_where(call)} calls {key}{version}: {reason}",
        place=Place(file),
        key=caller,
        hint=hint,
        details={
            "caller": caller,
            "callee": key,
            "version": call.version or None,
            "stepPath": step_path_text(call.path),
            "callerVersion": call.in_version,
        },
    )


def _where(call: Call) -> str:
    owner = "the draft" if call.in_version is None else f"version {call.in_version}"
    return f"{owner} ({step_path_text(call.path)})"
