"""Who applies, for the ledger: named, else what CI says, else the user of the operating system."""

from __future__ import annotations

import pytest

from wfsync.apply.actor import Actor, resolve_actor, run_url
from wfsync.errors import ConfigError

GITHUB = {
    "GITHUB_ACTOR": "octocat",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/flows",
    "GITHUB_RUN_ID": "42",
}
GITHUB_RUN = "https://github.com/acme/flows/actions/runs/42"


def nobody() -> str:
    raise AssertionError("somebody else was named")


def test_the_option_wins_over_the_variable_and_that_over_ci() -> None:
    environ = {**GITHUB, "WFSYNC_ACTOR": "release-bot"}
    assert resolve_actor("alice", environ, nobody) == Actor("alice", "--actor", GITHUB_RUN)
    assert resolve_actor(None, environ, nobody) == Actor("release-bot", "WFSYNC_ACTOR", GITHUB_RUN)
    assert resolve_actor(None, GITHUB, nobody) == Actor("octocat", "GITHUB_ACTOR", GITHUB_RUN)
    assert resolve_actor(None, {"WFSYNC_ACTOR": "  "}, lambda: "me") == Actor("me", "user")


@pytest.mark.parametrize(
    ("environ", "name", "url"),
    [
        ({"GITLAB_USER_LOGIN": "tanuki", "CI_JOB_URL": "https://gitlab.com/a/b/-/jobs/1"}, "tanuki", "CI_JOB_URL"),
        ({"BUILD_USER_ID": "jen", "BUILD_URL": "http://jenkins.local:8080/job/x/1/"}, "jen", "BUILD_URL"),
        ({"CIRCLE_USERNAME": "circ", "CIRCLE_BUILD_URL": "https://circleci.com/gh/a/b/1"}, "circ", "CIRCLE_BUILD_URL"),
    ],
)
def test_other_ci_systems(environ: dict[str, str], name: str, url: str) -> None:
    actor = resolve_actor(None, environ, nobody)
    assert (actor.name, actor.run_url) == (name, environ[url])


def test_a_run_url_shows_no_credentials_and_nothing_that_is_no_url() -> None:
    assert run_url({"CI_JOB_URL": "https://bot:s3cret@gitlab.com/a/-/jobs/1"}) == "https://gitlab.com/a/-/jobs/1"
    assert run_url({"BUILD_URL": "javascript:alert(1)"}) is None
    assert run_url({"CI_JOB_URL": "https://h/a\nb"}) is None
    assert run_url({name: value for name, value in GITHUB.items() if name != "GITHUB_RUN_ID"}) is None


def test_a_name_is_one_short_line() -> None:
    assert (
        resolve_actor(None, {"WFSYNC_ACTOR": " a\n\x1b[31mb \u202e" + "c" * 500}, nobody).name
        == ("a [31mb " + "c" * 500)[:200]
    )
    assert resolve_actor(None, {}, lambda: "").name == "unknown"
    with pytest.raises(ConfigError, match="--actor is empty"):
        resolve_actor(" \n", {}, nobody)
