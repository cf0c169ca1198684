"""Literals that look like secrets do not belong into a file (issue 3, section 11; runtime.md: ``{"$secret": NAME}``).

By form: a well-known kind of token, anywhere. By name: a literal under a name such as ``apiKey``, or the ``value`` of
a pair ``{"name": "Authorization", "value": …}``. No message repeats the value. What is none after all is allowed in
``wfsync.yaml`` by key and pointer (`SecretPolicy`).

Decisions where the specification is silent: below an object under a secret name, only what looks made by a machine
counts, or a member such as ``value``, ``key`` or ``default``; names that are also everyday words (``auth``,
``cookie``, ``tokens``, ``credentials``) count only with a value that has letters and digits; a number counts as a
password or a PIN only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.rules.secret_values import is_literal, is_placeholder, is_random, speaks_about
from wfsync.bundle.secrets import FORMS, LOOSE, hide_text, is_reference, is_secret_name, pair_name, words_of
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
}
_PERSONAL: Final = ("passw", "passphrase", "passcode", "pwd", "secret")
_EVERYDAY: Final = frozenset({"auth", "bearer", "cookie", "jwt", "otp", "totp", "tokens", "credential", "credentials"})
_HOLDERS: Final = frozenset({"value", "key", "code", "plain", "text", "data", "content", "default", "const"})
_FILLING: Final = frozenset("xX*.")
"""Of what documentation shows for a token: ``ghp_xxxxxxxxxxxx``."""
_SHORTEST: Final = 3
_SHORTEST_EVERYDAY: Final = 6
_SHORTEST_NUMBER: Final = 4


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
    if direct and words_of(name)[-1] in _EVERYDAY:
        shortest = _SHORTEST_EVERYDAY
        direct = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    if (direct and len(text) >= shortest and is_literal(text)) or (is_random(text) and is_literal(text)):
        yield path, _promises(name), {"reason": "name"}


def _form(text: str, path: Path) -> Iterator[_Found]:
    """The first token in ``text``, if there is one."""
    for kind in _tokens(text):
        yield path, f"the text holds what looks like {_KINDS[kind]}", {"reason": "form", "kind": kind}
        return


def _tokens(text: str) -> Iterator[str]:
    """The kind of each token in ``text``, but for what is clearly a placeholder."""
    for match in FORMS.finditer(text):
        kind = match.lastgroup or ""
        token = match[0]
        if kind in LOOSE and not _is_meant(kind, token):
            continue
        if set(token[len(token) // 2 :]) <= _FILLING or (kind == "service" and not any(map(str.isdigit, token))):
            continue
        yield kind


def _is_meant(kind: str, token: str) -> bool:
    """True when what stands in the place of a secret is one."""
    if kind == "header":
        return is_random(token) and is_literal(token)
    if kind == "address":
        return not is_placeholder(token.partition(":")[2])
    if kind == "query":
        return is_random(token) and is_literal(token)
    return is_literal(token)


def _promises(name: str) -> str:
    return f"the value of {hide_text(name)!r} looks like a secret"


def _is_personal(name: str) -> bool:
    words = words_of(name)
    return words[-1:] == ["pin"] or any(part in "".join(words) for part in _PERSONAL)
