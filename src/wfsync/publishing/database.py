"""A draft in the database → one version more in the same row, checked under the locks of an apply."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wfsync.apply.execute import ApplyOptions
from wfsync.apply.publishing import Asked, Intended, Stored, not_in_database, publish, reading
from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Workflow
from wfsync.errors import WfsyncError
from wfsync.plan.model import SourceRef, TargetRef
from wfsync.publishing.checking import Surroundings, finds_in
from wfsync.publishing.report import Finds, Report
from wfsync.publishing.version import is_published, require_portable, with_version
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant

__all__ = ["Instance", "check_in_database", "publish_in_database"]


@dataclass(frozen=True, slots=True)
class Instance:
    """The database that is meant."""

    conn: Connection
    layout: InstanceLayout
    tenant: Tenant | None
    target: TargetRef


def check_in_database(at: Instance, key: str, around: Surroundings) -> Report:
    """What publish validation says of the draft in the database; only reads. Raises `InputError`
    (``WORKFLOW_NOT_FOUND``) and `DatabaseError`.
    """
    with reading(at.conn, at.layout, at.tenant) as stored:
        workflow = stored.find(key)
        if workflow is None:
            raise not_in_database(key)
        after = with_version(workflow, around.registry)
        finds = _finds(workflow, after, around, stored)
    return Report(key, "checked", _newest(after), at.target.display, in_database=True, finds=finds)


def publish_in_database(
    at: Instance, key: str, around: Surroundings, source: SourceRef, options: ApplyOptions, *, allow_unchanged: bool
) -> Report:
    """Publish the draft of ``key`` in the database, or say why not: then no row is touched.

    Raises as `wfsync.apply.publishing.publish`.
    """
    report = Report(key, "unchanged", None, at.target.display, in_database=True, finds=Finds((), ()))

    def decide(workflow: Workflow, stored: Stored) -> Intended | None:
        nonlocal report
        if is_published(workflow) and not allow_unchanged:
            report = replace(report, version=_newest(workflow))
            return None
        after = with_version(workflow, around.registry)
        finds = _finds(workflow, after, around, stored)
        if finds.has_errors:
            report = replace(report, action="refused", finds=finds)
            return None
        require_portable(after)
        report = replace(report, action="published", version=_newest(after), finds=finds)
        return Intended(after, tuple(finding.to_json() for finding in finds.findings))

    # First without any lock, so that a draft that is refused costs nobody anything and makes no ledger
    with reading(at.conn, at.layout, at.tenant) as stored:
        workflow = stored.find(key)
        if workflow is None:
            raise not_in_database(key)
        if decide(workflow, stored) is None:
            return report
    kept = publish(at.conn, at.layout, at.tenant, Asked(key, at.target, source), decide, options)
    return replace(report, notes=kept.notes, apply_id=kept.apply_id)


def _finds(workflow: Workflow, after: Workflow, around: Surroundings, stored: Stored) -> Finds:
    known: dict[str, dict[int, Schema | None] | None] = {workflow.key: _versions(after)}

    def callees(key: str) -> dict[int, Schema | None] | None:
        if key not in known:
            try:
                found = stored.find(key)
                known[key] = {} if found is None else _versions(found)
            except WfsyncError:  # two rows, or one that no file could hold: there may be such a version
                known[key] = None
        return known[key]

    return finds_in(workflow, around, callees, None)


def _versions(workflow: Workflow) -> dict[int, Schema | None]:
    return {version.version: version.payload_schema for version in workflow.versions}


def _newest(workflow: Workflow) -> int | None:
    return workflow.versions[-1].version if workflow.versions else None
