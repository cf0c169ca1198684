"""`import`: bundles from anywhere, many workflows each, all or nothing (spec: bundle.md, cli.md; issue 2 §5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundles import canonical as canonical_of_tree
from command_line import CommandLine
from databases import Databases
from small_bundles import bundle, call, canonical, many, set_state
from wfsync.bundle.yaml_write import write_yaml
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A folder that is no repository, and an empty instance."""
    return Workplace(cli, database("A"), tmp_path)


def put(work: Workplace, name: str, *members: object) -> None:
    (work.folder / name).write_bytes(canonical(many(*members)))  # type: ignore[arg-type]


def test_many_workflows_of_several_files_in_one_go(work: Workplace) -> None:
    put(work, "one.json", bundle("b", [call("c")]), bundle("a", [call("b")]))
    (work.folder / "two.yaml").write_bytes(b"# from elsewhere\n" + write_yaml(many(bundle("c", [call("a")]))))
    standard = canonical(bundle("d", [call("d")]))
    done = work.ok("import", "one.json", "two.yaml", "-", stdin=standard)
    assert done.stdout.endswith("Applied: 4 created, 0 overwritten, 0 deleted, 0 relinked, 0 unchanged.\n")
    assert sorted(work.ids()) == ["a", "b", "c", "d"]
    text = work.ok("export", "--all", "--bundle", "-").stdout
    assert [workflow["key"] for workflow in json.loads(text)["workflows"]] == ["a", "b", "c", "d"]
    assert text.encode() == canonical_of_tree(json.loads(text))


def test_it_only_creates(work: Workplace) -> None:
    put(work, "first.json", bundle("a"), bundle("b"))
    work.ok("import", "first.json")
    put(work, "second.json", bundle("a"), bundle("b", description="changed"), bundle("c"))
    rows, ids = work.everything(), work.ids()
    refused = work.fails(3, "import", "second.json", "--format", "json").json()
    assert [(error["code"], error["message"], error["details"]) for error in refused["errors"]] == [
        ("WORKFLOW_KEY_CONFLICT", message, {"workflowKey": key, "existingWorkflowId": ids[key]})
        for key, message in (("b", "exists and differs; overwriting needs --force"), ("a", "exists already"))
    ]
    assert work.everything() == rows
    done = work.ok("import", "--force", "second.json")
    assert done.stdout.endswith("Applied: 1 created, 1 overwritten, 0 deleted, 0 relinked, 1 unchanged.\n")
    now = work.ids()
    assert (now["a"] == ids["a"], now["b"] == ids["b"]) == (True, False)
    put(work, "third.json", bundle("b", description="again"))
    work.add_run(now["b"], "RUNNING")
    work.fails(4, "import", "--force", "third.json")
    work.ok("import", "--force", "--allow-running", "--overwrite", "update", "third.json")
    assert work.ids() == now


def test_all_files_or_none(work: Workplace) -> None:
    put(work, "good.json", bundle("a"))
    (work.folder / "bad.json").write_text('{"format": "something-else"}')
    (work.folder / "worse.json").write_text("{")
    failed = work.fails(1, "import", "good.json", "bad.json", "worse.json", "missing.json")
    assert "missing.json: error FILE_UNREADABLE: cannot be read: No such file or directory" in failed.stderr
    failed = work.fails(1, "import", "good.json", "bad.json", "worse.json", "--format", "json")
    assert [(e["code"], e["place"]["file"]) for e in failed.json()["errors"]] == [
        ("INVALID_BUNDLE", "worse.json"), ("UNSUPPORTED_FORMAT", "bad.json"),
    ]  # fmt: skip
    assert work.ids() == {}
    work.fails(64, "import")


def test_a_key_that_stands_twice_is_named_with_both_places(work: Workplace) -> None:
    put(work, "same.json", bundle("a"), bundle("a"))
    (error,) = work.fails(1, "import", "same.json", "--format", "json").json()["errors"]
    assert error["code"] == "DUPLICATE_KEY"
    assert [error["place"]["pointer"], *(place["pointer"] for place in error["related"])] == [
        "/workflows/1/key", "/workflows/0/key",
    ]  # fmt: skip
    put(work, "one.json", bundle("a"))
    put(work, "two.json", bundle("b"), bundle("a"))
    (error,) = work.fails(1, "import", "one.json", "two.json", "--format", "json").json()["errors"]
    assert (error["place"]["file"], error["related"][0]["file"]) == ("two.json", "one.json")
    assert error["place"]["pointer"] == "/workflows/1/key"
    assert "two files" in error["message"]
    twice = work.fails(1, "import", "one.json", "one.json")
    assert "FILE_UNREADABLE: is named twice" in twice.stderr


def test_a_file_above_the_limit_is_refused_before_it_is_read(work: Workplace) -> None:
    (work.folder / "large.json").write_bytes(canonical(bundle("a", description="x" * (2 * 2**20))))
    failed = work.fails(1, "import", "--max-size", "1", "large.json")
    assert "is larger than 1 MiB" in failed.stderr
    assert "--max-size" in failed.stderr
    text = canonical(bundle("b", description="x" * (2 * 2**20)))
    assert "<stdin>" in work.fails(1, "import", "--max-size", "1", "-", stdin=text).stderr
    work.ok("import", "--max-size", "3", "large.json", "-", stdin=text)
    assert sorted(work.ids()) == ["a", "b"]


def test_unsound_published_definitions_are_a_warning(work: Workplace) -> None:
    """Real instances hold them, and they must come back as they were."""
    same = [set_state("A", "same"), set_state("B", "same")]
    put(work, "unsound.json", bundle("a", same))
    done = work.ok("import", "unsound.json")
    assert done.stdout.count("warning INVALID_DEFINITION: a:") == 2
    (workflow,) = json.loads(work.ok("export", "a", "--bundle", "-").stdout)["workflows"]
    assert workflow["publishedVersions"][0]["definition"]["steps"] == same


def test_the_registry_of_the_repository_around_it_counts(work: Workplace) -> None:
    work.configure("registry: registry.yaml\noverwrite: update\n")
    (work.folder / "registry.yaml").write_text("version: 1\nactions: []\nnodeTypes: []\nschemas: []\n")
    put(work, "one.json", bundle("a"))
    failed = work.fails(1, "import", "one.json", "--format", "json").json()
    assert failed["errors"][0]["details"]["missingNodeTypes"] == ["state.set"]
    assert work.ids() == {}
    work.configure("overwrite: update\n")
    work.ok("import", "one.json")
    ids = work.ids()
    put(work, "one.json", bundle("a", description="x"))
    work.ok("import", "--force", "one.json")
    assert work.ids() == ids


def test_an_instance_without_tables_is_not_written(cli: CommandLine, database: Databases, tmp_path: Path) -> None:
    work = Workplace(cli, database("empty"), tmp_path)
    put(work, "one.json", bundle("a"))
    assert "wfsync db upgrade" in work.fails(1, "import", "one.json").stderr


def test_it_manages_nothing_also_where_nothing_is_to_be_changed(
    cli: CommandLine, database: Databases, tmp_path: Path
) -> None:
    work = Workplace(cli, database("wfsync"), tmp_path)
    put(work, "one.json", bundle("a"), bundle("b"))
    work.ok("import", "one.json")
    work.configure()
    work.write(bundle("a"))
    work.ok("apply")
    # What was known of the rows is incomplete from here on, so that even an apply without changes would renew it
    work.database.execute("UPDATE workflow_definitions SET name = name WHERE key = 'b'")
    work.ok("import", "--force", "one.json")
    with work.database.connect() as conn:
        assert conn.execute("SELECT key FROM wfsync.managed").fetchall() == [("a",)]
