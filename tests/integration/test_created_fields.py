"""What a workflow begins with in fields that are not git's afterwards: approved with the plan like all else of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from corpus_edits import JsonObject
from databases import Databases
from small_bundles import bundle, call
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A named database, which owns ``isPaused``; ``a`` and its caller ``b`` are still to be created."""
    work = Workplace(cli, database("wfsync"), tmp_path)
    work.configure()
    work.write(paused("a", value=False), bundle("b", [call("a")]))
    return work


def paused(key: str, *, value: bool, **more: Any) -> JsonObject:
    made = bundle(key, **more)
    made["workflows"][0]["metadata"]["isPaused"] = value
    return made


def plan(work: Workplace) -> JsonObject:
    made: JsonObject = work.ok("plan", "--format", "json").json()
    return made


def test_an_approved_digest_knows_what_a_created_workflow_begins_with(work: Workplace) -> None:
    before = plan(work)
    work.write(paused("a", value=True))
    after = plan(work)
    assert before["digest"] != after["digest"]
    by_key = [{c["key"]: c["after_digest"] for c in p["changes"]} for p in (before, after)]
    assert by_key[0] == by_key[1], "managed digests say nothing of the field"
    error = work.fails(3, "apply", "--expect-digest", before["digest"])
    assert "STALE_PLAN" in error.stderr
    assert work.ids() == {}
    work.ok("apply", "--expect-digest", after["digest"])
    assert work.rows("SELECT is_paused FROM workflow_definitions WHERE key = 'a'") == [{"is_paused": True}]
    assert plan(work)["summary"]["unchanged"] == 2


def test_a_pinned_plan_is_stale_when_only_an_owned_field_of_a_created_workflow_changed(work: Workplace) -> None:
    work.ok("plan", "--out", "approved.plan")
    work.write(paused("a", value=True))
    result = work.fails(3, "apply", "approved.plan", "--format", "json")
    errors = result.json()["errors"]
    assert [(e["key"], e["message"]) for e in errors] == [("a", "its file was changed")]
    work.write(paused("a", value=False))
    work.ok("apply", "approved.plan")
    assert set(work.ids()) == {"a", "b"}


def test_a_key_that_somebody_else_created_alike_is_still_recognised_as_what_the_plan_makes(work: Workplace) -> None:
    work.ok("plan", "--out", "approved.plan", "--select", "a")
    work.ok("apply", "--select", "a")
    work.rows("UPDATE workflow_definitions SET is_paused = true")
    result = work.fails(3, "apply", "approved.plan", "--format", "json")
    (error,) = result.json()["errors"]
    assert "was created meanwhile" in error["message"]
    assert "already what the plan makes of it" in error["message"]


def test_an_owned_field_of_a_workflow_that_exists_moves_no_digest(work: Workplace) -> None:
    work.ok("apply")
    work.write(paused("a", value=False, description="new"))
    first = plan(work)["digest"]
    work.write(paused("a", value=True, description="new"))
    assert plan(work)["digest"] == first


def test_where_git_owns_everything_the_digest_is_that_of_the_workflow(work: Workplace) -> None:
    """Nothing of the file counts twice: the digest of a create is then the plain one, as for every other action."""
    work.configure("fields: {database: []}\n")
    first = plan(work)
    work.write(paused("a", value=True))
    second = plan(work)
    (before,), (after,) = ([c for c in p["changes"] if c["key"] == "a"] for p in (first, second))
    assert before["after_digest"] != after["after_digest"]
    assert first["digest"] != second["digest"]


def test_what_the_cache_remembers_of_a_file_is_as_good_as_reading_it(work: Workplace, tmp_path: Path) -> None:
    environment = {"WFSYNC_CACHE_DIR": str(tmp_path / "cache")}
    digests = {json.loads(work("plan", "--format", "json", env=environment).stdout)["digest"] for _ in range(3)}
    assert digests == {plan(work)["digest"]}
