"""`diff` and `refs`: one workflow on two sides, and who calls whom (spec: cli.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle, call, set_state
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A git repository with two commits; the first is applied."""
    work = Workplace(cli, database("A"), tmp_path / "repo")
    repository = GitRepository.init(work.folder)
    work.configure()
    work.write(bundle("a", versions={1: [set_state("ONE")], 2: [set_state("TWO")]}), bundle("b", [call("a", 2)]))
    repository.commit(message="one")
    repository.git("tag", "v1")
    work.ok("apply")
    work.write(bundle("a", [set_state("NEW")], versions={1: [set_state("ONE")], 2: [set_state("TWO")]}, isSystem=True))
    repository.commit(message="two")
    return work


def test_a_file_against_the_database(work: Workplace) -> None:
    result = work.ok("diff", "a")
    assert result.stdout == (
        "a: the database → the file\n"
        "~ metadata.isSystem: false → true\n"
        '~ draft.steps[mark].config.state: "DONE" → "NEW"\n'
        "Diff: 2 differences.\n"
    )
    document = work.fails(2, "diff", "a", "--format", "json", "--detailed-exitcode").json()
    assert (document["key"], document["before"], document["after"], document["missing"]) == (
        "a", "the database", "the file", None,
    )  # fmt: skip
    assert [(p["op"], p["path"], p["old"], p["new"]) for p in document["paths"]] == [
        ("change", "metadata.isSystem", False, True), ("change", "draft.steps[mark].config.state", "DONE", "NEW"),
    ]  # fmt: skip
    same = work.ok("diff", "b", "--detailed-exitcode")
    assert same.stdout == "b: the database → the file\nDiff: no differences.\n"


def test_a_side_that_lacks_the_workflow(work: Workplace) -> None:
    work.write(bundle("n"))
    assert work.ok("diff", "n").stdout == "n: the database → the file\nDiff: the database has no such workflow.\n"
    work.fails(2, "diff", "n", "--detailed-exitcode")
    (work.folder / "workflows/b.json").unlink()
    assert work.ok("diff", "b", "--format", "json").json()["missing"] == "the file"
    nobody = work.fails(1, "diff", "nobody")
    assert "WORKFLOW_NOT_FOUND: there is no workflow nobody, neither in the database nor in the file" in nobody.stderr


def test_revisions(work: Workplace) -> None:
    assert work.ok("diff", "a", "--rev", "v1").stdout.endswith("Diff: no differences.\n")
    between = work.ok("diff", "a", "--rev", "HEAD", "--rev", "v1").stdout
    assert between.startswith("a: revision HEAD → revision v1\n")
    assert "~ metadata.isSystem: true → false" in between
    # Two revisions need no database
    offline = work.cli(
        "--database", "postgresql:///x?host=/nowhere", "diff", "a", "--rev", "v1", "--rev", "HEAD", cwd=work.folder
    )
    assert offline.code == 0, offline.output
    work.fails(64, "diff", "a", "--rev", "v1", "--rev", "HEAD", "--rev", "main")


def test_published_versions(work: Workplace) -> None:
    assert work.ok("diff", "a", "--versions", "1..2").stdout == (
        "a: version 1 → version 2\n"
        '~ name: "a 1" → "a 2"\n'
        "~ version: 1 → 2\n"
        '~ steps[mark].config.state: "ONE" → "TWO"\n'
        '~ payloadSchemaJson: {"type": "object"} → null\n'
        "Diff: 4 differences.\n"
    )
    assert "has no published version 3 (it has: 1, 2)" in work.fails(1, "diff", "a", "--versions", "1..3").stderr
    assert "no file holds the workflow nobody" in work.fails(1, "diff", "nobody", "--versions", "1..2").stderr
    work.fails(64, "diff", "a", "--versions", "1-2")


def test_who_calls_whom(work: Workplace) -> None:
    work.write(bundle("c", [call("b"), call("gone", 3, "away")], versions={1: [call("c")]}))
    assert work.ok("refs").stdout == (
        "b\n"
        "  → a version 2  draft, root.steps[0]\n"
        "  → a version 2  version 1, root.steps[0]\n"
        "c\n"
        "  → b version 1  draft, root.steps[0]\n"
        "  → gone version 3  draft, root.steps[1]  (in no file)\n"
        "  → c version 1  version 1, root.steps[0]\n"
        "References: 5 calls, 2 callers, 4 callees.\n"
    )
    of_b = work.ok("refs", "b", "--format", "json").json()["references"]
    assert [(edge["caller"], edge["callee"], edge["version"], edge["caller_version"]) for edge in of_b] == [
        ("b", "a", 2, None), ("b", "a", 2, 1), ("c", "b", 1, None),
    ]  # fmt: skip
    assert work.ok("refs", "gone").stdout.endswith("References: 1 call, 1 caller, 1 callee.\n")
    assert work.ok("refs", "--rev", "v1").stdout.endswith("References: 2 calls, 1 caller, 1 callee.\n")
    assert "no file holds or calls the workflow nobody" in work.fails(1, "refs", "nobody").stderr
    work.write(bundle("b"))
    assert work.ok("refs", "a").stdout == "References: 0 calls, 0 callers, 0 callees.\n"
