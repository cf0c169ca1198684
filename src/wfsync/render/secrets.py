"""``secrets list``, for people and machines. Nothing that could be shown here knows a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.render.escape import json_document, plain
from wfsync.store.runtime.secrets import StoredSecret

__all__ = ["secrets_json", "secrets_text"]


def secrets_text(stored: Sequence[StoredSecret]) -> str:
    """A secret a line: name, id of the key, when it was set last."""
    if not stored:
        return "No secrets.\n"
    width = max(len(secret.name) for secret in stored)
    return "".join(
        f"{plain(secret.name):<{width}}  key {plain(secret.key_id)}  {_time(secret.updated_at)}\n" for secret in stored
    )


def secrets_json(stored: Sequence[StoredSecret]) -> str:
    """One document with the same facts."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "secrets": [
                {
                    "name": secret.name,
                    "key_id": secret.key_id,
                    "created_at": _time(secret.created_at),
                    "updated_at": _time(secret.updated_at),
                }
                for secret in stored
            ],
        }
    )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
