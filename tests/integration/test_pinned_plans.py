"""Pinned plans: what was approved is what runs, or nothing (issue 3, item 3; law 3 of architecture.md)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Database, Databases, LayoutName
from git_repositories import GitRepository
from rows import session
from small_bundles import bundle, call, canonical, set_state
from wfsync.state.live import read_live
from wfsync.store.connection import snapshot
from workplace import Workplace

SCHEMA: Final = json.loads((Path(__file__).parents[2] / "schemas/plan-file.v1.schema.json").read_text(encoding="utf-8"))
FILE: Final = "approved.plan"


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Callable[[LayoutName], Workplace]:
    """``place("A")``: a folder beside a database in a layout."""

    def at(layout: LayoutName = "wfsync") -> Workplace:
        folder = tmp_path / "site"
        folder.mkdir()
        work = Workplace(cli, database(layout), folder)
        work.configure()
        return work

    return at


@pytest.fixture
def work(place: Any) -> Workplace:
    """An instance with a caller, its callee and one more; files that create, overwrite and leave one alone."""
    work: Workplace = place()
    work.write(bundle("callee"), bundle("caller", [call("callee")]), bundle("other"))
    work.ok("apply")
    work.write(bundle("callee", description="better"), bundle("new"))
    return work


def pinned(work: Workplace, *options: str | Path) -> JsonObject:
    """Make a plan file and read it."""
    work.ok("plan", "--out", FILE, *options)
    return read(work)


def read(work: Workplace) -> JsonObject:
    document: JsonObject = json.loads((work.folder / FILE).read_bytes())
    jsonschema.validate(document, SCHEMA)
    return document


def stale(work: Workplace, *options: str) -> dict[str | None, str]:
    """Apply the plan file with all consent there is: it must be stale, and nothing may be written. Key → message."""
    before = work.everything()
    result = work.fails(3, "apply", FILE, "--force", "--allow-running", "--format", "json", *options)
    assert work.everything() == before
    errors = result.json()["errors"]
    assert {error["code"] for error in errors} <= {"STALE_PLAN", "MISSING_REFERENCE"}, errors
    assert "STALE_PLAN" in result.stderr
    messages: dict[str | None, str] = {}
    for error in errors:
        messages[error["key"]] = "; ".join(filter(None, [messages.get(error["key"]), error["message"]]))
    return messages


def actions(document: JsonObject) -> list[tuple[str, str]]:
    return [(change["key"], change["action"]) for change in document["changes"]]


# ---------------------------------------------------------------------------------------------------------- the file


def test_a_plan_file_holds_the_plan_and_nothing_of_what_workflows_say(work: Workplace) -> None:
    document = pinned(work, "--select", "*", "--exclude", "nobody")
    assert actions(document) == [("callee", "overwrite"), ("caller", "relink"), ("new", "create")]
    assert document["summary"] == {"create": 1, "overwrite": 1, "delete": 0, "relink": 1, "unchanged": 1}
    assert (document["options"]["select"], document["options"]["exclude"]) == (["*"], ["nobody"])
    assert [change["file"] for change in document["changes"]] == ["workflows/callee.json", None, "workflows/new.json"]
    text = (work.folder / FILE).read_text()
    for word in ("better", "DONE", "payload.Ticket", "state.set"):
        assert word not in text


def test_no_digest_of_content_stands_in_the_file(work: Workplace) -> None:
    pinned(work)
    text = (work.folder / FILE).read_text()
    with session(work.database) as opened, snapshot(opened.conn):
        digests = [live.digest for live in read_live(opened.conn, opened.layout, opened.tenant).state.rows()]
    plan = work.ok("plan", "--format", "json").json()
    digests += [change[side] for change in plan["changes"] for side in ("before_digest", "after_digest")]
    digests += [hashlib.sha256(data).hexdigest() for data in work.files().values()]
    assert len(digests) > 8
    assert not [digest for digest in digests if digest is not None and digest in text]


def test_equal_workflows_have_other_digests_in_each_database_each_plan_and_each_key(place: Any, work: Workplace) -> None:
    """Who can make wfsync plan a guess of theirs somewhere learns nothing about this file."""
    first = pinned(work)
    again = pinned(work)
    other = work.folder.parent / "other.db"
    del other
    twin = Workplace(work.cli, replace(work.database, name=_copy(work.database)), work.folder)
    elsewhere = pinned(twin)
    digests = [
        [change[side] for change in document["changes"] for side in ("before", "after") if change[side]]
        for document in (first, again, elsewhere)
    ]
    assert actions(first) == actions(again) == actions(elsewhere)
    everything = [digest for found in digests for digest in set(found)]
    assert len(everything) == len(set(everything))
    keys = {"x": "1", "y": "1"}
    work.write(*(bundle(key, name="same") for key in keys))
    by_key = {change["key"]: change["after"] for change in pinned(work)["changes"]}
    assert by_key["x"] != by_key["y"]


def _copy(database: Database) -> str:
    name = f"{database.name}_twin"
    database.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.name}"')
    return name
