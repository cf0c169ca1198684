r"""May a text hold a secret at all? Asked of every file, so the answer must take microseconds: 22 for 20 KB that are
not ASCII, 10 of them for making a text of the bytes.

Python's own ``re`` takes 60 µs and more for this, a walk over the tree 150. The regex engine of jsonschema-rs, which is
a dependency anyway, searches for some sixty literals at once with vector instructions, as long as every alternative of
a pattern begins with a literal and there are not many more of them. Hence the spelling below: beginnings without their
first letter (``oken`` is in token and Token), each way to write two words, and several patterns instead of one.

The answer may be a false yes (then the exact check looks) and must not be a false no, but for names that nobody
writes, such as ``paSSword``; a test compares the two.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

__all__ = ["may_hold_secrets"]

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_LITERAL: Final = (
    r'(?:"[^"]|[0-9-]|\[\s*[^\]\s]'
    r'|\{\s*"(?:[^$]|\$[^se]|\$s[^e]|\$e[^x]|\$(?:secret|expr)"\s*:\s*' + _STRING + r"\s*,))"
)
"""The beginning of a value that is no reference and not empty."""
_MEMBERS: Final = rf'(?:[^{{}}"]|{_STRING}|\{{(?:[^{{}}"]|{_STRING})*\}})*'
"""Of the same object, one level deep."""
_PAIRED: Final = rf'\s*,{_MEMBERS}"value"\s*:\s*{_LITERAL}'
"""After the name in ``{"name": "Authorization", …, "value": "…"}``."""
_WITHIN: Final = r"""[A-Za-z0-9_-]*(?:\\*['`]|\\+"|(?: |\\t)*[=:])"""
"""After a name in a text: in JSON, a command, a header. What follows is left to the exact look."""
_AFTER_NAME: Final = rf'(?:{_WITHIN}|[^"\n]*"(?:\s*:\s*{_LITERAL}|{_PAIRED}))'


def _two_words(first: str, second: str) -> str:
    return "|".join(
        [f"{first}{separator}{second}" for separator in ("", "_", "-")]
        + [f"{first}{separator}{second.capitalize()}" for separator in ("", "_", "-")]
        + [f"{first.upper()}{separator}{second.upper()}" for separator in ("", "_", "-")]
    )


_NAMES: Final = (
    "(?:"
    + _two_words("ass", "w")  # password, passwd
    + r"|assp|ASSP|redential|REDENTIAL|uthori|UTHORI|oken|OKEN|pwd|Pwd|PWD"
    + ")"
    + _AFTER_NAME
)
_KEYS: Final = (
    "(?:"
    + "|".join(_two_words(word, "key") for word in ("pi", "ivate", "ccess", "igning", "ryption"))
    + "|hkey|hKey|h_key|h-key|h-Key|H_KEY|H-KEY|HKEY|HKey|ckey|cKey|c_key|c-key|c-Key|C_KEY|C-KEY|CKEY|CKey"
    + "|vkey|vKey|v_key|v-key|v-Key|V_KEY|V-KEY|VKEY|VKey"  # ssh, hmac, priv
    + "|pi key|pi Key|PI key|PI Key|PI KEY|PI-Key|PI_Key"
    + ")"
    + _AFTER_NAME
)
# Not $secret, which is a reference: so what stands before it is part of the literal
_SECRETS: Final = (
    "(?:"
    + "|".join(f"{letter}secret" for letter in "abcdefghijklmnopqrstuvwxyz\"'_- ")
    + r"|\.secret|Secret|SECRET|"
    + _two_words("ection", "string")
    + "|"
    + _two_words("ccount", "key")
    + ")"
    + _AFTER_NAME
)
_PASSES: Final = ("pass", "Pass", "PASS", "pw", "Pw", "PW")
_WORDS: Final = (
    *("uth", "UTH", "earer", "EARER", "ookie", "OOKIE", "jwt", "Jwt", "JWT", "otp", "Otp", "OTP", "asscode", "ASSCODE"),
    *("pin", "Pin", "PIN", "incode", "inCode", "in_code", "in-code", "INCODE", "IN_CODE", *_PASSES),
)
# A backslash: the quote after it is of JSON in a text, or a tab
_WHOLE_WORDS: Final = (
    "(?:"
    + "|".join(f'{word}"' for word in _WORDS)
    + rf")(?:\s*:\s*{_LITERAL}|{_PAIRED})"
    + "".join(rf"|{word}\\" for word in _WORDS)
    + "".join(f"|{word}{sign}" for word in _PASSES for sign in ("=", ":", " +=", "'", "`"))
)
_PAIRS: Final = (
    rf'"value"\s*:\s*(?:{_STRING}|[0-9-]){_MEMBERS}"(?:name|key|header)"\s*:\s*"[^"\n]*(?i:'
    r"assw|assp|redential|uthori|oken|pwd|[-_ a-z]?key|connection|secret"
    r'|(?:auth|bearer|cookie|jwt|otp|pass|passcode|pin[-_]?code|pin|pw)")'
)
"""The other order, which canonical text never has."""
_TOKENS: Final = (
    r"PRIVATE KEY|AGE-SECRET-KEY|(?:AKIA|ASIA)[0-9A-Z]{16}|(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9_]{20}"
    r"|github_pat_[A-Za-z0-9_]{20}|gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{16}"
    r"|xox[abeoprs]-|xapp-|hooks\.slack\.com/services|(?:sk|rk|pk)_(?:live|test)_|whsec_|AIza[A-Za-z0-9_-]{35}"
    r"|GOCSPX-|ya29\.|sk-[A-Za-z0-9_-]{20}|SG\.[A-Za-z0-9_-]{16}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40}|dop_v1_"
    r"|hvs\.|hvb\.|shp(?:at|ca|pa|ss)_|eyJ[A-Za-z0-9_-]{5,}\."
)
_HEADERS_AND_QUERIES: Final = (
    r"(?:earer |EARER |asic |ASIC )[A-Za-z0-9._~+/=-]{16}"
    r"|(?:oken|OKEN|key|Key|KEY|sig|SIG|ecret|ECRET|assword|ASSWORD|ignature|IGNATURE|pwd|Pwd|PWD)=[^&\s]"
)
_ADDRESSES: Final = r"://[^/\s:@]*:[^/\s@]+@"
_OPTIONS: Final = r"""-u(?: |\\[nt])['\\]?[^\s:'"]*:|--[A-Za-z][A-Za-z0-9_-]*[ =]"""
"""Of commands, which workflows seldom hold."""
_MORE_TOKENS: Final = r"com/api/webhooks|:AA[A-Za-z0-9_-]{33}|SK[0-9a-f]{32}"
_ESCAPES: Final = r"\\/|\\u00[2-7]"
"""Of characters that need none: no literal can be relied on."""
_PATTERNS: Final = (
    f"{_NAMES}|{_HEADERS_AND_QUERIES}",
    _WHOLE_WORDS,
    _KEYS,
    f"{_SECRETS}|{_PAIRS}",
    _TOKENS,
    f"{_ADDRESSES}|{_OPTIONS}|{_MORE_TOKENS}|{_ESCAPES}",
)
"""Grouped as measured: of fewer and larger patterns the engine makes slower automata, of more it reads more often."""


@cache
def _scanner() -> Any:
    import jsonschema_rs

    either = [{"pattern": pattern} for pattern in _PATTERNS]
    return jsonschema_rs.Draft7Validator({"anyOf": either}, pattern_options=jsonschema_rs.RegexOptions())


def may_hold_secrets(data: bytes) -> bool:
    """False when the JSON text ``data`` certainly holds nothing that looks like a secret."""
    # All that is looked for is ASCII, and Latin-1 is the decoder that never fails and costs least
    return bool(_scanner().is_valid(data.decode("latin-1")))
