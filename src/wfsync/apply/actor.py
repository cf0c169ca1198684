"""Who applies, as the ledger records it: whoever is named, else by CI's own variables, else the system's user. Pure.

Nothing here proves who somebody is: it says whom to ask. What the database knows for sure is its own role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from wfsync.errors import ConfigError

__all__ = ["Actor", "resolve_actor", "run_url"]

_LONGEST: Final = 200

_CI_ACTORS: Final = (
    "GITHUB_ACTOR",  # also Gitea and Forgejo
    "GITLAB_USER_LOGIN",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BUILD_REQUESTEDFOREMAIL",  # Azure Pipelines
    "BUILD_REQUESTEDFOR",
    "CIRCLE_USERNAME",
    "BUILDKITE_BUILD_CREATOR",
    "BUILD_USER_ID",  # Jenkins, with its plugin for it
    "DRONE_BUILD_TRIGGER",
)

_RUN_URLS: Final = (
    "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
    "{CI_JOB_URL}",
    "{CI_PIPELINE_URL}",
    "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
    "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
    "{CIRCLE_BUILD_URL}",
    "{BUILDKITE_BUILD_URL}",
    "{BUILD_URL}",
    "{DRONE_BUILD_LINK}",
)
_NAME: Final = re.compile(r"\{(\w+)\}")
_URL: Final = re.compile(r"(?P<scheme>https?://)(?:[^/?#@\s]*@)?(?P<rest>[^\s@\x00-\x1f\x7f]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who, and what said so."""

    name: str
    origin: str
    """``--actor``, a variable's name, or ``user``."""
    run_url: str | None = None
    """Of the CI run, if there is one."""


def resolve_actor(option: str | None, environ: Mapping[str, str], os_user: Callable[[], str]) -> Actor:
    """``--actor``, else ``WFSYNC_ACTOR``, else what CI says, else ``os_user()``; cut to one line of 200 characters.

    Raises `ConfigError` (code ``USAGE``) for an option that is empty.
    """
    url = run_url(environ)
    if option is not None:
        if not _one_line(option):
            raise ConfigError("--actor is empty", code="USAGE", hint="give it a value, or leave --actor out")
        return Actor(_one_line(option), "--actor", url)
    for variable in ("WFSYNC_ACTOR", *_CI_ACTORS):
        if name := _one_line(environ.get(variable, "")):
            return Actor(name, variable, url)
    return Actor(_one_line(os_user()) or "unknown", "user", url)


def run_url(environ: Mapping[str, str]) -> str | None:
    """The address of the CI run, without credentials; None outside of CI."""
    for template in _RUN_URLS:
        names = _NAME.findall(template)
        if all(environ.get(name, "").strip() for name in names):
            found = _URL.fullmatch(template.format_map({name: environ[name].strip() for name in names}))
            if found is not None:
                return found["scheme"] + found["rest"]
    return None


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]
