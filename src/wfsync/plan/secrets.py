"""What is hidden before anybody sees a difference (spec: cli.md "Output", values under keys that look like secrets).

What looks like a secret is said in one place, `wfsync.bundle.secrets`: by name (anything below a key such as
``apiKey``) and by form (a text that holds a well-known kind of token). Hiding happens when a `FieldChange` is made, so
that no renderer, plan file or log can forget it. A *reference* to a secret (``{"$secret": "NAME"}``, ``{"$expr": …}``)
is no secret and stays readable.
"""

from __future__ import annotations

from wfsync.bundle.model import Json
from wfsync.bundle.secrets import REDACTED, hide_text, is_reference, is_secret_below, is_secret_name

__all__ = ["REDACTED", "hide", "hide_text", "is_reference", "is_secret_below", "is_secret_name"]


def hide(value: Json, *, secret: bool, schema: bool = False) -> tuple[Json, bool]:
    """``value`` without what looks like a secret, and whether anything was hidden. The input is not changed.

    ``secret`` says that the value stands under a name that looks like one, ``schema`` that it is part of a JSON Schema.
    True, false, null and the empty text can be read in any case: they give nothing away and often are the point of a
    change.
    """
    if isinstance(value, str):
        if secret and value:
            return REDACTED, True
        text = hide_text(value)
        return text, text != value
    if value is None or isinstance(value, bool):
        return value, False
    if isinstance(value, (int, float)):
        return (REDACTED, True) if secret else (value, False)
    if isinstance(value, list):
        items = [hide(item, secret=secret, schema=schema) for item in value]
        return [item for item, _ in items], any(hidden for _, hidden in items)
    if is_reference(value):
        members = {name: hide(content, secret=False) for name, content in value.items()}
    else:
        members = {
            hide_text(name): hide(
                content, secret=is_secret_below(value, name, secret=secret, schema=schema), schema=schema
            )
            for name, content in value.items()
        }
    hidden = any(hidden for _, hidden in members.values()) or members.keys() != value.keys()
    return {name: content for name, (content, _) in members.items()}, hidden
