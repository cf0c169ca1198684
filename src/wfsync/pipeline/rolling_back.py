"""ledger → plan: the rows before an apply as the wanted state, planned and carried out like any other change.

Only the database is read: what must be undone must be so where no repository is at hand. A rollback compares under the
field policies of the apply that it undoes, as the ledger has them: its digests mean nothing under others, and what that
apply could not touch is not touched now. An overlay plays no part, because rows hold what it had laid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from wfsync.apply.record import Recording
from wfsync.apply.restoring import Restoring
from wfsync.bundle.field_policies import Policies, has_overlay
from wfsync.bundle.model import METADATA_FIELDS
from wfsync.errors import ConfigError, Problem
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.planning import Planned, make_plan
from wfsync.plan.guard import Brakes, Consent
from wfsync.plan.limits import Limit
from wfsync.plan.model import Overwrite, Plan, SourceRef, TargetRef
from wfsync.plan.rollback import (
    Past,
    PastAction,
    holds,
    more_blocks,
    standings,
    worded,
    worded_blocks,
    worded_kept,
)
from wfsync.state.desired import DesiredState
from wfsync.state.past import PastState, read_past
from wfsync.state.progress import Track, untracked
from wfsync.state.selection import Selection
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger.applies import changes_of, find_apply
from wfsync.store.ledger.rollbacks import LaterChange, later_changes
from wfsync.store.ledger.values import KEPT_FIELDS, AppliedRow, ChangeRow

__all__ = ["Rollback", "RollbackOptions", "plan_rollback"]

_UNDONE: Final[Mapping[str, PastAction]] = {"create": "create", "overwrite": "overwrite", "delete": "delete"}
"""A relink moves ids and nothing else: calls follow their callees by key, now as then."""
_UNMANAGING: Final = frozenset({"import", "publish"})
"""Commands that take nothing into management; nor does their undoing, nor the undoing of that."""
_MANAGES: Final = "manages"
"""Among a rollback's options: false where it undoes one of those. Their source may be any."""
_MOST_NAMED: Final = 5
_NO_CONSENT: Final = Consent()
_NO_BRAKES: Final = Brakes()
_ALL: Final = Selection()


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    """What decides how a rollback comes out, apart from ledger and database."""

    overwrite: Overwrite = "update"
    """In place unless somebody asks for more: a rollback should not cost the runs since as well."""
    consent: Consent = _NO_CONSENT
    brakes: Brakes = _NO_BRAKES
    selection: Selection = _ALL
    details: bool = True
    track: Track = untracked
    at: str | None = None
    """Identity of the source that is at hand, whose policy `brakes` are; None without a repository."""
    policies: Policies | None = None
    """What the target holds apart from files, as that source says; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """A planned rollback: `wfsync.pipeline.applying.carry_out` takes ``planned``, with `recorded`."""

    apply: AppliedRow
    """That is undone."""
    planned: Planned
    pasts: tuple[Past, ...]
    wanted: Mapping[str, str]
    """Digests that rows will have, by key."""
    in_force: Policies | None = None
    """What the target holds apart from files, as the apply's own repository says; None where that is not at hand."""

    def recorded(self, recording: Recording) -> Recording:
        """``recording`` for the ledger's row of this rollback: whose it is, what it undoes, and which keys it holds."""
        options = {**recording.options, "apply": self.apply.id}
        options.pop("apply_id", None)
        manages = _manages(self.apply)
        if not manages:
            options[_MANAGES] = False
        managed = self.planned.managed.by_key
        source = self.apply.source
        left = {kept.key for kept in self.planned.plan.kept}
        return replace(
            recording,
            command="rollback",
            source=source,
            options=options,
            manages=manages,
            sees_all=False,
            holds=holds(self.pasts, self.wanted, managed, source, left) if manages else {},
            returned=frozenset(past.key for past in self.pasts if past.action == "overwrite"),
            policy_of=self._policy_of(),
        )

    def _policy_of(self) -> Callable[[str], str]:
        """Key → the fingerprint that the next apply finds its own, if it is made under the same policies: else what is
        changed by hand from now on would be overwritten unseen.

        The kept fields are those of the apply that is undone, and digests of rows know no overlay; so whichever is in
        force there goes with them. Where its repository is not at hand, what is managed of the key names it.
        """
        made_under = self.planned.desired.policies
        if self.in_force is not None and self.in_force.kept == made_under.kept:
            return self.in_force.fingerprints()
        managed = self.planned.managed.by_key
        pasts = {past.key: past for past in self.pasts}

        def policy_of(key: str) -> str:
            item, past = managed.get(key), pasts[key]
            if item is not None and item.source == self.apply.source and self.in_force is None:
                known = item.digest in (past.after_digest, past.later_digest, self.wanted.get(key))
                if known and item.policy and has_overlay(item.policy):
                    return item.policy
            return made_under.fingerprint(key)

        return policy_of


def plan_rollback(
    conn: Connection,
    layout: InstanceLayout,
    tenant: Tenant | None,
    target: TargetRef,
    reference: str,
    options: RollbackOptions,
) -> Rollback:
    """Plan to undo the apply that ``reference`` means (`find_apply`), or the part that the selection chooses.

    Reads only. Raises `ConfigError` (``NO_LEDGER``, ``UNKNOWN_APPLY``, ``AMBIGUOUS_APPLY``, ``NOTHING_TO_ROLL_BACK``,
    ``NOTHING_SELECTED``), and what `make_plan` and `read_past` raise.
    """
    row = find_apply(conn, tenant, reference)
    pasts = _pasts(conn, tenant, row, options.selection)
    policies = _policies(row)
    by_key = {past.key: past for past in pasts.values()}
    source = row.source if _manages(row) else None
    in_force = options.policies if options.at == row.source else None
    was: list[PastState] = []

    def wanted() -> DesiredState:
        was.append(read_past(conn, layout, tenant, row.id, pasts, policies))
        return was[0].desired

    planning = PlanOptions(
        options.overwrite,
        options.consent,
        options.details,
        options.track,
        policies,
        source,
        prune=True,
        brakes=_brakes(options.brakes, len(pasts)),
        standings=lambda live, managed: standings(by_key.values(), live, managed.by_key, source),
    )
    planned = make_plan(conn, layout, tenant, wanted, target, planning)
    there = {live.workflow_id for live in planned.live.rows()}
    restoring = Restoring(
        {p.key: p.before_id for p in by_key.values() if p.before_id is not None and p.before_id not in there},
        was[0].images,
        frozenset(past.key for past in by_key.values() if past.row_was_lost),
    )
    plan = _in_its_words(planned, row, by_key, options)
    digests = {key: item.digest for key, item in planned.desired.by_key.items()}
    planned = replace(planned, plan=plan, restoring=restoring)
    return Rollback(row, planned, tuple(by_key.values()), digests, in_force)


def _manages(row: AppliedRow) -> bool:
    """Whether what the apply wrote became its source's."""
    if row.command == "rollback":  # a source of that name is what rollbacks of imports were once recorded as
        return row.options.get(_MANAGES) is not False and row.source != "import"
    return row.command not in _UNMANAGING


def _pasts(conn: Connection, tenant: Tenant | None, row: AppliedRow, selection: Selection) -> dict[int, Past]:
    """What is to be undone, by its position in the ledger."""
    if row.outcome == "failed":
        raise ConfigError(
            f"apply {row.id} failed and wrote nothing ({row.error_code})",
            code="NOTHING_TO_ROLL_BACK",
            hint="`wfsync history` lists the applies that were carried out",
        )
    later = later_changes(conn, tenant, row.id)
    found = {
        change.position: _past(change, later.get(change.key))
        for change in changes_of(conn, tenant, row.id)
        if change.action in _UNDONE
    }
    if not found:
        raise ConfigError(
            f"apply {row.id} changed no workflow, or what it changed has been thinned out meanwhile",
            code="NOTHING_TO_ROLL_BACK",
            hint="`wfsync history` lists the applies that there are; `ledger.keep` says how long they are kept",
        )
    chosen = {position: past for position, past in found.items() if past.key in selection}
    if not chosen:
        raise ConfigError(
            f"no workflow that apply {row.id} changed matches the selection",
            code="NOTHING_SELECTED",
            hint="`wfsync show APPLY` lists them; --select and --exclude take keys or globs such as 'billing.*'",
        )
    return chosen


def _past(change: ChangeRow, later: LaterChange | None) -> Past:
    words = None
    if later is not None:
        words = f"{later.command} {later.apply_id[:8]} of {later.actor} at {later.at:%Y-%m-%d %H:%M:%S}Z"
    return Past(
        change.key,
        _UNDONE[change.action],
        change.before_digest,
        change.after_digest,
        change.before_id,
        change.after_id,
        words,
        None if later is None else later.after_digest,
    )


def _policies(row: AppliedRow) -> Policies:
    """Under which the apply was made; names that this wfsync does not know say nothing to it."""
    known = {field.name for field in METADATA_FIELDS}
    kept = row.options.get(KEPT_FIELDS, ())
    return Policies(database=tuple(sorted(known.intersection(kept if isinstance(kept, list) else ()))))


def _brakes(brakes: Brakes, most: int) -> Brakes:
    """A rollback deletes what the named apply created and never more; so only a brake that somebody set holds it."""
    return brakes if brakes.max_deletes is not None else replace(brakes, max_deletes=Limit(most))


def _in_its_words(planned: Planned, row: AppliedRow, pasts: Mapping[str, Past], options: RollbackOptions) -> Plan:
    """The plan as one of a rollback: its source, its reasons, its refusals, and what it cannot bring back."""
    plan = planned.plan
    changes = tuple(worded(change, pasts.get(change.key)) for change in plan.changes)
    blocks = (
        *worded_blocks(plan.blocks, plan.changes, pasts),
        *more_blocks(plan.changes, pasts.values(), planned.live, options.consent),
    )
    kept = tuple(worded_kept(item, pasts.get(item.key)) for item in plan.kept)
    left = {item.key for item in kept}
    gone = sorted(past.key for past in pasts.values() if past.row_was_lost and past.key not in left)
    touched = left.union(change.key for change in changes)
    others = [p.key for p in pasts.values() if p.action == "create" and p.key in planned.live.by_key.keys() - touched]
    elsewhere = [_elsewhere(row)] if _manages(row) and options.at != row.source else []
    warnings = (*plan.warnings, *elsewhere, *([_gone(gone)] if gone else ()), *map(_not_ours, sorted(others)))
    source = SourceRef(root=f"the rows before {row.command} {row.id}", directory="")
    return replace(plan, source=source, changes=changes, blocks=blocks, kept=kept, warnings=warnings, prune=False)


def _elsewhere(row: AppliedRow) -> Problem:
    return Problem(
        code="POLICY_NOT_AT_HAND",
        severity="warning",
        message=f"that apply was made from {row.source}, which is not the repository here: its policy (protected keys,"
        " brakes) is not known and holds nothing",
        hint="run the rollback in a checkout of that source to have its policy hold",
        details={"source": row.source},
    )


def _not_ours(key: str) -> Problem:
    return Problem(
        code="ROW_NOT_OURS",
        severity="warning",
        message="that apply created it; its row is gone, and the one that is there now was made by somebody else:"
        " it is left alone",
        key=key,
        hint="delete it in the instance if it is not wanted",
    )


def _gone(keys: list[str]) -> Problem:
    named = ", ".join(keys[:_MOST_NAMED]) + (f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else "")
    one = len(keys) == 1
    return Problem(
        code="RUNS_NOT_RESTORED",
        severity="warning",
        message=f"that apply deleted the row{'' if one else 's'} of {named}; runs and whatever else was deleted with"
        f" {'it' if one else 'them'} do not come back",
        hint="only definitions and published versions are kept in the ledger; for the rest there are backups",
        details={"keys": keys},
    )
