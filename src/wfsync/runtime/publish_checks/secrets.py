"""``INVALID_SECRET_NAME``, ``SECRET_NOT_FOUND`` and ``UNKNOWN_SPECIAL_KEY``: the other objects with a ``$``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wfsync.runtime.publish_checks.finding import Finding, finding_at
from wfsync.runtime.publish_checks.subject import Subject, did_you_mean
from wfsync.runtime.publish_checks.values import Special
from wfsync.runtime.secrets import is_secret_name

__all__ = ["check_secret", "check_unknown"]


def check_secret(subject: Subject, special: Special) -> Iterator[Finding]:
    """What is wrong with one secret. ``special.value`` is an object that has ``$secret``."""
    name = special.value["$secret"]
    path = (*special.path, "$secret")
    others = sorted(other for other in special.value if other != "$secret")
    if others:
        yield finding_at(
            subject.definition,
            special.path,
            "INVALID_SECRET_NAME",
            f'a secret is {{"$secret": NAME}} and nothing else; {others[0]!r} stands beside it',
            f"move {others[0]!r} out of the object",
            member=others[0],
        )
    if not isinstance(name, str) or not is_secret_name(name):
        shown = repr(name[:60]) if isinstance(name, str) else "this"
        yield finding_at(
            subject.definition,
            path,
            "INVALID_SECRET_NAME",
            f"{shown} is no name of a secret: capitals, digits and _, a capital first",
            _similar_name(name),
        )
    elif subject.secrets is not None and name not in subject.secrets:
        yield finding_at(
            subject.definition,
            path,
            "SECRET_NOT_FOUND",
            f"there is no secret {name}",
            did_you_mean(name, subject.secrets, cutoff=0.8)
            or f"set it with `wfsync secrets set {name}`, or as WFSYNC_SECRET_{name} in the environment",
        )


def check_unknown(subject: Subject, special: Special) -> Iterator[Finding]:
    """A warning of an object that looks like an expression or a secret and is neither: it is data as it stands."""
    yield finding_at(
        subject.definition,
        special.path,
        "UNKNOWN_SPECIAL_KEY",
        f"{special.key!r} means nothing: the object is passed on as it is",
        did_you_mean(special.key, ("$expr", "$secret")) or 'only "$expr" and "$secret" are special',
        severity="warning",
        member=special.key,
    )


def _similar_name(name: object) -> str | None:
    similar = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").upper()[:128] if isinstance(name, str) else ""
    return f"call it {similar}" if is_secret_name(similar) else None
