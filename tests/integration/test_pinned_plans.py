"""Pinned plans: what was approved is what runs, or nothing (issue 3, item 3; law 3 of architecture.md)."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import OTHER_TENANT, TENANT, Database, Databases, LayoutName
from git_repositories import GitRepository
from rows import session
from servers import Server
from small_bundles import bundle, call, canonical
from wfsync.state.live import read_live
from wfsync.store.connection import snapshot
from workplace import Workplace

SCHEMA: Final = json.loads((Path(__file__).parents[2] / "schemas/plan-file.v1.schema.json").read_text(encoding="utf-8"))
FILE: Final = "approved.plan"
OPERATOR: Final = "99999999-9999-4999-8999-999999999999"


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
    prepare(work)
    return work


def prepare(work: Workplace) -> None:
    work.write(bundle("callee"), bundle("caller", [call("callee")]), bundle("other"))
    work.ok("apply")
    work.write(bundle("callee", description="better"), bundle("new"))


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
    assert len(list(filter(None, digests))) > 8
    assert [digest for digest in digests if digest and digest in text] == []


def test_equal_workflows_have_other_digests_in_each_database_each_plan_and_each_key(work: Workplace) -> None:
    """Who can make wfsync plan a guess of theirs somewhere learns nothing about this file."""
    first = pinned(work)
    again = pinned(work)
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


def test_a_low_entropy_value_cannot_be_guessed_from_the_file(work: Workplace) -> None:
    """Whoever has the file and the repository tries every value that a field may have: none of the usual digests, bare
    or under what the file itself says, is in it."""
    document = pinned(work)
    text = (work.folder / FILE).read_text()
    public = [document["id"], document["target"]["display"], document["key_check"], document["seal"]]
    for value in ("better", "worse"):
        data = canonical(bundle("callee", description=value))
        plan = work.ok("plan", "--format", "json", "--select", "callee").json()
        for content in (data, value.encode(), *(c["after_digest"].encode() for c in plan["changes"])):
            assert hashlib.sha256(content).hexdigest() not in text
            for key in public:
                for text_key in (key.encode(), bytes.fromhex(key) if len(key) in (32, 64) else b""):
                    assert hmac.new(text_key, content, "sha256").hexdigest() not in text


def test_the_file_is_written_whole_or_not_at_all(work: Workplace) -> None:
    before = pinned(work)
    (work.folder / "workflows/new.json").write_text("{")
    work.fails(1, "plan", "--out", FILE)
    assert read(work) == before
    assert [path.name for path in work.folder.iterdir() if "tmp" in path.name] == []
    (work.folder / "folder").mkdir()
    assert work("plan", "--out", "folder").code == 64


def test_a_first_plan_can_be_pinned_before_there_are_tables_and_a_ledger(
    cli: CommandLine, database: Databases, tmp_path: Path
) -> None:
    work = Workplace(cli, database("empty"), tmp_path)
    work.configure()
    work.write(bundle("first"))
    document = pinned(work)
    assert (document["key"], actions(document)) == ("system", [("first", "create")])
    work.ok("db", "upgrade")
    work.ok("apply", FILE)
    assert list(work.ids()) == ["first"]


def test_with_a_ledger_its_random_key_is_used(work: Workplace) -> None:
    assert pinned(work)["key"] == "ledger"
    work.rows("UPDATE wfsync.instance SET hmac_key = sha256('another')")
    assert "ledger" in work.fails(3, "apply", FILE).stderr


def test_the_schema_can_be_printed(work: Workplace) -> None:
    assert work.ok("schema", "plan-file").json() == SCHEMA


# ------------------------------------------------------------------------------------------------------------- apply


def test_what_was_planned_is_done_and_what_else_changed_is_left(work: Workplace) -> None:
    pinned(work)
    work.write(bundle("later"), bundle("other", description="changed in git after the plan"))
    result = work.ok("apply", FILE, "--force", "--format", "json").json()
    done = [(item["key"], item["action"]) for item in result["outcome"]["applied"]]
    assert done == [("callee", "overwritten"), ("caller", "relinked"), ("new", "created")]
    assert sorted(work.ids()) == ["callee", "caller", "new", "other"]
    assert work.rows("SELECT description FROM workflow_definitions WHERE key = 'other'") == [{"description": None}]


def test_consent_is_still_asked_for(work: Workplace) -> None:
    pinned(work)
    before = work.everything()
    result = work.fails(3, "apply", FILE)
    assert "WORKFLOW_KEY_CONFLICT" in result.output
    assert work.everything() == before
    work.ok("apply", FILE, "--force")


def test_a_refused_plan_file_names_no_option_that_it_does_not_take(work: Workplace) -> None:
    pinned(work)
    assert "the rest needs a plan with --select or --exclude" in work.fails(3, "apply", FILE).stderr


def test_a_row_that_bears_no_mark_of_the_change_is_not_said_to_be_of_its_last_update(work: Workplace) -> None:
    """`updated_at` of long before the plan tells neither when nor who moved it."""
    execute("UPDATE workflow_definitions SET updated_at = '2020-01-01' WHERE key = 'callee'")(work)
    pinned(work)
    execute("UPDATE workflow_definitions SET description = 'mine' WHERE key = 'callee'")(work)
    assert stale(work)["callee"] == "was changed meanwhile"


def test_running_workflows_need_consent_that_the_file_does_not_give(work: Workplace) -> None:
    pinned(work)
    work.add_run(work.ids()["callee"], "RUNNING")
    work.fails(4, "apply", FILE, "--force")
    work.ok("apply", FILE, "--force", "--allow-running")


@pytest.mark.parametrize(
    "option",
    [
        ("--select", "new"),
        ("--exclude", "new"),
        ("--overwrite", "update"),
        ("--rev", "HEAD"),
        ("--expect-digest", "0" * 64),
        ("--on-drift", "skip"),
        ("--prune",),
    ],
)
def test_nothing_but_consent_can_be_given(cli: CommandLine, tmp_path: Path, option: tuple[str, ...]) -> None:
    (tmp_path / FILE).write_text("{}")
    result = cli("apply", FILE, "--force", *option)
    assert (result.code, result.stdout) == (64, "")
    assert f"{option[0]} cannot be given with a plan file" in result.stderr
    assert "--force" in result.stderr


def test_the_options_of_the_plan_are_those_of_the_apply(work: Workplace) -> None:
    ids = work.ids()
    document = pinned(work, "--overwrite", "update", "--exclude", "new")
    assert document["options"]["overwrite"] == "update"
    work.ok("apply", FILE, "--force")
    assert work.ids() == ids
    assert work.rows("SELECT description FROM workflow_definitions WHERE key = 'callee'") == [{"description": "better"}]


def test_the_ledger_tells_what_decided_it_whoever_said_so(work: Workplace) -> None:
    def recorded() -> JsonObject:
        options: JsonObject = work.ok("history", "--limit", "1", "--format", "json").json()["applies"][0]["options"]
        assert options.pop("kept_fields") == ["isPaused"]
        return options

    work.write(bundle("new"))
    work.ok("apply", "--select", "new")
    assert recorded() == {"overwrite": "replace", "on_drift": "fail", "select": ["new"]}
    (work.folder / "workflows/new.json").unlink()
    limits = ("--select", "new", "--select", "a*", "--exclude", "ab*")
    work.ok("plan", "--out", FILE, "--on-drift", "overwrite", "--prune", "--overwrite", "update", *limits)
    work.ok("apply", FILE, "--force")
    found = recorded()
    assert found.pop("plan_file")
    assert found == {
        "overwrite": "update",
        "on_drift": "overwrite",
        "prune": True,
        "force": True,
        "select": ["new", "a*"],
        "exclude": ["ab*"],
    }
    work.configure("policy: { prune: true }\n")
    work.write(bundle("new"))
    work.ok("apply", "--select", "new")
    assert recorded()["prune"] is True
    work.write(bundle("newer"))
    work.ok("apply", "--select", "newer", "--no-prune")
    assert recorded()["prune"] is False


def test_what_git_no_longer_has_is_deleted_if_the_plan_said_so(work: Workplace) -> None:
    (work.folder / "workflows/other.json").unlink()
    assert ("other", "delete") in actions(pinned(work, "--prune"))
    work.write(bundle("other"))
    assert "has a file again: workflows/other.json" in stale(work)["other"]
    (work.folder / "workflows/other.json").unlink()
    work.ok("apply", FILE, "--force")
    assert sorted(work.ids()) == ["callee", "caller", "new"]


def test_brakes_can_be_raised_and_not_lifted(work: Workplace) -> None:
    pinned(work)
    assert "MAX_CHANGES" in work.fails(4, "apply", FILE, "--force", "--max-changes", "1").output
    work.ok("apply", FILE, "--force", "--max-changes", "2")


def test_an_empty_plan_is_applied_as_often_as_one_likes(work: Workplace) -> None:
    work.ok("apply", "--force")
    assert pinned(work)["changes"] == []
    before = work.everything()
    work.ok("apply", FILE)
    work.write(bundle("later"))
    work.ok("apply", FILE)
    assert work.everything() == before


def test_a_plan_is_never_applied_twice(work: Workplace) -> None:
    pinned(work)
    work.ok("apply", FILE, "--force")
    before = work.everything()
    assert "was applied already, by " in work.fails(3, "apply", FILE, "--force").stderr
    # Everything is as it was before the apply: the ledger knows better
    work.rows("DELETE FROM workflow_definitions WHERE key = 'new'")
    work.fails(3, "apply", FILE, "--force")
    assert "new" not in work.ids()
    # Without a ledger's word the digests tell
    work.rows("DELETE FROM wfsync.applies")
    assert "already what the plan makes of it" in stale(work)["callee"]
    assert work.everything().keys() == before.keys()


def test_a_plan_file_that_was_moved_among_the_bundles_is_no_bundle(work: Workplace) -> None:
    work.ok("plan", "--out", "approved.json")
    (work.folder / "approved.json").rename(work.folder / "workflows" / "approved.json")
    work.ok("apply", "workflows/approved.json", "--force")


# ------------------------------------------------------------------------------------------------------------- stale


def update(column: str, value: str, key: str = "callee") -> Callable[[Workplace], Any]:
    sql = f"UPDATE workflow_definitions SET {column} = %s, updated_by = '{OPERATOR}', updated_at = now() WHERE key = %s"
    return lambda work: work.rows(sql, value, key)


def execute(sql: str) -> Callable[[Workplace], Any]:
    return lambda work: work.rows(sql)


def write(*bundles: JsonObject) -> Callable[[Workplace], Any]:
    return lambda work: work.write(*bundles)


def remove(path: str) -> Callable[[Workplace], Any]:
    return lambda work: (work.folder / path).unlink()


def together(*steps: Callable[[Workplace], Any]) -> Callable[[Workplace], Any]:
    return lambda work: [step(work) for step in steps]


CALLER_TOO: Final = """
    INSERT INTO workflow_definitions (tenant, key, name, payload_schema_ref, draft_definition)
    SELECT tenant, 'second', 'second', payload_schema_ref, draft_definition FROM workflow_definitions
    WHERE key = 'caller'"""

CAUSES: Final[dict[str, tuple[Callable[[Workplace], Any], dict[str | None, str]]]] = {
    "file changed": (write(bundle("callee", description="worse")), {"callee": "its file was changed"}),
    "new file changed": (write(bundle("new", description="x")), {"new": "its file was changed"}),
    "file gone": (remove("workflows/new.json"), {"new": "its file is gone"}),
    "row changed": (update("description", "mine"), {"callee": f"was changed meanwhile by {OPERATOR} at 20"}),
    "row made equal": (update("description", "better"), {"callee": "it is already what the plan makes of it"}),
    "caller changed": (update("description", "mine", "caller"), {"caller": f"was changed meanwhile by {OPERATOR}"}),
    "row deleted": (
        execute("DELETE FROM workflow_definitions WHERE key = 'callee'"),
        {"callee": "was deleted meanwhile", "caller": "calls callee, which moved"},
    ),
    "row renamed": (
        execute("UPDATE workflow_definitions SET key = 'moved' WHERE key = 'callee'"),
        {"callee": "has another key meanwhile: moved", "caller": "calls callee, which moved"},
    ),
    "caller deleted": (
        execute("DELETE FROM workflow_definitions WHERE key = 'caller'"),
        {"caller": "was deleted meanwhile"},
    ),
    "created meanwhile": (
        execute(CALLER_TOO.replace("'second', 'second'", "'new', 'new'")),
        {"new": "was created meanwhile (workflow_id "},
    ),
    "new caller": (execute(CALLER_TOO), {"second": "would have to be relinked since meanwhile: it calls callee"}),
    "config changed": (
        lambda work: work.configure("policy: { definitions: warn }\n"),
        {None: "wfsync.yaml says something else"},
    ),
    "everything": (
        together(write(bundle("callee", description="worse")), update("description", "mine"), execute(CALLER_TOO)),
        {"callee": "its file was changed; was changed meanwhile by", "second": "relinked"},
    ),
}


@pytest.fixture(scope="module")
def site(home: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace with a plan file, for tests that change nothing for good."""
    databases = Databases(server)
    folder = tmp_path_factory.mktemp("site")
    work = Workplace(CommandLine(home, folder), databases(), folder)
    work.configure()
    prepare(work)
    pinned(work)
    yield work
    databases.drop()


@contextmanager
def undone(work: Workplace) -> Iterator[None]:
    """Whatever is done inside is undone: files, and rows with their ids. A plan that held before holds again."""
    tables = ("workflow_definitions", "workflow_definition_versions")
    files = work.files()
    for table in tables:
        work.rows(f"CREATE TABLE saved_{table} AS TABLE {table}")
    yield
    for table in reversed(tables):
        work.rows(f"DELETE FROM {table}")
    for table in tables:
        work.rows(f"INSERT INTO {table} TABLE saved_{table}")
        work.rows(f"DROP TABLE saved_{table}")
    for name in work.files().keys() - files.keys():
        (work.folder / name).unlink()
    for name, data in files.items():
        (work.folder / name).write_bytes(data)


@pytest.mark.parametrize("cause", CAUSES)
def test_whatever_moved_is_named_and_nothing_is_written(site: Workplace, cause: str) -> None:
    change, expected = CAUSES[cause]
    with undone(site):
        change(site)
        messages = stale(site)
    for key, words in expected.items():
        assert words in messages[key], messages
    assert messages.keys() == expected.keys()


def test_what_the_plan_is_not_about_may_change(work: Workplace) -> None:
    pinned(work)
    update("description", "mine", "other")(work)
    work.write(bundle("other", description="worse"), bundle("another"))
    work.configure("# a comment\n")
    work.rows("UPDATE workflow_definitions SET updated_at = now()")
    (work.folder / "workflows/below").mkdir()
    (work.folder / "workflows/new.json").rename(work.folder / "workflows/below/new.json")
    work.ok("apply", FILE, "--force")
    assert sorted(work.ids()) == ["callee", "caller", "new", "other"]
    assert work.rows("SELECT description FROM workflow_definitions WHERE key = 'other'") == [{"description": "mine"}]


def test_a_callee_that_is_gone_makes_it_stale_too(work: Workplace) -> None:
    work.write(bundle("new", [call("other")]))
    pinned(work, "--select", "new")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'other'")
    assert "calls other" in stale(work)["new"]


def test_a_key_that_could_not_be_decided_is_part_of_the_plan(place: Any) -> None:
    """Two rows of one key: apply refuses the plan. That one of them is gone since does not make it another plan."""
    work: Workplace = place("B")
    work.write(bundle("twice"))
    work.ok("apply")
    twin = CALLER_TOO.replace("'second', 'second'", "'twice', 'twice'").replace("'caller'", "'twice'")
    work.rows(twin)
    work.write(bundle("twice", description="x"), bundle("new"))
    assert pinned(work)["blocked"] == ["twice"]
    result = work.fails(3, "apply", FILE, "--force")
    assert "AMBIGUOUS_KEY" in result.output
    work.rows(
        "DELETE FROM workflow_definitions WHERE name = 'twice' AND updated_at = created_at AND description IS NULL"
    )
    if list(work.ids()) == []:
        work.rows(twin)
    assert stale(work).keys() <= {"twice"}


# ------------------------------------------------------------------------------------------------------------ target


def test_a_plan_is_for_one_database_tenant_and_environment(work: Workplace) -> None:
    pinned(work)
    other = Workplace(work.cli, replace(work.database, name=_copy(work.database)), work.folder)
    before = other.everything()
    result = other.fails(3, "apply", FILE, "--force")
    assert "PLAN_TARGET_MISMATCH" in result.stderr
    assert other.everything() == before
    named = ("--database", work.database.conninfo, "--tenant", OTHER_TENANT)
    result = work.cli(*named, "apply", FILE, "--force", cwd=work.folder)
    assert result.code == 3
    assert f"the tenant is {OTHER_TENANT}, not {TENANT}" in result.stderr


def test_the_tenant_is_taken_from_the_plan(work: Workplace) -> None:
    pinned(work)
    result = work.cli("--database", work.database.conninfo, "apply", FILE, "--force", cwd=work.folder)
    assert result.code == 0, result.output
    assert "new" in work.ids()


# ------------------------------------------------------------------------------------------------- damaged and foreign


def edited(work: Workplace, change: Callable[[JsonObject], Any]) -> Result:
    """The file with one edit, applied: it must not be, whatever the edit."""
    document = json.loads((work.folder / FILE).read_bytes())
    change(document)
    (work.folder / "edited.plan").write_text(json.dumps(document))
    before = work.everything()
    result = work("apply", "edited.plan", "--force", "--allow-running")
    assert work.everything() == before
    assert "Traceback" not in result.output
    return result


TAMPERING: Final[dict[str, tuple[Callable[[JsonObject], Any], int, str]]] = {
    "an option": (lambda d: d["options"].update(overwrite="update"), 1, "seal"),
    "a change less": (lambda d: d["changes"].pop(), 1, "seal"),
    "a digest": (lambda d: d["changes"][0].update(before=d["changes"][0]["after"]), 1, "seal"),
    "the seal": (lambda d: d.update(seal="0" * 64), 1, "seal"),
    "the id": (lambda d: d.update(id="0" * 32), 3, "PLAN_TARGET_MISMATCH"),
    "the key": (lambda d: d.update(key="system" if d["key"] == "ledger" else "ledger"), 3, "PLAN_TARGET_MISMATCH"),
    "the target": (lambda d: d["target"].update(tenant=None), 1, "seal"),
    "something more": (lambda d: d.update(more=1), 1, "more"),
    "something less": (lambda d: d.pop("options"), 1, "options"),
    "a wrong type": (lambda d: d.update(changes={}), 1, "changes"),
    "a newer format": (lambda d: d.update(format_version="1.1"), 1, "PLAN_FILE_VERSION"),
    "a much newer format": (lambda d: d.update(format_version="2.0", changes=[{"new": 1}], more=1), 1, "2.0"),
    "other rules": (lambda d: d.update(rules=99, wfsync="9.9.9"), 1, "wfsync 9.9.9"),
    "another format": (lambda d: d.update(format="terraform"), 1, "PLAN_FILE_INVALID"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_an_edited_file_is_refused(site: Workplace, what: str) -> None:
    change, code, words = TAMPERING[what]
    result = edited(site, change)
    assert (result.code, words in result.stderr) == (code, True), result.output


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b"version: 1\n"])
def test_what_is_no_plan_file_is_refused_before_anything_is_asked_of_the_database(
    cli: CommandLine, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "x.plan").write_bytes(data)
    result = cli("--database", "postgresql://nobody@127.0.0.1:1/none", "apply", "x.plan")
    assert result.code == 1
    assert "PLAN_FILE_INVALID" in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_is_cut_off_is_refused(work: Workplace) -> None:
    pinned(work)
    data = (work.folder / FILE).read_bytes()
    for length in (len(data) // 2, len(data) - 3):
        (work.folder / FILE).write_bytes(data[:length])
        assert "cut off" in work.fails(1, "apply", FILE).stderr


def test_a_failure_is_one_json_document(work: Workplace) -> None:
    (work.folder / FILE).write_text("nothing")
    document = work.fails(1, "apply", FILE, "--format", "json").json()
    assert [error["code"] for error in document["errors"]] == ["PLAN_FILE_INVALID"]


# --------------------------------------------------------------------------------------------------------------- git


def test_a_squash_merge_with_the_same_content_is_what_was_approved(work: Workplace) -> None:
    """Plan on the pull request, apply on the merge: other commits, other clone, the same content."""
    git = GitRepository.init(work.folder)
    for path in work.folder.glob("workflows/*"):
        path.unlink()
    work.write(bundle("callee"), bundle("caller", [call("callee")]), bundle("other"))
    git.commit(message="base")
    git.git("checkout", "-q", "-b", "feature")
    work.write(bundle("new"))
    git.commit(message="one")
    work.write(bundle("callee", description="better"))
    git.commit(message="two")
    document = pinned(work)
    assert document["source"]["commit"] == git.head()
    plan = work.folder.parent / "artifact"
    shutil.move(work.folder / FILE, plan)
    git.git("checkout", "-q", "main")
    work.write(bundle("unrelated"))
    git.commit(message="meanwhile on main")
    git.git("merge", "-q", "--squash", "feature")
    git.git("commit", "-q", "-m", "squashed")
    git.git("branch", "-q", "-D", "feature")
    clone = Workplace(work.cli, work.database, work.folder.parent / "clone")
    git.git("clone", "-q", str(work.folder), str(clone.folder))
    clone.ok("apply", str(plan), "--force")
    assert sorted(clone.ids()) == ["callee", "caller", "new", "other"]


def test_a_plan_of_a_revision_reads_that_revision_again_or_the_work_tree_where_it_is_gone(work: Workplace) -> None:
    git = GitRepository.init(work.folder)
    git.commit(message="all")
    git.git("checkout", "-q", "-b", "feature")
    work.write(bundle("callee", description="best"))
    git.commit(message="better")
    git.git("checkout", "-q", "main")
    assert pinned(work, "--rev", "feature")["source"]["rev"] == "feature"
    git.git("branch", "-q", "-D", "feature")
    assert "its file was changed" in stale(work)["callee"]
    work.write(bundle("callee", description="best"))
    result = work.ok("apply", FILE, "--force")
    assert "feature, which is gone: reading the work tree" in result.stderr


def test_the_folder_that_was_planned_is_the_one_that_is_applied(work: Workplace) -> None:
    above = Workplace(work.cli, work.database, work.folder.parent)
    above.ok("plan", "site", "--out", "p")
    above.ok("apply", "p", "--force")
    assert "new" in work.ids()
    work.write(bundle("newer"))
    above.ok("plan", "site/workflows", "--out", "p")
    work.ok("apply", "../p")
    assert "newer" in work.ids()
