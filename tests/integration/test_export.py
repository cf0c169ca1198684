"""`export`: the database → files, of which only those that differ are written (spec: bundle.md, cli.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bundles import canonical as canonical_of_tree
from command_line import CommandLine
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle, call, canonical, set_state
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A repository with three workflows in sub-folders, applied."""
    work = Workplace(cli, database("A"), tmp_path / "repo")
    work.folder.mkdir()
    work.configure()
    work.write(bundle("sales.a"), bundle("sales.b", [call("support.c")]), under="workflows/sales")
    work.write(bundle("support.c"), under="workflows/support")
    work.ok("apply")
    return work


def rename(work: Workplace, key: str, name: str = "Another name") -> None:
    """Change a workflow behind the files' back."""
    work.rows(
        "UPDATE workflow_definitions SET name = %s, updated_at = '2026-03-04 05:06:07.891+00' WHERE key = %s", name, key
    )
    work.rows("UPDATE workflow_definition_versions SET published_at = '2026-01-01'")


def exported(text: str | bytes) -> Any:
    return json.loads(text)["workflows"]


def stamps(work: Workplace) -> dict[str, int]:
    """When every bundle file was last written."""
    return {p.name: p.stat().st_mtime_ns for p in (work.folder / "workflows").rglob("*") if p.is_file()}


# --------------------------------------------------------------------------------------------------------- where to


def test_a_key_goes_where_its_file_is_and_a_new_one_into_the_directory(work: Workplace) -> None:
    (work.folder / "workflows/sales/sales.b.json").unlink()
    rename(work, "sales.a")
    before = stamps(work)
    result = work.ok("export", "--all")
    assert result.stdout == (
        "~ workflows/sales/sales.a.json  changed\n+ workflows/sales.b.json  new\n\n"
        "Export: 2 written (1 new, 1 changed), 1 unchanged, 0 left alone, 0 not in the database.\n"
    )
    after = stamps(work)
    assert {name for name in before if after[name] != before[name]} == {"sales.a.json"}
    text = (work.folder / "workflows/sales/sales.a.json").read_bytes()
    (workflow,) = exported(text)
    assert workflow["metadata"]["name"] == "Another name"
    assert json.loads(text)["exportedAt"] == "2026-03-04T05:06:07.891Z"
    assert text == canonical(json.loads(text))
    work.ok("export", "--all", "--check")
    work.ok("plan", "--detailed-exitcode")


def test_some_keys_and_globs(work: Workplace) -> None:
    for key in work.ids():
        rename(work, key)
    before = stamps(work)
    work.ok("export", "support.c")
    assert {name for name, stamp in stamps(work).items() if stamp != before[name]} == {"support.c.json"}
    work.ok("export", "sales.*", "support.c")
    assert all(stamp != before[name] for name, stamp in stamps(work).items())


def test_an_unknown_key_is_an_error_and_nothing_is_written(work: Workplace) -> None:
    rename(work, "sales.a")
    files = work.files()
    failed = work.fails(1, "export", "sales.a", "nobody", "no.*")
    assert "error WORKFLOW_NOT_FOUND: the database has no workflow nobody, no.*" in failed.stderr
    assert work.files() == files


def test_another_folder_new_or_there_already(work: Workplace) -> None:
    before = work.files()
    result = work.ok("export", "--all", "--out", "exported/deep")
    assert "3 written (3 new, 0 changed)" in result.stdout
    assert "+ exported/deep/sales.a.json  new\n" in result.stdout
    rename(work, "sales.a")
    assert "1 written (0 new, 1 changed), 2 unchanged" in work.ok("export", "--all", "--out", "exported/deep").stdout
    assert {name: data for name, data in work.files().items() if not name.startswith("exported/")} == before
    (work.folder / "a file").write_text("")
    assert work.fails(64, "export", "--all", "--out", "a file").stdout == ""


def test_without_keys_or_all_it_is_a_usage_error(work: Workplace) -> None:
    for arguments in (
        [],
        ["--check"],
        ["--all", "sales.a"],
        ["--all", "--commit"],
        ["--all", "-m", "text"],
        ["--all", "--check", "--commit", "-m", "x"],
        ["--all", "--bundle", "x.json", "--check"],
        ["--all", "--bundle", "x.json", "--out", "x"],
    ):
        assert "Usage: wfsync export" in work.fails(64, "export", *arguments).stderr


# ------------------------------------------------------------------------------------------------------ what differs


def test_a_file_of_equal_value_keeps_all_its_bytes(work: Workplace) -> None:
    path = work.folder / "workflows/support/support.c.json"
    tree = json.loads(path.read_bytes())
    tree["exportedAt"] = "1999-12-31T23:59:59+01:00"
    tree["workflows"][0]["dependencies"]["nodeTypes"].append("control.if")
    odd = b"\n" + json.dumps(tree, indent=7).encode() + b"\r\n\r\n"
    path.write_bytes(odd)
    before = stamps(work)
    work.ok("export", "--all")
    assert path.read_bytes() == odd
    assert stamps(work) == before
    rename(work, "support.c")
    work.ok("export", "--all")
    assert path.read_bytes() == canonical(json.loads(path.read_bytes()))


def test_a_yaml_file_stays_yaml_and_keeps_its_comments(work: Workplace) -> None:
    work.ok("export", "sales.a", "--out", "yaml", "--format", "yaml")
    path = work.folder / "workflows/sales/sales.a.json"
    path.unlink()
    path = path.with_suffix(".yaml")
    text = (work.folder / "yaml/sales.a.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["workflows"][0]["key"] == "sales.a"
    path.write_text(text)
    work.ok("export", "--all", "--check")
    rename(work, "sales.a")
    assert "~ workflows/sales/sales.a.yaml  changed" in work.ok("export", "--all").stdout
    assert yaml.safe_load(path.read_text())["workflows"][0]["metadata"]["name"] == "Another name"
    commented = "# why this is so\n" + path.read_text()
    path.write_text(commented)
    work.ok("export", "--all", "--check")
    rename(work, "sales.a", "A third name")
    result = work.ok("export", "--all")
    assert "! workflows/sales/sales.a.yaml  differs, left alone for its comments" in result.stdout
    assert "warning COMMENTS_KEPT: sales.a:" in result.stderr
    assert "0 written (0 new, 0 changed), 2 unchanged, 1 left alone" in result.stdout
    assert path.read_text() == commented
    work.fails(2, "export", "--all", "--check")
    work.ok("export", "--all", "--drop-comments")
    assert "#" not in path.read_text()
    assert yaml.safe_load(path.read_text())["workflows"][0]["metadata"]["name"] == "A third name"


def test_check_only_tells(work: Workplace) -> None:
    work.ok("export", "--all", "--check")
    rename(work, "sales.a")
    work.write(bundle("mine"))
    (work.folder / "workflows/support/support.c.json").unlink()
    files = work.files()
    result = work.fails(2, "export", "--all", "--check")
    assert result.stdout == (
        "? workflows/mine.json  not in the database\n~ workflows/sales/sales.a.json  changed\n"
        "+ workflows/support.c.json  new\n\n"
        "Export: 2 to write (1 new, 1 changed), 1 unchanged, 0 left alone, 1 not in the database.\n"
    )
    assert work.files() == files
    work.ok("export", "sales.b", "--check")
    work.fails(2, "export", "sales.a", "--check")


def test_a_file_without_a_row_is_listed_and_stays(work: Workplace) -> None:
    work.write(bundle("mine"))
    result = work.ok("export", "--all")
    assert result.stdout.startswith("? workflows/mine.json  not in the database\n")
    assert (work.folder / "workflows/mine.json").read_bytes() == canonical(bundle("mine"))
    work.fails(2, "export", "--all", "--check")


def test_files_that_are_wrong_are_all_named_and_nothing_is_written(work: Workplace) -> None:
    rename(work, "sales.a")
    (work.folder / "workflows/sales/sales.b.json").write_text("{")
    work.write(bundle("support.c"), under="workflows/twice")
    files = work.files()
    failed = work.fails(1, "export", "--all")
    assert "workflows/sales/sales.b.json:1:2: error INVALID_BUNDLE" in failed.stderr
    assert "error DUPLICATE_KEY" in failed.stderr
    assert work.files() == files


def test_unsound_published_definitions_come_and_go(work: Workplace) -> None:
    """Real instances hold them, so an export neither refuses nor changes them."""
    twice = [set_state("A", "same"), set_state("B", "same")]
    work.rows(
        "UPDATE workflow_definition_versions SET definition_json = jsonb_set(definition_json, '{steps}', %s::jsonb)"
        " WHERE definition_json ->> 'name' LIKE 'sales.a%%'",
        json.dumps(twice),
    )
    work.ok("export", "--all")
    (workflow,) = exported((work.folder / "workflows/sales/sales.a.json").read_bytes())
    assert workflow["publishedVersions"][0]["definition"]["steps"] == twice
    work.ok("export", "--all", "--check")
    assert "INVALID_DEFINITION" in work.fails(1, "plan").stderr
    work.configure("policy: {definitions: warn}\n")
    work.ok("plan", "--detailed-exitcode")


def test_a_file_that_git_ignores_is_treated_like_any_other(work: Workplace) -> None:
    """It is no bundle of the repository, but it stands where a new file would go."""
    GitRepository.init(work.folder)
    (work.folder / ".gitignore").write_text("ignored/\n")
    work.ok("export", "sales.*", "--out", "ignored")
    work.ok("export", "support.c", "--out", "ignored", "--format", "yaml")
    odd = work.folder / "ignored/sales.a.json"
    odd.write_text(json.dumps(json.loads(odd.read_bytes())))
    commented = work.folder / "ignored/support.c.yaml"
    commented.write_text("# mine\n" + commented.read_text().replace("support.c 1", "another name"))
    files = work.files()
    again = work.ok("export", "sales.*", "--out", "ignored")
    assert again.stdout.startswith("Export: 0 written (0 new, 0 changed), 2 unchanged")
    work.ok("export", "support.c", "--out", "ignored", "--format", "yaml")
    assert work.files() == files
    rename(work, "sales.a")
    assert "~ ignored/sales.a.json  changed" in work.ok("export", "sales.*", "--out", "ignored").stdout
    odd.unlink()
    odd.symlink_to(work.folder / "elsewhere")
    assert "REPOSITORY_SYMLINK" in work.fails(1, "export", "sales.*", "--out", "ignored").stderr
    assert not (work.folder / "elsewhere").exists()


# ------------------------------------------------------------------------------------------------------- one bundle


def test_one_bundle_of_several_workflows(work: Workplace) -> None:
    rename(work, "support.c")
    text = work.ok("export", "--all", "--bundle", "-").stdout
    assert [workflow["key"] for workflow in exported(text)] == ["sales.a", "sales.b", "support.c"]
    newest = work.rows("SELECT max(updated_at AT TIME ZONE 'UTC') AS at FROM workflow_definitions")[0]["at"]
    assert json.loads(text)["exportedAt"] == f"{newest:%Y-%m-%dT%H:%M:%S}.{newest.microsecond // 1000:03}Z"
    assert text.encode() == canonical_of_tree(json.loads(text))
    assert work.ok("export", "--all", "--bundle", "all.json").stdout == "Exported to all.json.\n"
    assert (work.folder / "all.json").read_text(encoding="utf-8") == text
    stamp = (work.folder / "all.json").stat().st_mtime_ns
    work.ok("export", "--all", "--bundle", "all.json")
    assert (work.folder / "all.json").stat().st_mtime_ns == stamp
    some = work.ok("export", "sales.*", "--bundle", "-", "--format", "yaml").stdout
    assert [workflow["key"] for workflow in yaml.safe_load(some)["workflows"]] == ["sales.a", "sales.b"]
    work.ok("export", "--all", "--bundle", "new/folder/all.json")
    assert (work.folder / "new/folder/all.json").read_text(encoding="utf-8") == text
    work.rows("DELETE FROM workflow_definitions")
    assert "there is no workflow to export" in work.fails(1, "export", "--all", "--bundle", "-").stderr


# ------------------------------------------------------------------------------------------------------------ commit


@pytest.fixture
def committed(work: Workplace) -> Workplace:
    """The same in git, with everything committed."""
    GitRepository.init(work.folder).commit(message="start")
    return work


def test_a_commit_by_gits_author_of_its_own_files_only(committed: Workplace) -> None:
    work, repository = committed, GitRepository(committed.folder)
    repository.git("config", "user.name", "Somebody Else")
    (work.folder / "notes.txt").write_text("staged, and not ours")
    repository.git("add", "notes.txt")
    rename(work, "sales.a")
    (work.folder / "workflows/support/support.c.json").write_text(
        (work.folder / "workflows/support/support.c.json").read_text() + "\n"
    )
    result = work.ok("export", "--all", "--commit", "-m", "Take over what was changed")
    head = repository.head()
    assert f"Commit: {head}\n" in result.stdout
    assert repository.git("log", "-1", "--format=%an <%ae> %s") == (
        "Somebody Else <author@example.org> Take over what was changed"
    )
    assert repository.git("show", "--name-only", "--format=").split() == ["workflows/sales/sales.a.json"]
    assert repository.status() == ["A  notes.txt", " M workflows/support/support.c.json"]
    assert "Commit:" not in work.ok("export", "--all", "--commit", "-m", "Nothing to do").stdout
    assert repository.head() == head


def test_staged_changes_of_its_files_are_not_swept_along(committed: Workplace) -> None:
    work, repository = committed, GitRepository(committed.folder)
    path = work.folder / "workflows/sales/sales.a.json"
    path.write_text(path.read_text().replace("sales.a 1", "staged by hand"))
    repository.git("add", ".")
    head, files = repository.head(), work.files()
    failed = work.fails(1, "export", "--all", "--commit", "-m", "x")
    assert "STAGED_CHANGES" in failed.stderr
    assert (repository.head(), work.files()) == (head, files)


def test_a_commit_before_the_first_and_outside_git(work: Workplace) -> None:
    rename(work, "sales.a")
    files = work.files()
    assert "NOT_A_REPOSITORY" in work.fails(1, "export", "--all", "--commit", "-m", "x").stderr
    assert work.files() == files
    repository = GitRepository.init(work.folder)
    work.ok("export", "--all", "--commit", "-m", "The first")
    assert repository.git("show", "--name-only", "--format=%s").split() == [
        "The",
        "first",
        "workflows/sales/sales.a.json",
    ]
