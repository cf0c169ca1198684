"""`wfsync publish` (runtime.md "Publish validation", "Registry"): one version more, in the file or in the instance; a
refused one changes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import TENANT, Databases, LayoutName
from small_bundles import bundle, call, canonical, set_state
from wfsync.bundle.declared import parse_declared
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.yaml_write import write_yaml
from wfsync.errors import InputError
from wfsync.publishing.checking import Surroundings
from wfsync.publishing.files import FileOptions, publish_in_file
from wfsync.publishing.report import Report
from wfsync.repo.opening import open_repository
from wfsync.runtime.plugins import installed
from wfsync.runtime.stubs import combined
from workplace import Workplace

TICKET: Final = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
REGISTRY: Final = {
    "version": 1,
    "actions": [
        {
            "id": "mail.send",
            "version": 2,
            "input": {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}},
        }
    ],
    "nodeTypes": ["action.call", "state.set", "transform.assign"],
    "schemas": [{"ref": "payload.Ticket.v1", "schema": TICKET}],
}


def mail(mapping: JsonObject | None = None, version: int = 2, action: str = "mail.send") -> JsonObject:
    config = {
        "actionId": action,
        "version": version,
        "inputMapping": {"to": "a@example.com"} if mapping is None else mapping,
    }
    return {"id": "mail", "type": "action.call", "config": config}


def faulty() -> JsonObject:
    """A bundle whose draft has a fault of many kinds."""
    loop = {
        "id": "loop",
        "type": "control.forEach",
        "items": {"$expr": "payload.items["},
        "itemVar": "item",
        "body": [mail({}, 2), set_state(step_id="mail")],
    }
    return bundle(
        "bad", [loop, mail(version=3), {"id": "typo", "type": "state.sett", "config": {}}], versions={1: [set_state()]}
    )


class Repo(Workplace):
    """A folder of workflows with a registry, and no database."""

    def __call__(self, *args: str | Path, env: Any = None, stdin: bytes = b"") -> Result:
        return self.cli(*args, cwd=self.folder, env=env, stdin=stdin)

    def publish(self, key: str) -> Report:
        """What the command does, in this process: a fifth of the time."""
        declared = parse_declared((self.folder / "registry.json").read_bytes(), "registry.json")
        around = Surroundings(combined(installed(), declared, stubs=True), lambda _: None)
        source = open_repository(self.folder).source("workflows")
        return publish_in_file(source, key, around, FileOptions(LoadOptions()))

    def published(self, key: str) -> Report:
        report = self.publish(key)
        assert report.action == "published", report
        return report


@pytest.fixture
def repo(cli: CommandLine, tmp_path: Path) -> Repo:
    work = Repo(cli, None, tmp_path)  # type: ignore[arg-type]
    prepare(work)
    return work


def prepare(work: Workplace) -> None:
    work.configure("registry: registry.json\n")
    (work.folder / "registry.json").write_text(json.dumps(REGISTRY))


def workflow(work: Workplace, key: str) -> Any:
    return json.loads((work.folder / f"workflows/{key}.json").read_bytes())["workflows"][0]


# --------------------------------------------------------------------------------------------------------------- files


def test_a_version_more_in_the_file(repo: Repo) -> None:
    repo.write(bundle("a", [mail()], versions={1: [set_state()], 4: [set_state()]}))
    before = workflow(repo, "a")
    result = repo.ok("publish", "a")
    assert result.stdout == "Published a 5 in workflows/a.json: 0 errors, 0 warnings.\n"
    after = workflow(repo, "a")
    new = after["publishedVersions"].pop()
    assert new == {
        "version": 5,
        "definition": before["draft"]["definition"] | {"version": 5},
        "payloadSchemaJson": TICKET,
    }
    assert after["publishedVersions"] == before["publishedVersions"]
    assert after["draft"] == before["draft"]
    assert after["metadata"] == before["metadata"]
    repo.ok("fmt", "--check")
    repo.ok("validate")


def test_the_first_version_is_1_and_dependencies_are_derived(repo: Repo) -> None:
    tree = bundle("a", [mail()], versions=())
    tree["workflows"][0]["dependencies"] = {"actions": [], "nodeTypes": [], "schemaRefs": []}
    repo.write(tree)
    repo.published("a")
    found = workflow(repo, "a")
    assert [version["version"] for version in found["publishedVersions"]] == [1]
    assert found["dependencies"] == {
        "actions": [{"actionId": "mail.send", "version": 2}],
        "nodeTypes": ["action.call"],
        "schemaRefs": ["payload.Ticket.v1"],
    }


def test_a_drafts_number_never_lags_behind(repo: Repo) -> None:
    tree = bundle("a", [mail()], versions=(1, 2))
    draft = tree["workflows"][0]["draft"]
    draft["draftVersion"] = draft["definition"]["version"] = 2
    repo.write(tree)
    repo.published("a")
    found = workflow(repo, "a")
    assert (found["draft"]["draftVersion"], found["draft"]["definition"]["version"]) == (3, 3)
    assert found["publishedVersions"][-1]["definition"] == found["draft"]["definition"]


def test_what_is_published_already_is_left_alone(repo: Repo) -> None:
    repo.write(bundle("a", [mail()], versions=()))
    repo.ok("publish", "a")
    path = repo.folder / "workflows/a.json"
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    again = repo.ok("publish", "a")
    assert again.stdout == "Nothing to publish: the draft of a is what its version 1 says.\n"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)
    assert repo.ok("publish", "a", "--format", "json").json()["action"] == "unchanged"
    repo.ok("publish", "a", "--allow-unchanged")
    assert [version["version"] for version in workflow(repo, "a")["publishedVersions"]] == [1, 2]


def test_a_refused_publish_changes_no_byte_and_names_every_fault(repo: Repo) -> None:
    repo.write(faulty())
    before = repo.files()
    result = repo.fails(1, "publish", "bad", "--format", "json")
    assert repo.files() == before
    document = result.json()
    assert (document["action"], document["version"]) == ("refused", None)
    assert [(f["stepPath"], f.get("stepId"), f["code"]) for f in document["findings"]] == [
        ("root.steps[0]", "loop", "INVALID_EXPR"),
        ("root.steps[0].body.steps[0]", "mail", "MISSING_REQUIRED_MAPPING"),
        ("root.steps[0].body.steps[1]", "mail", "DUPLICATE_STEP_ID"),
        ("root.steps[1]", "mail", "UNKNOWN_ACTION"),
        ("root.steps[1]", "mail", "DUPLICATE_STEP_ID"),
        ("root.steps[2]", "typo", "UNKNOWN_NODE_TYPE"),
    ]
    assert document["findings"][3]["suggestion"] == "it has version 2"
    assert document["findings"][5]["suggestion"] == 'did you mean "state.set"?'
    allowed = {"severity", "stepPath", "stepId", "code", "message", "suggestion"}
    assert all(set(finding) <= allowed for finding in document["findings"])
    assert document["summary"] == {"errors": 6, "warnings": 0}
    text = repo.fails(1, "publish", "bad").stdout
    version = next(place for place in document["errors"] if place["code"] == "UNKNOWN_ACTION")["place"]
    assert f"workflows/bad.json:{version['line']}:{version['column']}: error UNKNOWN_ACTION: bad: root.steps[1]" in text
    line = (repo.folder / "workflows/bad.json").read_text().splitlines()[version["line"] - 1]
    assert line[version["column"] - 1 :] == "3"
    assert text.splitlines()[-1] == "Refused bad: nothing was published: 6 errors, 0 warnings."


def test_what_looks_like_a_secret_is_not_shown(repo: Repo) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    step = {"id": "s", "type": "control.forEach", "items": {"$expr": "[1]"}, "itemVar": "x", "body": []}
    step["onItemError"] = token
    repo.write(bundle("a", [step], versions=()))
    for form in ("text", "json"):
        result = repo.fails(1, "publish", "a", "--format", form)
        assert "INVALID_WORKFLOW_DEFINITION" in result.stdout
        assert token not in result.output


def test_check_only_tells(repo: Repo) -> None:
    repo.write(faulty(), bundle("a", [mail()]))
    before = repo.files()
    assert repo.ok("publish", "a", "--check").stdout.startswith("Checked a: it would become version 2 of ")
    assert repo.fails(1, "publish", "bad", "--check").stdout.endswith("it would be refused: 6 errors, 0 warnings.\n")
    assert repo.files() == before


def test_warnings_do_not_hold_it(repo: Repo) -> None:
    steps = [{"id": "s", "type": "transform.assign", "config": {"assign": {"payload.idd": {"$exp": "1"}}}}]
    repo.write(bundle("a", steps))
    document = repo.ok("publish", "a", "--format", "json").json()
    assert document["action"] == "published"
    assert {f["code"]: f["suggestion"] for f in document["findings"]} == {
        "ASSIGN_PATH_UNKNOWN": 'did you mean "id"?',
        "UNKNOWN_SPECIAL_KEY": 'did you mean "$expr"?',
    }


def test_called_workflows_are_looked_up_in_the_files(repo: Repo) -> None:
    repo.write(bundle("child", [set_state()]), bundle("a", [call("child", 7)]), bundle("b", [call("elsewhere", 7)]))
    refused = repo.publish("a")
    assert (refused.action, refused.finds.findings[0].suggestion) == ("refused", "it has version 1")
    repo.published("b")
    repo.write(bundle("loop", [call("loop", 2) | {"inputMapping": {"id": "x"}}], versions={1: [set_state()]}))
    repo.published("loop")


def test_a_secret_must_be_there(repo: Repo) -> None:
    repo.write(bundle("a", [mail({"to": {"$secret": "MAIL_TO"}})]))
    findings = repo.fails(1, "publish", "a", "--format", "json").json()["findings"]
    assert [(f["code"], f["stepPath"]) for f in findings] == [("SECRET_NOT_FOUND", "root.steps[0]")]
    assert not (repo.folder / ".wfsync").exists()
    result = repo("publish", "a", env={"WFSYNC_SECRET_MAIL_TO": "hunter2@example.com"})
    assert result.code == 0
    assert "hunter2" not in result.output + (repo.folder / "workflows/a.json").read_text()


def test_yaml_with_comments_is_not_rewritten_unasked(repo: Repo) -> None:
    path = repo.folder / "workflows/a.yaml"
    path.parent.mkdir()
    path.write_bytes(b"# why we do this\n" + write_yaml(bundle("a", [mail()])))
    before = repo.files()
    result = repo.fails(1, "publish", "a")
    assert "COMMENTS_LOST" in result.stderr
    assert repo.files() == before
    repo.ok("publish", "a", "--drop-comments")
    assert b"why" not in path.read_bytes()
    repo.ok("fmt", "--check")
    assert "version: 2" in path.read_text()


def test_what_cannot_be_published_from(repo: Repo) -> None:
    repo.write(bundle("some.workflow"))
    assert "did you mean some.workflow?" in repo.fails(1, "publish", "some.worklfow").stderr
    (repo.folder / "workflows/broken.json").write_text('{"format": 1}')
    assert "UNSUPPORTED_FORMAT" in repo.fails(1, "publish", "broken").stderr
    other = repo.folder / "workflows/more/some.workflow.json"
    other.parent.mkdir()
    other.write_bytes(canonical(bundle("some.workflow")))
    assert "DUPLICATE_KEY" in repo.fails(1, "publish", "some.workflow").stderr
    failure = repo.fails(1, "publish", "nobody", "--format", "json").json()
    assert failure["errors"][0]["code"] == "WORKFLOW_NOT_FOUND"


def test_callers_by_a_foreign_id_are_not_cut_off(repo: Repo) -> None:
    origin = "6a0b9d7e-9f7c-4f0e-8f3a-0d6b6a1f2c3d"
    repo.write(bundle("child", identity=origin), bundle("caller", [call(origin)], versions=()))
    before = repo.files()
    with pytest.raises(InputError) as raised:
        repo.publish("child")
    assert raised.value.code == "CALLED_BY_ID"
    assert repo.files() == before
    repo.ok("fmt")
    repo.published("child")
    repo.published("caller")
    itself = call("6A0B9D7E-9F7C-4F0E-8F3A-0D6B6A1F2C3E", 1) | {"inputMapping": {"id": "x"}}
    repo.write(bundle("alone", [itself], versions=(), identity=origin[:-1] + "e"))
    repo.published("alone")
    assert workflow(repo, "alone")["publishedVersions"][-1]["definition"]["steps"][0]["workflowId"] == "alone"


def test_a_version_that_would_make_the_file_unreadable(repo: Repo) -> None:
    deep: JsonObject = {}
    for _ in range(190):  # a draft nests one level less than the same version
        deep = {"d": deep}
    step = {"id": "s", "type": "transform.assign", "config": {"assign": {"vars.x": deep}}}
    repo.write(bundle("deep", [step], versions=()))
    repo.ok("validate", "workflows/deep.json")
    with pytest.raises(InputError, match="nothing was published") as raised:
        repo.publish("deep")
    assert raised.value.code == "INVALID_BUNDLE"
    large = {"id": "s", "type": "transform.assign", "config": {"assign": {"vars.x": "x" * 9 * 2**20}}}
    (repo.folder / "workflows/deep.json").unlink()
    repo.write(bundle("large", [large], versions=()))
    with pytest.raises(InputError, match="larger than 16 MiB"):
        repo.publish("large")


def test_a_schema_that_nobody_knows_any_more_is_kept(repo: Repo) -> None:
    repo.write(bundle("a", [mail()], versions=(1,)))
    (repo.folder / "registry.json").write_text(json.dumps(REGISTRY | {"schemas": [{"ref": "payload.Ticket.v1"}]}))
    repo.published("a")
    assert [v["payloadSchemaJson"] for v in workflow(repo, "a")["publishedVersions"]] == [{"type": "object"}] * 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(repo: Repo) -> None:
    repo.write(bundle("a", [mail()]))
    before = repo.files()
    folder = repo.folder / "workflows"
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert "WRITE" in repo.fails(1, "publish", "a").stderr
    finally:
        folder.chmod(stat.S_IRWXU)
    assert repo.files() == before


def test_two_at_once_publish_one_after_the_other(repo: Repo) -> None:
    repo.write(bundle("a", [mail()], versions=()))
    running = [repo.cli.start("publish", "a", "--allow-unchanged", cwd=repo.folder) for _ in range(3)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in running]
    done = sum(code == 0 for _, code in ended)
    assert done >= 1
    assert all(code == 0 or b"FILE_CHANGED" in err for (_, err), code in ended)
    assert [v["version"] for v in workflow(repo, "a")["publishedVersions"]] == list(range(1, done + 1))


# ------------------------------------------------------------------------------------------------------------- database


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    """``place("A")``: a folder beside a database in a layout, with what ``bundles`` say applied."""

    def at(layout: LayoutName, *bundles: JsonObject) -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        prepare(work)
        work.write(*bundles)
        work.ok("apply")
        return work

    return at


@pytest.mark.parametrize("layout", ["wfsync", "A½", "B"])
def test_a_version_more_in_the_database(place: Any, layout: LayoutName) -> None:
    steps = [mail(), {"id": "s", "type": "transform.assign", "config": {"assign": {"payload.idd": 1}}}]
    work = place(layout, bundle("a", steps, versions=(1, 2)), bundle("other"))
    before, files = work.everything(), work.files()
    document = work.ok("publish", "a", "--database", "--format", "json").json()
    assert (document["action"], document["version"], document["file"]) == ("published", 3, None)
    assert work.files() == files
    rows = {row["key"]: row for row in work.rows("SELECT * FROM workflow_definitions")}
    kept = next(row for row in before["workflow_definitions"] if row["key"] == "a")
    versions = work.rows("SELECT * FROM workflow_definition_versions WHERE workflow_id = %s", rows["a"]["workflow_id"])
    assert sorted(row["version"] for row in versions) == [1, 2, 3]
    new = next(row for row in versions if row["version"] == 3)
    assert new["definition_json"] == rows["a"]["draft_definition"] | {"version": 3}
    assert new["definition_json"]["id"] == str(rows["a"]["workflow_id"])
    assert new["payload_schema_json"] == TICKET
    assert new["published_at"] is not None
    for row in (rows["a"], new):
        assert (row["validation_status"], row["validation_errors"]) == ("warning", [])
        assert [warning["code"] for warning in row["validation_warnings"]] == ["ASSIGN_PATH_UNKNOWN"]
        assert row["validated_at"] is not None
    assert rows["a"]["status"] == "published"
    assert rows["a"]["workflow_id"] == kept["workflow_id"]
    assert (rows["a"]["draft_definition"], rows["a"]["draft_version"]) == (kept["draft_definition"], 3)
    assert [r for r in work.everything()["workflow_definitions"] if r["key"] == "other"] == [
        r for r in before["workflow_definitions"] if r["key"] == "other"
    ]
    if work.database.tenant_column:
        assert str(new[work.database.tenant_column]) == TENANT


def test_an_export_is_due_and_brings_the_same_file_as_publishing_in_it(place: Any) -> None:
    work = place("wfsync", bundle("a", [mail(), call("a", 1)]))
    result = work.ok("publish", "a", "--database")
    assert "an export is due: `wfsync export a`" in result.stderr
    states = {item["key"]: item["state"] for item in work.ok("status", "--format", "json").json()["items"]}
    assert states == {"a": "database_changed"}
    path = work.folder / "workflows/a.json"
    original = path.read_bytes()
    work.ok("export", "a")
    exported = json.loads(path.read_bytes())
    path.write_bytes(original)
    work.ok("publish", "a")
    in_file = json.loads(path.read_bytes())
    assert exported["workflows"] == in_file["workflows"]
    assert work.ok("plan", "--format", "json").json()["summary"]["unchanged"] == 1


def test_a_refused_one_touches_no_row(place: Any) -> None:
    work = place("B", bundle("a", [mail()]))
    # as the designer of the instance leaves a draft
    draft = bundle("a", [mail(version=9)])["workflows"][0]["draft"]["definition"]
    work.rows("UPDATE workflow_definitions SET draft_definition = %s::jsonb", json.dumps(draft))
    before, ledger = work.everything(), work.rows("SELECT * FROM wfsync.applies")
    document = work.fails(1, "publish", "a", "--database", "--format", "json").json()
    assert [finding["code"] for finding in document["findings"]] == ["UNKNOWN_ACTION"]
    assert work.fails(1, "publish", "a", "--database", "--check").code == 1
    assert work.everything() == before
    assert work.rows("SELECT * FROM wfsync.applies") == ledger


def test_unchanged_missing_and_ambiguous_keys_in_the_database(place: Any) -> None:
    work = place("B", bundle("a", [mail()], versions=()))
    work.ok("publish", "a", "--database")
    before = work.everything()
    assert "Nothing to publish" in work.ok("publish", "a", "--database").stdout
    assert "WORKFLOW_NOT_FOUND" in work.fails(1, "publish", "b", "--database").stderr
    assert work.everything() == before
    row = work.rows("SELECT * FROM workflow_definitions")[0]
    definition = json.dumps(row["draft_definition"])
    work.add_row("workflow_definitions", key="a", name="x", payload_schema_ref="p", draft_definition=definition)
    assert "AMBIGUOUS_KEY" in work.fails(3, "publish", "a", "--database").stderr


def test_calls_in_the_database_are_looked_up_there(place: Any) -> None:
    work = place("wfsync", bundle("child", [set_state()]), bundle("a", [call("child", 1)], versions=()))
    stored = work.rows("SELECT draft_definition AS d FROM workflow_definitions WHERE key = 'a'")[0]["d"]
    work.ok("publish", "a", "--database")
    missing = deepcopy(stored)
    missing["steps"][0]["workflowVersion"] = 5
    work.rows("UPDATE workflow_definitions SET draft_definition = %s::jsonb WHERE key = 'a'", json.dumps(missing))
    findings = work.fails(1, "publish", "a", "--database", "--format", "json").json()["findings"]
    assert [(f["code"], f["suggestion"]) for f in findings] == [("MISSING_REFERENCE", "it has version 1")]


def test_the_ledger_knows_it_and_it_can_be_undone(place: Any) -> None:
    work = place("wfsync", bundle("a", [mail()]))
    before = work.rows("SELECT draft_definition, draft_version, status FROM workflow_definitions")
    document = work.ok("publish", "a", "--database", "--format", "json").json()
    shown = work.ok("show", document["apply_id"], "--format", "json").json()
    assert shown["apply"]["command"] == "publish"
    assert [(c["key"], c["action"], c["versions"]) for c in shown["changes"]] == [("a", "overwrite", [1, 2])]
    work.ok("rollback", "last", "--force")
    assert [r["version"] for r in work.rows("SELECT version FROM workflow_definition_versions")] == [1]
    assert work.rows("SELECT draft_definition, draft_version, status FROM workflow_definitions") == before
    assert work.ok("plan", "--format", "json").json()["summary"]["unchanged"] == 1


def test_secrets_are_those_of_the_database(place: Any) -> None:
    work = place("wfsync", bundle("a", [mail({"to": {"$secret": "MAIL_TO"}})]))
    assert "SECRET_NOT_FOUND" in work.fails(1, "publish", "a").stdout
    assert "SECRET_NOT_FOUND" in work.fails(1, "publish", "a", "--database").stdout
    work.rows(
        "INSERT INTO workflow_secrets (tenant, name, key_id, nonce, ciphertext)"
        " VALUES (%s, 'MAIL_TO', 'k', decode(repeat('00', 12), 'hex'), decode(repeat('00', 40), 'hex'))",
        TENANT,
    )
    work.ok("publish", "a", "--check")
    work.ok("publish", "a", "--database")
    foreign = place("A", bundle("b", [mail({"to": {"$secret": "MAIL_TO"}})]))
    foreign.ok("publish", "b", "--database")  # that instance resolves its secrets itself


def test_it_waits_for_an_apply_and_gives_up_in_time(place: Any) -> None:
    work = place("wfsync", bundle("a", [mail()]))
    before = work.everything()
    with work.database.connect() as conn, conn.transaction():
        conn.execute("SELECT FROM workflow_definitions FOR UPDATE")
        work.fails(5, "--lock-timeout", "0.2", "publish", "a", "--database")
    assert work.everything() == before


def test_killed_while_it_waits_it_leaves_nothing(place: Any) -> None:
    work = place("wfsync", bundle("a", [mail()]))
    before = work.everything()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with work.database.connect() as conn, conn.transaction():
        conn.execute("LOCK TABLE workflow_definition_versions IN SHARE MODE")
        named = ["--database", work.database.conninfo, "--tenant", TENANT]
        process = work.cli.start(*named, "publish", "a", "--database", cwd=work.folder)
        deadline = time.monotonic() + 30
        while not work.rows(waiting) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        assert work.rows(waiting)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while work.rows(waiting) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert work.everything() == before
    assert work.rows("SELECT command FROM wfsync.applies") == [{"command": "apply"}]


def test_without_a_repository_the_database_is_enough(place: Any, tmp_path: Path) -> None:
    work = place("wfsync", bundle("a", [set_state()]))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = work.cli(
        "--database", work.database.conninfo, "--tenant", TENANT, "publish", "a", "--database", cwd=elsewhere
    )
    assert result.code == 0, result.output
