"""Stored rows ⇄ portable workflows (`bundle.md`: derived values, references; `database.md`: what jsonb does).

Pure. A row that no bundle could hold (a draft that is a list, an empty name, a number beyond binary64) is no crash: it
raises `DatabaseError` with the code ``INVALID_ROW`` and every fault as a `Problem`, so that the caller may report the
row and leave it alone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import (
    MAX_KEY_LENGTH,
    MAX_WORKFLOW_BYTES,
    METADATA_FIELDS,
    Json,
    JsonObject,
    PublishedVersion,
    Workflow,
)
from wfsync.bundle.numbers import parse_number
from wfsync.bundle.references import CALL_STEP, is_uuid, rewrite
from wfsync.bundle.rules.keys import key_fault
from wfsync.bundle.structure import DEFAULT_SCHEMA_MODE
from wfsync.errors import DatabaseError, Problem
from wfsync.store.documents import UNREADABLE, document, object_or_null
from wfsync.store.instance import InstanceLayout
from wfsync.store.moment import to_datetime
from wfsync.store.new_rows import NewVersion, NewWorkflow
from wfsync.store.reader import DEFAULTS, StoredWorkflow

__all__ = ["exported_at", "key_problem", "to_new", "to_workflow", "unheld_metadata"]

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_ABOVE_DRAFT: Final = 4
"""What a file nests around a draft's definition: bundle, workflows, workflow, draft."""
_ABOVE_VERSION: Final = 5
_ABOVE_METADATA: Final = 4
_MAX_THRESHOLD: Final = Decimal("999.99")
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CALL: Final = CALL_STEP.encode()
"""Looking for it in a text is much cheaper than a walk over the steps, and few definitions call another workflow."""
_OBJECTS: Final = ("trigger", "retentionPolicyOverride")
_NUMBERS: Final = ("concurrencyLimit", "failureRateMinRuns")
_INT32: Final = 2**31 - 1
_LARGEST: Final = f"a file may be ({MAX_WORKFLOW_BYTES >> 20} MiB)"
_REQUIRED_TEXT: Final = ("name", "payloadSchemaRef")
_FLAGS: Final = ("isSystem", "isVisible", "isPaused", "autoPauseOnFailure")


def to_workflow(stored: StoredWorkflow, keys_by_id: Mapping[str, str]) -> Workflow:
    """``stored`` in portable form: ids of called workflows become keys, ``definition.id`` goes, metadata is normalised.

    ``keys_by_id`` has every workflow of the tenant that may be called; an id that is not in it stays as it is.
    Raises `DatabaseError` (``INVALID_ROW``) with all faults when the row is no portable workflow.
    """
    faults: list[str] = []
    if _size(stored) > MAX_WORKFLOW_BYTES:
        # Not parsed either: it would take seconds to say nothing more
        raise _invalid(stored, key_problem(stored.workflow_id, stored.key), [f"it is larger than {_LARGEST}"])
    target = _target(keys_by_id)

    def definition(data: bytes, above: int, where: str) -> JsonObject:
        tree = document(data, above, where, faults)
        if not isinstance(tree, dict):
            if tree is not UNREADABLE:
                faults.append(f"{where} is not an object")
            return {}
        tree.pop("id", None)
        return rewrite(tree, target) if _CALL in data else tree

    draft = definition(stored.draft, _ABOVE_DRAFT, "draft_definition")
    versions = []
    for row in stored.versions:
        where = f"version {row.version}"
        published = definition(row.definition, _ABOVE_VERSION, f"{where}: definition_json")
        schema = object_or_null(row.payload_schema, _ABOVE_VERSION, f"{where}: payload_schema_json", faults)
        versions.append(PublishedVersion(row.version, published, schema))
    metadata = _metadata(stored.metadata, faults)
    faults += _integers(stored)
    faults += _numbering(versions)
    problem = key_problem(stored.workflow_id, stored.key)
    if problem is not None or faults or stored.key is None or stored.draft_version is None:
        raise _invalid(stored, problem, faults)
    return Workflow(stored.key, metadata, stored.draft_version, draft, tuple(versions))


def to_new(workflow: Workflow, workflow_id: str, target: Callable[[str], str]) -> NewWorkflow:
    """``workflow`` as rows: ``definition.id`` is ``workflow_id``, every called key becomes ``target(key)``.

    ``target`` returns what it does not know as it is (an id of nobody: the plan has warned of it).
    """

    def text(definition: JsonObject) -> bytes:
        data = compact_bytes({**definition, "id": workflow_id})
        return compact_bytes({**rewrite(definition, target), "id": workflow_id}) if _CALL in data else data

    return NewWorkflow(
        workflow_id,
        workflow.key,
        workflow.metadata,
        workflow.draft_version,
        text(workflow.draft),
        tuple(
            NewVersion(
                v.version, text(v.definition), None if v.payload_schema is None else compact_bytes(v.payload_schema)
            )
            for v in workflow.versions
        ),
    )


def unheld_metadata(layout: InstanceLayout) -> dict[str, Json]:
    """Metadata that ``layout`` has no column for, by name, with the value that `to_workflow` gives it."""
    if layout.definitions is None:
        return {}
    columns = layout.definitions.columns
    absent = {field.name: DEFAULTS.get(field.name) for field in METADATA_FIELDS if field.column not in columns}
    if "failureRateThreshold" in absent:
        absent["failureRateThreshold"] = parse_number(str(absent["failureRateThreshold"]))
    return absent


def key_problem(workflow_id: str, key: str | None) -> Problem | None:
    """Why the row of ``workflow_id`` cannot be managed by its key (a warning: ``INVALID_KEY``), or None."""
    if key is None:
        reason: str | None = "has no key"
    elif _KEY.fullmatch(key) is None or len(key) > MAX_KEY_LENGTH:
        reason = f"has a key that no file can have: {key[:MAX_KEY_LENGTH]!r}"
    else:
        fault = key_fault(key, ())
        reason = f"has a key that no file can have: {fault}" if fault else None
    if reason is None:
        return None
    return Problem(
        code="INVALID_KEY",
        message=f"workflow {workflow_id} {reason}; it is left alone",
        severity="warning",
        key=key,
        hint="Give the workflow a valid, unused key in the instance to have it managed.",
        details={"workflowId": workflow_id},
    )


def exported_at(stored: StoredWorkflow) -> datetime:
    """The newest of ``updated_at`` and the versions' ``published_at``: the moment that an export of this state names.

    Infinite times and those outside Python's range do not count; with none left it is 1970-01-01, so that two exports
    of one state still agree. For a bundle of many take the largest; `wfsync.store.moment.rfc3339` writes it.
    """
    moments = (stored.updated_at, *(v.published_at for v in stored.versions))
    return max((when for m in moments if (when := to_datetime(m)) is not None), default=_NO_TIME)


def _target(keys_by_id: Mapping[str, str]) -> Callable[[str], str]:
    def key_of(text: str) -> str:
        key = keys_by_id.get(text)
        if key is None and is_uuid(text):  # perhaps in another spelling: the server's is lower case, with four dashes
            try:
                key = keys_by_id.get(str(uuid.UUID(text)))
            except ValueError:
                return text
        return text if key is None else key

    return key_of


def _metadata(stored: Mapping[str, Any], faults: list[str]) -> dict[str, Json]:
    metadata = dict(stored)
    for name in _OBJECTS:
        if metadata[name] is not None:
            metadata[name] = object_or_null(metadata[name], _ABOVE_METADATA, name, faults)
    faults += [f"{name} is missing or empty" for name in _REQUIRED_TEXT if not metadata[name]]
    faults += [f"{name} is NULL" for name in _FLAGS if metadata[name] is None]
    if metadata["payloadSchemaMode"] is None:
        metadata["payloadSchemaMode"] = DEFAULT_SCHEMA_MODE
    threshold = metadata["failureRateThreshold"]
    if threshold is not None:
        metadata["failureRateThreshold"] = _threshold(threshold, faults)
    return metadata


def _threshold(stored: Any, faults: list[str]) -> int | float:
    value = stored if isinstance(stored, Decimal) else Decimal(str(stored))
    if value.is_finite() and 0 <= value <= _MAX_THRESHOLD and value == round(value, 2):
        return parse_number(format(value, "f"))
    faults.append("failureRateThreshold is not 0 to 999.99 with at most two decimals")
    return 0


def _size(stored: StoredWorkflow) -> int:
    """How large the documents are: a file with them is larger still."""
    return len(stored.draft) + sum(len(v.definition) + len(v.payload_schema or b"") for v in stored.versions)


def _integers(stored: StoredWorkflow) -> Iterator[str]:
    """Integers that an instance holds in wider columns than a file may fill."""
    if stored.draft_version is None:
        yield "draft_version is NULL"
    values = {"draft_version": stored.draft_version} | {name: stored.metadata[name] for name in _NUMBERS}
    values |= {f"version {row.version}": row.version for row in stored.versions}
    for name, value in values.items():
        if value is not None and not -_INT32 - 1 <= value <= _INT32:
            yield f"{name} is outside of 32 bits"


def _numbering(versions: list[PublishedVersion]) -> Iterator[str]:
    previous = 0
    for published in versions:  # in ascending order
        if published.version < 1:
            yield f"version {published.version} is below 1"
        elif published.version == previous:
            yield f"version {published.version} is there twice"
        previous = published.version


def _invalid(stored: StoredWorkflow, problem: Problem | None, faults: list[str]) -> DatabaseError:
    problems = [
        Problem(
            code="INVALID_ROW",
            message=f"its row in the database is no portable workflow: {fault}",
            key=stored.key,
            hint="No file can hold this; correct the workflow in the instance.",
            details={"workflowId": stored.workflow_id},
        )
        for fault in faults
    ]
    if problem is not None:
        problems.insert(0, problem)
    return DatabaseError(
        f"workflow {stored.key or stored.workflow_id} in the database is no portable workflow",
        code="INVALID_ROW",
        hint="Correct the workflow in the instance, or leave it out.",
        problems=problems,
        details={"workflowId": stored.workflow_id, "key": stored.key},
    )
