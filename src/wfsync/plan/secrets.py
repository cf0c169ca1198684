"""What is hidden before anybody sees a difference (spec: cli.md "Output", values under keys that look like secrets).

Two nets: by name (anything below a key such as ``apiKey``) and by form (a text that holds a well-known kind of token).
Hiding happens when a `FieldChange` is made, so that no renderer, plan file or log can forget it. A *reference* to a
secret (``{"$secret": "NAME"}``, ``{"$expr": …}``) is no secret and stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from wfsync.bundle.model import Json

__all__ = ["REDACTED", "hide", "hide_text", "is_reference", "is_secret_below", "is_secret_name"]

REDACTED: Final = "[SECRET:REDACTED]"

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SECRET_WORDS: Final = frozenset({"auth", "bearer", "cookie", "jwt", "otp", "passcode", "pin", "pwd", "totp"})
_TOKENS: Final = frozenset({"token", "tokens"})
_SECRET_PARTS: Final = re.compile(
    r"passw(?:or)?d|passphrase|secret(?!ar)|credential|authori[sz]ation|apikey|privatekey|accesskey|secretkey|signingkey"
    r"|encryptionkey|connectionstring|tokens?$|pwd$"
)
_HARMLESS_ENDINGS: Final = frozenset({"count", "expiry", "length", "limit", "name", "policy", "ref", "ttl", "type"})
_QUANTITIES: Final = frozenset({"max", "min", "num"})
_NAME_FIELDS: Final = ("name", "key", "header")
_SCHEMA_WORDS: Final = frozenset(
    {"$ref", "additionalProperties", "description", "format", "maxLength", "minLength", "required", "title", "type"}
)
_REFERENCES: Final = frozenset({"$secret", "$expr"})

_FORMS: Final = re.compile(
    r"""
      -----BEGIN\ [A-Z0-9 ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z0-9 ]*-----|\Z)
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b
    | \b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}
    | \bglpat-[A-Za-z0-9_-]{16,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}
    | \b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}
    | \bsk-[A-Za-z0-9_-]{20,}
    | \bAIza[A-Za-z0-9_-]{35}
    | \bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | \bnpm_[A-Za-z0-9]{36}
    | (?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*
    | (?<=hooks\.slack\.com/services/)[A-Za-z0-9/_-]+
    | (?i:(?<=\bbearer\ )|(?<=\bbasic\ ))[A-Za-z0-9._~+/=-]{16,}
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)
    | (?i:(?<=[?&]token=)|(?<=[?&]key=)|(?<=[?&]sig=)|(?<=[?&]secret=)|(?<=[?&]api_key=)|(?<=[?&]apikey=)
        |(?<=[?&]password=)|(?<=[?&]signature=)|(?<=[?&]access_token=)|(?<=[?&]client_secret=))[^&\s]+
    """,
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """True when a member of this name is expected to hold a secret: ``apiKey``, ``DB_PASSWORD``, ``x-auth-token``."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _HARMLESS_ENDINGS or words[0] in _QUANTITIES:
        return False
    if _SECRET_PARTS.search("".join(words)):
        return True
    return words[-1] in _SECRET_WORDS or not _TOKENS.isdisjoint(words)


def is_reference(value: Json) -> bool:
    """True for ``{"$secret": "NAME"}`` and ``{"$expr": "…"}``: where a value comes from, not the value."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [(name, content)] = value.items()
    return name in _REFERENCES and isinstance(content, str)


def is_secret_below(owner: Mapping[str, Json], name: str, *, secret: bool, schema: bool) -> bool:
    """True when ``owner[name]`` is to be hidden: by its name, as the ``value`` of a pair whose ``name`` is secret, or
    because ``owner`` is (``secret``).

    Inside a JSON Schema (``schema``), what describes a secret property stays readable: its type, its title.
    """
    if schema and name in _SCHEMA_WORDS and not isinstance(owner.get(name), dict):
        return False
    if secret or is_secret_name(name):
        return True
    if name != "value":
        return False
    return any(isinstance(owner.get(field), str) and is_secret_name(owner[field]) for field in _NAME_FIELDS)


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


def hide_text(text: str) -> str:
    """``text`` with every well-known form of a token in it replaced."""
    return _FORMS.sub(REDACTED, text)
