"""plan → file, file → plan: a plan is pinned when it is made, and made again, compared and carried out as approved."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.model import Json
from wfsync.errors import Conflict, DatabaseError, InputError, Place, Problem
from wfsync.pipeline.planning import Planned
from wfsync.plan.model import Plan, TargetRef
from wfsync.plan.pinned import KeyKind, PinnedOptions, PinnedPlan, PinnedTarget, Seal, pin, pinned_source
from wfsync.plan.pinned_file import SealedPlan, to_bytes
from wfsync.plan.staleness import Now, moved, was_applied
from wfsync.store.connection import Connection
from wfsync.store.identity import DatabaseIdentity, read_identity
from wfsync.store.layout import Tenant
from wfsync.store.ledger.managed import hmac_key
from wfsync.store.ledger.plans import applied_plan

__all__ = ["Opened", "Setting", "missing_meanwhile", "open_pinned", "pin_plan", "require_unmoved"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a plan was made under and does not say itself."""

    config: Json
    """What ``wfsync.yaml`` says."""
    config_file: str
    """As messages name it."""
    path: str | None = None
    """DIR as it was typed."""
    source: str | None = None
    """Identity of repository and directory."""
    policies: Policies = GIT_OWNS_ALL
    """What the target holds apart from what files say."""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan file whose seal fits this target."""

    plan: PinnedPlan
    label: str
    seal: Seal


def pin_plan(conn: Connection, plan: Plan, setting: Setting) -> bytes:
    """The plan file of ``plan``, which was made on ``conn`` under ``setting``.

    Raises `DatabaseError` (``PLAN_KEY_UNAVAILABLE``) where there is no key to hide digests with.
    """
    identity = read_identity(conn)
    kind, secret = _any_key(conn, identity)
    plan_id = secrets.token_hex(16)
    seal = Seal.of(secret, plan_id)
    frame = PinnedPlan(
        id=plan_id,
        made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        key=kind,
        target=PinnedTarget(
            plan.target.display,
            plan.target.tenant,
            plan.target.environment,
            _of_database(identity, seal),
            _of_system(identity, seal),
        ),
        source=pinned_source(plan.source, setting.path, setting.source),
        options=_options(plan, setting, seal),
    )
    return to_bytes(pin(plan, frame, seal), seal)


def open_pinned(conn: Connection, sealed: SealedPlan, target: TargetRef, tenant: Tenant | None) -> Opened:
    """Make sure that ``sealed`` is whole, meant for this database, tenant and environment, and not applied before.

    Raises `Conflict` (``PLAN_TARGET_MISMATCH``) with everything that differs, or ``STALE_PLAN``; `InputError`
    (``PLAN_FILE_INVALID``) for a file that was edited.
    """
    identity = read_identity(conn)
    claimed = sealed.plan
    secret = _key(conn, identity, claimed.key)
    if secret is None:
        raise _mismatch(
            sealed,
            [
                "its digests were made with the key of a ledger, and here is none that this role may read"
                if claimed.key == "ledger"
                else "its digests were made with the server's system identifier, which this role may not read"
            ],
        )
    seal = Seal.of(secret, claimed.id)
    plan = sealed.opened(seal)
    planned = plan.target
    faults = []
    if planned.system is not None and identity.system is not None and planned.system != _of_system(identity, seal):
        faults.append("the database server is another one (its system identifier differs)")
    if planned.database != _of_database(identity, seal):
        faults.append("the database is another one on its server (its oid differs)")
    if planned.tenant != target.tenant:
        faults.append(f"the tenant is {target.tenant or 'none'}, not {planned.tenant or 'none'}")
    if planned.environment != target.environment:
        faults.append(f"the environment is {target.environment or 'none'}, not {planned.environment or 'none'}")
    if faults:
        raise _mismatch(sealed, faults)
    before = applied_plan(conn, tenant, plan.id)
    if before is not None:
        raise Conflict(
            f"{sealed.label} was applied already, by {before.actor} at {before.at}",
            code="STALE_PLAN",
            hint="nothing was written: a plan is carried out once; look at a new plan",
            details={"plan": plan.id, "apply": before.apply_id, "applied": True},
        )
    return Opened(plan, sealed.label, seal)


def require_unmoved(opened: Opened, setting: Setting, planned: Planned) -> None:
    """Compare the plan that was made again (of the same keys, with the same options) with the pinned one.

    Raises `Conflict` (``STALE_PLAN``) with everything that moved: settings, files, rows. No consent overrides it.
    """
    changed = _changed_settings(opened, setting)
    if any(problem.details["moved"] == "policy" for problem in changed):
        raise _stale(opened, changed)  # under other policies no digest can be compared
    plan = planned.plan
    now = Now(plan.changes, plan.kept, planned.desired.by_key, planned.live, opened.seal, opened.plan.made_at)
    problems = [*changed, *moved(opened.plan, now)]
    if problems:
        raise _stale(opened, problems, applied=was_applied(opened.plan, now))


def missing_meanwhile(opened: Opened, error: InputError) -> Conflict | None:
    """What ``error``, raised when the plan was made again, means for it: what it calls was there when it was made.

    None when the error says that files are wrong.
    """
    errors = [problem for problem in error.problems if problem.is_error]
    if not errors or any(problem.code != "MISSING_REFERENCE" for problem in errors):
        return None
    return _stale(opened, errors)


def _any_key(conn: Connection, identity: DatabaseIdentity) -> tuple[KeyKind, bytes]:
    kinds: tuple[KeyKind, ...] = ("ledger", "system")
    for kind in kinds:
        secret = _key(conn, identity, kind)
        if secret is not None:
            return kind, secret
    raise DatabaseError(
        "the plan cannot be written to a file: there is no key to hide its digests with. The database has no ledger"
        " that this role may read, and the role may not read the server's system identifier either",
        code="PLAN_KEY_UNAVAILABLE",
        hint="let an apply or `wfsync db upgrade` create the ledger and grant SELECT on wfsync.instance, or grant"
        " EXECUTE ON FUNCTION pg_catalog.pg_control_system()",
    )


def _key(conn: Connection, identity: DatabaseIdentity, kind: KeyKind) -> bytes | None:
    return hmac_key(conn) if kind == "ledger" else identity.derived_key()


def _of_database(identity: DatabaseIdentity, seal: Seal) -> str:
    return seal.of_text("database", str(identity.oid))


def _of_system(identity: DatabaseIdentity, seal: Seal) -> str | None:
    return None if identity.system is None else seal.of_text("system", identity.system)


def _options(plan: Plan, setting: Setting, seal: Seal) -> PinnedOptions:
    return PinnedOptions(
        overwrite=plan.overwrite,
        select=setting.select,
        exclude=setting.exclude,
        prune=plan.prune,
        on_drift=plan.on_drift,
        config=_of_config(setting, seal),
        policy=_of_policies(setting, seal, {change.key for change in plan.changes}),
    )


def _of_config(setting: Setting, seal: Seal) -> str:
    return seal.of_value("config", setting.config)


def _of_policies(setting: Setting, seal: Seal, keys: Collection[str]) -> str:
    """Of the policies for the plan's own keys: an overlay may change for others."""
    return seal.of_value("policy", {key: setting.policies.fingerprint(key) for key in keys})


def _changed_settings(opened: Opened, setting: Setting) -> list[Problem]:
    then = opened.plan.options
    problems = []
    if then.config != _of_config(setting, opened.seal):
        problems.append(_moved("config", f"{setting.config_file} says something else", setting.config_file))
    if then.policy != _of_policies(setting, opened.seal, {change.key for change in opened.plan.changes}):
        problems.append(_moved("policy", "the field policies or the overlay in force are others"))
    source = opened.plan.source.identity
    if source is not None and setting.source is not None and source != setting.source and not _is_weak(source):
        problems.append(_moved("source", f"the files are those of {setting.source}, not of {source}"))
    return problems


def _is_weak(source: str) -> bool:
    """Only a path on some machine: CI checks out anywhere."""
    return source.startswith("file:")


def _moved(what: str, message: str, file: str | None = None) -> Problem:
    place = None if file is None else Place(file)
    return Problem(code="STALE_PLAN", message=message, place=place, details={"moved": what})


def _stale(opened: Opened, problems: list[Problem], *, applied: bool = False) -> Conflict:
    count = len({problem.key or problem.message for problem in problems})
    again = " It looks as if it had been applied already." if applied else ""
    return Conflict(
        f"{opened.label} is stale: {count} thing{'s' * (count != 1)} moved since it was made at"
        f" {opened.plan.made_at}.{again}",
        code="STALE_PLAN",
        hint="nothing was written, and no option overrides this; look at a new plan",
        problems=problems,
        details={"plan": opened.plan.id, "applied": applied},
    )


def _mismatch(sealed: SealedPlan, faults: list[str]) -> Conflict:
    return Conflict(
        f"{sealed.label} is meant for {sealed.plan.target.display}, and this is not it: {'; '.join(faults)}",
        code="PLAN_TARGET_MISMATCH",
        hint="nothing was written; name the target that was planned for, or make a new plan",
        problems=[Problem(code="PLAN_TARGET_MISMATCH", message=fault, place=Place(sealed.label)) for fault in faults],
    )
