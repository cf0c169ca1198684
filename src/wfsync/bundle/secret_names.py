"""Names under which a secret is expected: the one list, for workflows and for ``wfsync.yaml``.

Apart from `wfsync.bundle.secrets`, whose forms of tokens take milliseconds to compile.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["is_secret_name", "words_of"]

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SECRET_WORDS: Final = frozenset(
    {"auth", "bearer", "cookie", "jwt", "otp", "pass", "passcode", "pin", "pw", "pwd", "totp"}
)
_TOKENS: Final = frozenset({"token", "tokens"})
_SECRET_PARTS: Final = re.compile(
    r"passw(?:or)?d|passphrase|secret(?!ar)|credential|authori[sz]ation|apikey|privatekey|accesskey|secretkey|signingkey"
    r"|encryptionkey|accountkey|sshkey|hmackey|privkey|pincode|connectionstring|tokens?$|pwd$"
)
_HARMLESS_ENDINGS: Final = frozenset({"count", "expiry", "length", "limit", "name", "policy", "ref", "ttl", "type"})
_QUANTITIES: Final = frozenset({"max", "min", "num"})


def words_of(name: str) -> list[str]:
    """The words of a member's name, in lower case: ``dbPassword`` and ``DB_PASSWORD`` are db, password."""
    return [word.lower() for word in _WORD.findall(name)]


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """True when a member of this name is expected to hold a secret: ``apiKey``, ``DB_PASSWORD``, ``x-auth-token``."""
    words = words_of(name)
    if not words or words[-1] in _HARMLESS_ENDINGS or words[0] in _QUANTITIES:
        return False
    if _SECRET_PARTS.search("".join(words)):
        return True
    return words[-1] in _SECRET_WORDS or not _TOKENS.isdisjoint(words)
