"""Literals that look like secrets do not belong into a file (issue 3, section 11; runtime.md: ``{"$secret": NAME}``).

By form: a well-known kind of token, anywhere. By name: a literal under a name such as ``apiKey``, or the ``value`` of
a pair ``{"name": "Authorization", "value": …}``, also in JSON that is a text. By name in a text: ``DB_PASSWORD=…``. No
message repeats the value. What is none after all is allowed in ``wfsync.yaml`` by key and pointer (`SecretPolicy`).

Decisions where the specification is silent: below an object under a secret name, only what looks made by a machine
counts, or a member such as ``value``, ``key`` or ``default``; names that are also everyday words (``auth``,
``cookie``, ``tokens``, ``credentials``) count only with a value that has letters and digits; a number counts as a
password or a PIN only. Of ``name: value`` in a text, which prose has too, only what has letters and digits counts; of
names that are everyday words, nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.rules.secret_values import is_literal, is_placeholder, is_random, speaks_about
from wfsync.bundle.secrets import (
    FORMS,
    LOOSE,
    Assigned,
    assigned,
    hide_text,
    is_reference,
    is_secret_name,
    pair_name,
    words_of,
)
from wfsync.bundle.source_map import Path, pointer

__all__ = ["check"]

_KINDS: Final = {
    "private_key": "a private key",
    "aws": "an AWS access key",
    "github": "a GitHub token",
    "gitlab": "a GitLab token",
    "slack": "a Slack token",
    "stripe": "a Stripe key",
    "google": "a Google key",
    "service": "a service's API key",
    "jwt": "a JSON Web Token",
    "header": "the credentials of an Authorization header",
    "address": "an address with a password",
    "query": "an address with a token",
    "connection": "a connection string with a password",
    "login": "a command with a password",
}
_PERSONAL: Final = ("passw", "passphrase", "passcode", "pwd", "secret")
_EVERYDAY: Final = frozenset(
    {"auth", "bearer", "cookie", "jwt", "otp", "pass", "pincode", "totp", "tokens", "credential", "credentials"}
)
_UNSAID: Final = _EVERYDAY - {"pass"} | {"pin", "passcode"}
"""Last words of names that count as a member's only, not within a text."""
_HOLDERS: Final = frozenset({"value", "key", "code", "plain", "text", "data", "content", "default", "const"})
_FILLING: Final = frozenset("xX*.")
"""Of what documentation shows for a token: ``ghp_xxxxxxxxxxxx``."""
_SHORTEST: Final = 3
_SHORTEST_EVERYDAY: Final = 6
_SHORTEST_NUMBER: Final = 4
_SHORTEST_SAID: Final = 8
_OBJECT: Final = re.compile(r'\{\s*"')
_MOST_OBJECTS: Final = 20
_decode = json.JSONDecoder().raw_decode


def check(workflow: JsonObject, policy: SecretPolicy, base: Path) -> Iterator[Fault]:
    """One fault for each value of a ``workflows[]`` entry that looks like a secret and is not allowed by ``policy``.

    ``base`` is the path of the entry itself, for the pointers of ``policy``.
    """
    for path, reason, details in _walk(workflow, (), None, direct=False):
        where = pointer((*base, *path))
        if policy.allows(workflow["key"], where):
            continue
        yield Fault(
            code="SECRET_LITERAL",
            path=path,
            message=f"{reason}: a secret must not stand in a file",
            hint='write {"$secret": "NAME"} instead and give the value to the instance; if it is no secret, list '
            f'"{workflow["key"]}#{hide_text(where)}" under policy.secrets_allowed in wfsync.yaml',
            severity=policy.severity,
            details=details,
        )


_Found = tuple[Path, str, dict[str, str]]


def _walk(value: Json, path: Path, name: str | None, *, direct: bool) -> Iterator[_Found]:
    """What looks like a secret in ``value``, which stands under the secret ``name`` (None: under none), at once
    (``direct``) or deeper.
    """
    match value:
        case str():
            yield from _text(value, path, name, direct=direct)
        case dict() if is_reference(value):
            for member, content in value.items():
                yield from _form(content, (*path, member))
        case dict():
            for member, content in value.items():
                if any(_tokens(member)):
                    yield path, "the name of a member looks like a token", {"reason": "form"}
                yield from _member(value, member, content, path, name)
        case list():
            for index, item in enumerate(value):
                yield from _walk(item, (*path, index), name, direct=direct)
        case int() | float() if direct and not isinstance(value, bool):
            if name is not None and _is_personal(name) and len(str(value)) >= _SHORTEST_NUMBER:
                yield path, _promises(name), {"reason": "name"}


def _member(owner: Mapping[str, Json], member: str, content: Json, path: Path, name: str | None) -> Iterator[_Found]:
    here = (*path, member)
    if member in ("$secret", "$expr"):  # in odd company: a fault of its own, the text is a name or an expression still
        yield from _walk(content, here, None, direct=False)
    elif is_secret_name(member):
        yield from _walk(content, here, None if speaks_about(member) else member, direct=True)
    elif isinstance(content, (str, int, float)) and (pair := pair_name(owner, member)) is not None:
        yield from _walk(content, here, None if speaks_about(pair) else pair, direct=True)
    else:
        yield from _walk(content, here, name, direct=name is not None and member in _HOLDERS)


def _text(text: str, path: Path, name: str | None, *, direct: bool) -> Iterator[_Found]:
    found = list(_form(text, path))
    if found or name is None:
        yield from found
        return
    shortest = _SHORTEST
    if direct and _is_everyday(name):
        shortest = _SHORTEST_EVERYDAY
        direct = _is_mixed(text)
    if (direct and len(text) >= shortest and is_literal(text)) or (is_random(text) and is_literal(text)):
        yield path, _promises(name), {"reason": "name"}


def _form(text: str, path: Path) -> Iterator[_Found]:
    """The first secret in ``text``, if there is one."""
    for kind in _tokens(text):
        yield path, f"the text holds what looks like {_KINDS[kind]}", {"reason": "form", "kind": kind}
        return
    for value in _objects(text):
        try:
            inner = next(_walk(value, (), None, direct=False), None)
        except RecursionError:  # nobody writes so, and a text is as deep as it likes
            continue
        if inner is not None:
            yield path, f"in the JSON of the text, {inner[1]}", inner[2]
            return
    for found in assigned(text) if ":" in text or "=" in text or "--" in text else ():
        if _is_said(found):
            yield path, f"in the text, {_promises(found.name)}", {"reason": "name"}
            return


def _objects(text: str) -> Iterator[JsonObject]:
    """The JSON objects that ``text`` holds, such as the body of a request."""
    end = 0
    for number, match in enumerate(_OBJECT.finditer(text)):
        if number == _MOST_OBJECTS:
            return
        if match.start() >= end:
            try:
                value, end = _decode(text, match.start())
            except (ValueError, RecursionError):
                continue
            yield value


def _is_said(found: Assigned) -> bool:
    """True when what follows a name in a text is a secret, and the text not merely about one."""
    name, value = found.name, found.value
    if speaks_about(name) or _is_everyday(name, _UNSAID) or not is_literal(value):
        return False
    if found.is_code:
        return len(value) >= _SHORTEST_EVERYDAY and _is_mixed(value) if _is_everyday(name) else len(value) >= _SHORTEST
    return is_random(value) or (len(value) >= _SHORTEST_SAID and _is_mixed(value) and value.isalnum())


def _tokens(text: str) -> Iterator[str]:
    """The kind of each token in ``text``, but for what is clearly a placeholder."""
    for match in FORMS.finditer(text):
        kind = match.lastgroup or ""
        token = match[0]
        if kind in LOOSE and not _is_meant(kind, token, text):
            continue
        if set(token[len(token) // 2 :]) <= _FILLING or (kind == "service" and not any(map(str.isdigit, token))):
            continue
        yield kind


def _is_meant(kind: str, token: str, text: str) -> bool:
    """True when what stands in the place of a secret in ``text`` is one."""
    if kind == "header":
        return is_random(token) and is_literal(token)
    if kind == "address":
        return not is_placeholder(token.partition(":")[2])
    if kind == "login":  # of docker and sudo, the same is a user and a group
        user, _, password = token.partition(":")
        return ("curl" in text or "http" in text) and password != user and is_literal(password)
    if kind == "query":
        return is_random(token) and is_literal(token)
    return is_literal(token)


def _promises(name: str) -> str:
    return f"the value of {hide_text(name)!r} looks like a secret"


def _is_everyday(name: str, words: frozenset[str] = _EVERYDAY) -> bool:
    parts = words_of(name)
    return parts[-1] in words or "".join(parts[-2:]) in words


def _is_mixed(text: str) -> bool:
    return any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def _is_personal(name: str) -> bool:
    words = words_of(name)
    return words[-1:] == ["pin"] or any(part in "".join(words) for part in _PERSONAL)
