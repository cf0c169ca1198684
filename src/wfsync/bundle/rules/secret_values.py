"""Is this value a secret, or what only stands in its place? For values under names that promise one.

Decisions where the specification is silent: placeholders, templates, UUIDs, addresses without a password, hashes that
say so, names of variables (``DB_PASSWORD``), paths of data (``payload.token``) and prose are no secrets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

from wfsync.bundle.secrets import words_of

__all__ = ["is_literal", "is_placeholder", "is_random", "speaks_about"]

_PLACEHOLDER: Final = re.compile(
    r"""
      [xX*.\u2022\u2026_#-]+ | 0+ | 123456(?:7(?:89?0?)?)?
    | change[-_ ]?(?:me|it|this)\W* | replace[-_ ]?(?:me|it|this)\W* | fix[-_ ]?me | to[-_ ]?do\W* | tbd
    | (?:your|insert|enter|some|put)(?:[-_ ].*|(?:api|secret|token|password|key).*) | .*[-_ ]here
    | (?:an?|the|my)[-_ ](?:token|secret|password|pass(?:phrase|code)|(?:api[-_ ]?)?key|value)
    | (?:redacted|masked|hidden|placeholder|example|dummy|sample|default|secret|password|passwd|pass|token|pwd|pw
      |api[-_ ]?key|key|value|string|text|user|username|none|null|nil|undefined|unset|empty|n/?a|true|false|yes|no|on
      |off|optional|required|disabled|enabled|basic|bearer|digest|oauth2?|oidc|jwt|saml|session|cookie|header|custom
      |inherit)
    | \[.*\] | <.*> | \(.*\) | [A-Za-z0-9_-]{0,24}?[xX*.]{6,}
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_TEMPLATE: Final = re.compile(r"\{\{|\$\{|<%|\$\(|\{%|#\{|@\{|%[A-Za-z_]+%|^\$[A-Za-z_]|^\{[A-Za-z_.]+\}$")
_ADDRESS: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]*|/[A-Za-z0-9._/-]*|(?:urn|arn|mailto|vault|env|file|ref|secret):\S*"
)
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_DATA_PATH: Final = re.compile(
    r"(?:payload|vars|meta|error|env|context|input|inputs|outputs?|secrets?|steps?|item|event|trigger|config)"
    r"(?:\.[A-Za-z_$][\w$-]*|\[\w+\])+"
)
_HASH: Final = re.compile(r"(?:sha-?(?:1|224|256|384|512)|md5|blake[23][bs]?)[:=-][A-Za-z0-9+/=_-]+", re.IGNORECASE)
_PUBLIC: Final = re.compile(r"(?:ssh-[a-z0-9]+|ecdsa-[a-z0-9-]+)\s.*", re.DOTALL)
"""Half of a pair of keys, which everybody may read."""
_UUID: Final = re.compile(r"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)
"""With its hyphens: 32 bare digits may as well be a key."""
_SCHEME: Final = re.compile(r"(?:bearer|basic|token|apikey|digest|negotiate)\s+", re.IGNORECASE)
_ABOUT: Final = frozenset(
    re.findall(
        "[a-z]+",
        """
        action actions address age alg algorithm at audience by checksum column date days
        description digest disabled email enabled endpoint env event field fields file filename
        fingerprint form format group groups hash hashes header headers help hint hours id ids index
        issuer kind label lifetime link location manager message method minutes mode names optional
        options page path paths pattern placeholder prefix prompt provider regex required
        requirements reset role roles rotation rule rules scheme scope scopes seconds size source
        state status step storage store strength subject suffix template title types uri uris url
        urls usage used uuid var variable variables version
        """,
    )
)
"""Last words of names that tell something about a secret."""
_WORDLIKE: Final = re.compile(r"[A-Za-z]+|[0-9]+")
_PARTS: Final = re.compile(r"[-_./:=+~ ]+")
_RANDOM_LENGTH: Final = 16
_RANDOM_PART: Final = 8
_RANDOM_BITS: Final = 3.0
"""Of entropy a character: hexadecimal digits have up to 4, words about 3, but words have no digits among them."""


def speaks_about(name: str) -> bool:
    """True for a name that tells something about a secret and not the secret: ``tokenUrl``, ``passwordHash``."""
    words = words_of(name)
    return bool(words) and words[-1] in _ABOUT


def is_placeholder(text: str) -> bool:
    """True for what people write where a secret will be: ``changeme``, ``***``, ``<token>``, ``${TOKEN}``."""
    stripped = text.strip()
    return not stripped or _TEMPLATE.search(stripped) is not None or _PLACEHOLDER.fullmatch(stripped) is not None


def is_random(text: str) -> bool:
    """True for what a machine made: long, letters and digits mixed within a part, many different characters."""
    if len(text) < _RANDOM_LENGTH or any(map(str.isspace, text)) or _UUID.fullmatch(text):
        return False
    parts = (part for part in _PARTS.split(text) if len(part) >= _RANDOM_PART)
    mixed = any(_WORDLIKE.fullmatch(part) is None for part in parts)
    return mixed and any(map(str.isdigit, text)) and _entropy(text) >= _RANDOM_BITS


def is_literal(text: str) -> bool:
    """True when ``text``, under a name that promises a secret, is most likely the secret itself."""
    value = _SCHEME.sub("", text.strip(), count=1)
    if is_placeholder(value):
        return False
    if any(form.fullmatch(value) for form in (_UUID, _ADDRESS, _VARIABLE, _DATA_PATH, _HASH, _PUBLIC)):
        return False
    words = value.split()
    return len(words) == 1 or any(map(is_random, words))


def _entropy(text: str) -> float:
    """Bits for each character, by Shannon's formula."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
