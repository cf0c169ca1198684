"""``db status``, for people and machines."""

from __future__ import annotations

from wfsync.bundle.model import JsonObject
from wfsync.pipeline.databases import DatabaseStatus
from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.render.escape import json_document, plain

__all__ = ["status_json", "status_text"]


def status_text(status: DatabaseStatus) -> str:
    """A fact a line."""
    return "".join(f"{name}: {plain(str(value))}\n" for name, value in _facts(status).items() if value is not None)


def status_json(status: DatabaseStatus) -> str:
    """One document with the same facts."""
    facts = {name.lower().replace(" ", "_"): value for name, value in _facts(status).items()}
    return json_document({"format_version": PLAN_FORMAT_VERSION, **facts})


def _facts(status: DatabaseStatus) -> JsonObject:
    layout, server = status.layout, status.server
    facts: JsonObject = {"Database": status.display, "Kind": status.kind, "Named by": status.origin}
    if server is not None:
        facts |= {
            "Server": server.state,
            "Data": str(server.data_dir),
            "Log": str(server.log),
            "Programs": None if server.binaries is None else str(server.binaries.bin),
            "Unavailable": server.unavailable,
        }
    facts["PostgreSQL"] = status.server_version or (server.version if server is not None else None)
    if layout is not None:
        facts |= {
            "Layout": layout.name,
            "Schema": layout.definitions.schema if layout.definitions else None,
            "Tenant column": f"{layout.tenant.name} ({layout.tenant.type})" if layout.tenant else "none",
            "Unique key": "yes" if layout.key_is_unique else "no",
            "Row security": "active" if layout.row_security_active else "no",
            "Pending migrations": ", ".join(status.pending) or "none",
        }
    ledger = status.ledger
    if ledger is not None:
        facts |= {
            "Ledger": ledger.state,
            "Ledger version": ledger.version,
            "Ledger applies": ledger.applies,
            "Ledger managed": ledger.managed,
        }
    if layout is not None:
        facts["Problems"] = "; ".join(layout.problems) or None
        facts["Notes"] = "; ".join(layout.notes) or None
    return facts
