"""Mistakes of who starts the service: they end it, unless the repository may heal them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from small_bundles import bundle
from watching import Place, Watch

Make = Callable[..., Place]


@pytest.mark.parametrize(
    ("head", "tail", "env", "code"),
    [
        (["--database", "DB"], ["--repo", "ext::sh -c true"], {}, "REMOTE_URL"),
        (["--database", "foo bar"], ["--repo", "REPO"], {}, "INVALID_DATABASE_URL"),
        (["--database", "foo bar", "-e", "there"], ["--repo", "REPO"], {}, "INVALID_DATABASE_URL"),
        ([], ["--repo", "REPO"], {"WFSYNC_DATABASE_URL": "foo bar"}, "INVALID_DATABASE_URL"),
        ([], ["--repo", "REPO"], {}, "DATABASE_REQUIRED"),
    ],
)
def test_a_mistake_that_no_revision_heals_ends_the_service(
    place: Make, head: list[str], tail: list[str], env: dict[str, str], code: str
) -> None:
    here = place()
    here.configure("environments: { there: { database_env: THERE } }\n")
    here.push(bundle("a"))
    known = {"DB": here.database.conninfo, "REPO": str(here.bare.path)}
    words = [known.get(word, word) for word in ["--log-format", "json", *head, "watch", *tail, "--interval", "0.2"]]
    ended = here.cli(*words, cwd=here.folder, env=env)
    assert ended.code == 1
    (said,) = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (said["level"], said["code"]) == ("error", code)


def test_a_database_that_the_repository_names_may_be_another_one_at_the_next_revision(place: Make) -> None:
    here = place()
    here.configure("environments: { there: { database_env: WRONG } }\n")
    here.push(bundle("a"))
    tenant = ["--tenant", here.database.tenant] if here.database.tenant else []
    words: list[str | Path] = [
        "--log-format",
        "json",
        "-e",
        "there",
        *tenant,
        "watch",
        "--repo",
        here.bare.path,
        "--interval",
        "0.2",
    ]
    env = {"WRONG": "foo bar", "RIGHT": here.database.conninfo}
    watch = Watch(here.cli.start(*words, cwd=here.folder, env=env))
    here.started.append(watch)
    watch.code("INVALID_DATABASE_URL")
    here.configure("environments: { there: { database_env: RIGHT } }\n")
    here.push()
    assert watch.status("applied")["written"]["create"] == 1
    assert watch.end() == 143
