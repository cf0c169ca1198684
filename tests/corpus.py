"""Seeded, realistic bundles for tests and the bench: the same seed gives the same bytes on every machine.

A bundle has one draft, two published versions, about ten steps with nested blocks in each, some 8.7 KB of compact JSON
and 19 KB in canonical form. Roughly three in a hundred call another workflow of the same corpus, by key.

This module imports nothing of wfsync, so that it can stand as an oracle beside it: `dependencies` and `canonical` are
second, independent implementations, right for the plain values used here (ASCII object keys, no number whose JSON text
differs between serialisers).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from corpus_edits import EDITS, dependencies, mutate, steps_of

__all__ = ["EDITS", "bundle_at", "canonical", "corpus", "dependencies", "key_at", "mutate", "steps_of", "write_corpus"]

JsonObject = dict[str, Any]

# trade, record, event, two actions of the trade, words for its texts
_TRADES: Final = (
    ("support", "ticket", "TICKET_OPENED", ("tickets.assign", "tickets.comment"), "the customer's request"),
    ("finance", "invoice", "INVOICE_OVERDUE", ("billing.get_invoice", "billing.add_note"), "the open amount"),
    (
        "people",
        "employee",
        "EMPLOYEE_HIRED",
        ("directory.create_account", "hr.update_record"),
        "the first working day",
    ),
    ("operations", "incident", "INCIDENT_RAISED", ("paging.notify", "incidents.update"), "the disturbance"),
    ("platform", "deployment", "DEPLOYMENT_FAILED", ("http.request", "deployments.mark"), "the failed roll-out"),
    ("logistics", "shipment", "SHIPMENT_DELAYED", ("carriers.track", "shipments.update"), "the delayed delivery"),
    ("sales", "contract", "CONTRACT_EXPIRING", ("crm.find_contact", "crm.log_activity"), "the renewal"),
    ("facilities", "visit", "VISIT_BOOKED", ("access.issue_badge", "rooms.reserve"), "the visit"),
)
_SITES: Final = (
    "Zürich",
    "Kraków",
    "São Paulo",
    "København",
    "東京",
    "Αθήνα",
    "Montréal",
    "Springfield",
    "Leeds",
    "Oslo",
)
_MARKS: Final = ("🌱", "🚚", "🔧", "🧾", "📣")
_TEAMS: Final = ("first-line", "night-shift", "back-office", "field-team", "regional-desk")
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC", "Australia/Sydney")
_PROSE: Final = (
    "please check the record before noon and tell whoever is on duty when numbers differ from last week because a late "
    "answer costs more than an early question"
)
_WORDS: Final = tuple(_PROSE.split())


def corpus(seed: int, count: int) -> Iterator[tuple[str, JsonObject]]:
    """Yield ``count`` pairs of key and bundle; calls go to keys of the same corpus, forward and backward."""
    for index in range(count):
        yield key_at(index), bundle_at(seed, index, count)


def key_at(index: int) -> str:
    """The key of the workflow at ``index``; it does not depend on the seed."""
    trade, record, *_ = _TRADES[index % len(_TRADES)]
    return f"{trade}.{record}-flow-{index:05d}"


def bundle_at(seed: int, index: int, count: int) -> JsonObject:
    """The bundle at ``index`` of ``corpus(seed, count)``, without making those before it."""
    rng = Random(f"{seed}/{index}")
    key = key_at(index)
    _, record, event, _, matter = _TRADES[index % len(_TRADES)]
    site = _SITES[rng.randrange(len(_SITES))]
    name = f"{record.capitalize()} handling, {site}"
    callee = key_at(rng.randrange(count)) if rng.random() < 0.03 else None
    trigger = _trigger(rng, record, event)
    ref = f"payload.{record.capitalize()}.v1"
    texts = [_sentence(rng, matter) for _ in range(4)]
    if rng.random() < 0.05:  # beyond the basic plane: rare in real files, and the slow path of many serialisers
        texts[3] += f" {_MARKS[rng.randrange(len(_MARKS))]}"
    definitions = [
        {
            "id": key,
            "version": version,
            "name": name,
            "description": f"Takes care of {matter} in {site}.",
            "payloadSchemaRef": ref,
            **({} if trigger is None else {"trigger": trigger}),
            "steps": _steps(index, version, texts, site, callee),
        }
        for version in (1, 2, 3)
    ]
    metadata: JsonObject = {
        "name": name,
        "description": f"{name}: {texts[0]}",
        "payloadSchemaRef": ref,
        "payloadSchemaMode": "pinned" if index % 3 else "inferred",
        "pinnedPayloadSchemaRef": ref if index % 3 else None,
        "trigger": trigger,
        "isSystem": False,
        "isVisible": True,
        "isPaused": index % 17 == 0,
        "concurrencyLimit": None if index % 2 else 1 + rng.randrange(20),
        "autoPauseOnFailure": index % 5 == 0,
        "failureRateThreshold": (None, 0.25, 0.5, 12.75, 1)[rng.randrange(5)],
        "failureRateMinRuns": 5 + rng.randrange(20),
        "retentionPolicyOverride": {"days": 30 + rng.randrange(300)} if index % 4 == 0 else None,
    }
    schema = _payload_schema(record, texts[1])
    workflow: JsonObject = {
        "key": key,
        "metadata": metadata,
        "dependencies": {},
        "draft": {"draftVersion": 3, "definition": definitions[2]},
        "publishedVersions": [
            {"version": 1, "definition": definitions[0], "payloadSchemaJson": None},
            {"version": 2, "definition": definitions[1], "payloadSchemaJson": schema},
        ],
    }
    workflow["dependencies"] = dependencies(workflow)
    minute, second = divmod(index % 3600, 60)
    return {
        "format": "alga-psa.workflow-bundle",
        "formatVersion": 1,
        "exportedAt": f"2026-03-{1 + index % 28:02d}T08:{minute:02d}:{second:02d}.{index % 1000:03d}Z",
        "workflows": [workflow],
    }


def canonical(bundle: JsonObject) -> bytes:
    """The canonical bytes of a bundle made here."""
    return orjson.dumps(bundle, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def write_corpus(directory: Path, seed: int, count: int, *, per_folder: int = 1000) -> None:
    """Write a corpus as ``<directory>/<nnn>/<key>.json``, ``per_folder`` files in each folder."""
    for index, (key, bundle) in enumerate(corpus(seed, count)):
        folder = directory / f"{index // per_folder:03d}"
        if index % per_folder == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.json").write_bytes(canonical(bundle))


def _sentence(rng: Random, matter: str) -> str:
    words = " ".join(rng.choices(_WORDS, k=11))
    return f"About {matter}: {words}."


def _trigger(rng: Random, record: str, event: str) -> JsonObject | None:
    kind = rng.random()
    if kind < 0.55:
        return {
            "type": "event",
            "eventName": event,
            "sourcePayloadSchemaRef": f"events.{record}.v1",
            "payloadMapping": {"id": _expr("event.payload.id"), "name": _expr(f"event.payload.{record}.name")},
        }
    if kind < 0.75:
        return {
            "type": "recurring",
            "cron": f"{rng.randrange(60)} {rng.randrange(24)} * * 1-5",
            "timezone": _ZONES[rng.randrange(len(_ZONES))],
        }
    if kind < 0.87:
        return {"type": "schedule", "runAt": f"2027-{1 + rng.randrange(12):02d}-15T{rng.randrange(24):02d}:30:00Z"}
    return None


def _payload_schema(record: str, text: str) -> JsonObject:
    return {
        "type": "object",
        "title": record.capitalize(),
        "required": ["id", "name"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "minLength": 1, "description": f"Identifies the {record}."},
            "name": {"type": "string"},
            "amount": {"type": "number", "minimum": 0},
            "urgent": {"type": "boolean", "default": False},
            "lines": {"type": "array", "items": {"type": "object"}, "description": text},
        },
    }


def _expr(text: str) -> JsonObject:
    return {"$expr": text}


def _set_state(step_id: str, state: str) -> JsonObject:
    return {"id": step_id, "type": "state.set", "config": {"state": state}}


def _call(step_id: str, name: str, action: str, mapping: JsonObject, **rest: Any) -> JsonObject:
    config = {"actionId": action, "version": 1, "inputMapping": mapping, **rest}
    return {"id": step_id, "type": "action.call", "name": name, "config": config}


def _steps(index: int, version: int, texts: list[str], site: str, callee: str | None) -> list[JsonObject]:
    """The steps of one version: later versions say more, the draft (3) waits for an answer as well."""
    trade, record, event, (first, second), matter = _TRADES[index % len(_TRADES)]
    team = _TEAMS[index % len(_TEAMS)]
    lookup = _call(
        "look-up",
        f"Look up the {record}",
        first,
        {"id": _expr("payload.id"), "site": site, "token": {"$secret": f"{trade.upper()}_TOKEN"}},
        saveAs=record,
        idempotencyKey=_expr(f"'{record}-' & payload.id"),
    )
    lookup["retry"] = {"maxAttempts": 2 + version, "backoffMs": 500, "backoffMultiplier": 2}
    steps: list[JsonObject] = [
        {
            "id": "prepare",
            "type": "transform.assign",
            "name": "Prepare what the later steps need",
            "config": {
                "assign": {
                    "vars.team": team,
                    "vars.urgent": _expr("coalesce(payload.urgent, false)"),
                    "vars.title": _expr(f"'{site}: ' & coalesce(payload.name, payload.id)"),
                }
            },
        },
        {
            "id": "guard",
            "type": "control.tryCatch",
            "captureErrorAs": "failure",
            "try": [lookup],
            "catch": [
                _call(
                    "report",
                    "Say that it failed",
                    "log.write",
                    {"level": "warn", "text": _expr("vars.failure.message")},
                ),
            ],
        },
        {
            "id": "urgent",
            "type": "control.if",
            "condition": _expr("vars.urgent = true and len(coalesce(payload.lines, [])) > 0"),
            "then": [
                {
                    "id": "each-line",
                    "type": "control.forEach",
                    "items": _expr("payload.lines"),
                    "itemVar": "line",
                    "concurrency": 1 + version,
                    "onItemError": "continue",
                    "body": [
                        _call(
                            "note-line",
                            f"Add a line to the {record}",
                            second,
                            {"id": _expr("payload.id"), "text": _expr("'#' & toString(index) & ' ' & line.text")},
                        )
                    ],
                }
            ],
            "else": [_call("note", "Leave a note", second, {"id": _expr("payload.id"), "text": texts[2]})],
        },
    ]
    if version > 1:
        steps.append(
            _call(
                "tell",
                f"Tell {team}",
                "notifications.send",
                {"to": team, "title": _expr("vars.title"), "body": texts[3]},
            )
        )
    if version > 2:
        steps.append(
            {
                "id": "answer",
                "type": "event.wait",
                "name": f"Wait for news about {matter}",
                "config": {
                    "eventName": f"{event}_ANSWERED",
                    "correlationKey": _expr("payload.id"),
                    "filters": [{"path": "site", "op": "=", "value": site}],
                    "timeoutMs": 86400000,
                    "assign": {"vars.answer": _expr("vars.event.text")},
                },
            }
        )
    if callee is not None and version > 1:
        steps.append(
            {
                "id": "hand-over",
                "type": "control.callWorkflow",
                "workflowId": callee,
                "workflowVersion": 1,
                "inputMapping": {"id": _expr("payload.id"), "name": _expr("vars.title")},
            }
        )
    steps.append(_set_state("done", "DONE"))
    return steps
