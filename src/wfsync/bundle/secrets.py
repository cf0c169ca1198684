"""What looks like a secret: the one definition, for the check of files and for all that is shown.

Spec: issue 3, section 11; cli.md "Output" (values under keys that look like secrets). Three nets: by name (``apiKey``),
by form (a text that holds a well-known kind of token), and by name in a text (``export DB_PASSWORD=…``). A *reference*
(``{"$secret": "NAME"}``, ``{"$expr": …}``, runtime.md) says where a value comes from and is none.

Masking (`wfsync.plan.secrets`) hides whatever any net catches. The check (`wfsync.bundle.rules.secrets`) says less:
it is asked to cry wolf seldom, so it also looks at the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from wfsync.bundle.model import Json
from wfsync.bundle.secret_names import is_secret_name, words_of

__all__ = [
    "FORMS",
    "LOOSE",
    "REDACTED",
    "Assigned",
    "Form",
    "assigned",
    "hide_text",
    "is_reference",
    "is_secret_below",
    "is_secret_name",
    "pair_name",
    "words_of",
]

REDACTED: Final = "[SECRET:REDACTED]"

Form = str
"""Which kind of token a text holds: the name of a group of `FORMS`."""

_NAME_FIELDS: Final = ("name", "key", "header")
_SCHEMA_WORDS: Final = frozenset(
    {"$ref", "additionalProperties", "description", "format", "maxLength", "minLength", "required", "title", "type"}
)
_REFERENCES: Final = frozenset({"$secret", "$expr"})

FORMS: Final = re.compile(
    r"""
      (?P<private_key>-----BEGIN\ [A-Z0-9 ]*PRIVATE\ KEY(?:\ BLOCK)?-----.*?(?:-----END\ [A-Z0-9 ]*-----|\Z)
        |\bAGE-SECRET-KEY-1[0-9A-Z]{20,})
    | (?P<aws>\b(?:AKIA|ASIA)[0-9A-Z]{16}\b)
    | (?P<github>\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,})
    | (?P<gitlab>\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{16,})
    | (?P<slack>\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/_-]+)
    | (?P<stripe>\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{16,})
    | (?P<google>\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{20,}|\bya29\.[A-Za-z0-9_-]{20,})
    | (?P<service>\bsk-[A-Za-z0-9_-]{20,}|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\bnpm_[A-Za-z0-9]{36}
        |(?<=com/api/webhooks/)[0-9]+/[A-Za-z0-9_-]+
        |[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])|\bSK[0-9a-f]{32}\b
        |\bpypi-[A-Za-z0-9_-]{40,}|\bdop_v1_[a-f0-9]{32,}|\bhv[sb]\.[A-Za-z0-9_-]{20,}|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})
    | (?P<jwt>(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)
    | (?P<header>(?<=\ )(?i:(?<=\bbearer\ )|(?<=\bbasic\ ))[A-Za-z0-9._~+/=-]{16,})
    | (?P<address>(?<=://)[^/\s:@]*:[^/\s@]+(?=@))
    | (?P<query>(?<==)(?i:(?<=[?&]token=)|(?<=[?&]key=)|(?<=[?&]sig=)|(?<=[?&]secret=)|(?<=[?&]api_key=)
        |(?<=[?&]apikey=)|(?<=[?&]password=)|(?<=[?&]signature=)|(?<=[?&]access_token=)|(?<=[?&]client_secret=))[^&\s]+)
    | (?P<connection>(?<==)(?i:(?<=(?<![A-Za-z0-9])password=)|(?<=(?<![A-Za-z0-9])passwd=)|(?<=(?<![A-Za-z0-9])pwd=)
        |(?<=\baccountkey=)|(?<=\bsharedaccesskey=))[^;&\s'"]+)
    | (?P<login>(?<=[\s'"=])(?:(?<=\s-u\s)|(?<=\s-u\s['"])|(?<=\s--user\s)|(?<=\s--user\s['"])|(?<=\s--user=))
        (?![0-9]+:[0-9]+\b)[^\s:'"]*:[^\s'"]+)
    """,
    re.VERBOSE | re.DOTALL,
)
"""Every form of a token that is known; the group that matched says which."""

LOOSE: Final = frozenset({"header", "address", "query", "connection", "login"})
"""Groups of `FORMS` that catch what merely stands where a secret would: the text may be a placeholder."""

_NAMED: Final = re.compile(
    r"""
    (?<![A-Za-z0-9_$]) (?P<flag>--)? (?P<name>(?!SECRET:REDACTED)[A-Za-z_][A-Za-z0-9_-]{0,63}+) (?P<quote>\\*["'`])?
    (?P<sign>[ \t]{0,8}(?::=|=>|={1,3}) | (?(quote)[ \t]{0,8}):(?![:/]) | (?(flag)[ ]|(?!)))
    [ \t]{0,8} (?:(?i:bearer|basic|digest)[ ]{1,8})?
    """,
    re.VERBOSE,
)
"""What stands before a value in the texts of other languages: ``DB_PASSWORD=``, ``X-Api-Key: ``, ``\\"token\\":``,
``--secret ``. No space before a colon, because of ``a ? b : c``; no ``$``, because ``$secret`` names one.
"""
_VALUE: Final = re.compile(
    r"""(?P<quote>\\*["'`])(?P<quoted>[^\s"'`\\].{0,4096}?)(?P=quote) | (?P<plain>(?!--)[^\s"'`\\,;&(){}\[\]<>|$%*]
    [^\s"'`\\,;&(){}<>|]*)""",
    re.VERBOSE,
)
_TOLD: Final = re.compile(
    r"""\{\{|\$\{|\$\(|<%|\[SECRET: | \A(?:\$.*|(?i:true|false|null|none|undefined)
    |(?:payload|vars|meta|error|env|context|input|output|steps?|item|event|trigger|config)\.[\w.$-]+)\Z""",
    re.VERBOSE,
)
"""Where a value comes from, or that there is none."""
_PROSE: Final = re.compile(r"[A-Za-z]?[a-z]{0,9}[ ]+[A-Za-z]")
"""``password: it is in the vault``: a short word that another follows."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A value that stands in a text after the name of a secret."""

    name: str
    value: str
    start: int
    """Where ``value`` begins in the text."""
    is_code: bool
    """True when nobody writes so but a program's text: ``DB_PASSWORD=x``, ``"password": "x"``."""


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
    return secret or is_secret_name(name) or pair_name(owner, name) is not None


def pair_name(owner: Mapping[str, Json], name: str) -> str | None:
    """Of ``{"name": "Authorization", "value": …}``, asked for ``value``: the secret name that it goes by; else None."""
    if name != "value":
        return None
    names = (owner.get(field) for field in _NAME_FIELDS)
    return next((text for text in names if isinstance(text, str) and is_secret_name(text)), None)


def hide_text(text: str) -> str:
    """``text`` with every well-known form of a token in it replaced."""
    return FORMS.sub(REDACTED, text)


def assigned(text: str) -> Iterator[Assigned]:
    """What is given to a name of a secret in ``text``: a command, a header, YAML, JSON that a template is part of."""
    end = 0
    for match in _NAMED.finditer(text):
        if match.start() < end or not is_secret_name(match["name"]):
            continue
        value = _VALUE.match(text, match.end())
        if value is None:
            continue
        group = "plain" if value["quoted"] is None else "quoted"
        if _TOLD.search(value[group]):
            continue
        colon = match["sign"].endswith(":")
        if colon and group == "plain" and _PROSE.match(text, match.end()):
            continue
        end = value.end()
        if match["quote"] or group == "quoted":
            is_code = colon and match["quote"] is not None and group == "quoted"
        else:
            is_code = match["sign"] == "=" and (match["name"].isupper() or "passw" in match["name"].lower())
        yield Assigned(match["name"], value[group], value.start(group), is_code)
