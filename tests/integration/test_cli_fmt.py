"""`wfsync fmt`: canonical bytes, all files or none, and not a byte more than needed."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from bundles import MOMENT, bundle, call, canonical, put, spoilt, version
from command_line import CommandLine, Result
from git_repositories import GitRepository
from strategies import repositories
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.yaml_text import read_yaml
from wfsync.bundle.yaml_write import write_yaml
from wfsync.pipeline.formatting import FormatOptions, format_files
from wfsync.plan.resolve import resolution
from wfsync.repo.opening import open_repository
from wfsync.state.desired import begin_loading

ORIGIN = "6a0b9d7e-9f7c-4f0e-8f3a-0d6b6a1f2c3d"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\n")
    return root


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below, with its time and content."""
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()
    }


def test_everything_that_is_derived_or_normalised(cli: CommandLine, repo: Path) -> None:
    tree = bundle("alpha", published={1: [], 2: []})
    workflow = tree["workflows"][0]
    wanted = canonical(spoilt(tree, "metadata/failureRateThreshold", 0.5))
    workflow["metadata"]["failureRateThreshold"] = "0.50"
    workflow["metadata"]["payloadSchemaMode"] = None
    workflow["dependencies"] = {"actions": [], "nodeTypes": ["control.if", "wrong"], "schemaRefs": []}
    workflow["publishedVersions"].reverse()
    workflow["draft"]["definition"]["id"] = ORIGIN
    del workflow["publishedVersions"][0]["definition"]["id"]
    path = put(repo / "workflows", tree, pretty=False)
    result = cli("fmt", cwd=repo)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == "~ workflows/alpha.json\nFormatted 1 file: 1 rewritten, 0 unchanged.\n"
    assert path.read_bytes() == wanted
    assert json.loads(wanted)["exportedAt"] == MOMENT
    assert cli("validate", cwd=repo).code == 0


def test_canonical_files_are_not_touched(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("alpha"))
    (repo / "workflows" / "beta.yaml").write_bytes(write_yaml(bundle("beta")))
    before = listing(repo)
    result = cli("fmt", cwd=repo)
    assert (result.code, result.stdout) == (0, "Formatted 2 files: 0 rewritten, 2 unchanged.\n")
    assert listing(repo) == before


def test_check_writes_nothing_and_says_what_fmt_would_do(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("alpha"))
    put(repo / "workflows", bundle("beta"), pretty=False)
    before = listing(repo)
    result = cli("fmt", "--check", cwd=repo)
    assert result.code == 2
    assert result.stdout == "~ workflows/beta.json\nChecked 2 files: 1 would be rewritten, 1 unchanged.\n"
    assert listing(repo) == before
    assert cli("fmt", cwd=repo).code == 0
    assert cli("fmt", "--check", cwd=repo).code == 0


def test_each_syntax_stays(cli: CommandLine, repo: Path) -> None:
    (repo / "workflows").mkdir()
    yaml = repo / "workflows" / "beta.yml"
    yaml.write_bytes(json.dumps(bundle("beta")).encode())  # JSON is YAML as well
    assert cli("fmt", cwd=repo).code == 0
    assert yaml.read_bytes() == write_yaml(bundle("beta"))
    assert read_yaml(yaml.read_bytes(), file="x").tree == bundle("beta")


def test_comments_are_never_lost_unasked(cli: CommandLine, repo: Path) -> None:
    (repo / "workflows").mkdir()
    path = repo / "workflows" / "beta.yaml"
    text = b"# why this is so\n" + write_yaml(bundle("beta"))
    path.write_bytes(text)
    for options in ([], ["--check"]):
        result = cli("fmt", *options, cwd=repo)
        assert result.code == 0
        assert "workflows/beta.yaml: warning COMMENTS_KEPT" in result.stderr
        assert last(result).endswith(
            "1 file: 0 would be rewritten, 0 unchanged, 1 left alone because of comments."
        ) or (last(result) == "Formatted 1 file: 0 rewritten, 0 unchanged, 1 left alone because of comments.")
        assert path.read_bytes() == text
    assert cli("fmt", "--check", "--drop-comments", cwd=repo).code == 2
    assert cli("fmt", "--drop-comments", cwd=repo).code == 0
    assert path.read_bytes() == write_yaml(bundle("beta"))


def test_one_fault_and_nothing_is_written(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("alpha"), pretty=False)
    put(repo / "workflows", spoilt(bundle("beta"), "draft/draftVersion", "x"), pretty=False)
    (repo / "workflows" / "zeta.json").write_bytes(b"[")
    before = listing(repo)
    for options in ([], ["--check"]):
        result = cli("fmt", *options, cwd=repo)
        assert (result.code, result.stdout) == (1, "")
        assert "workflows/beta.json:1:" in result.stderr
        assert "workflows/zeta.json:1:2: error INVALID_BUNDLE" in result.stderr
        assert listing(repo) == before


def test_a_path_that_is_not_there_stops_the_others(cli: CommandLine, repo: Path) -> None:
    path = put(repo / "workflows", bundle("alpha"), pretty=False)
    before = path.read_bytes()
    result = cli("fmt", path, "nothing.json")
    assert result.code == 1
    assert "nothing.json: error FILE_MISSING" in result.stderr
    assert path.read_bytes() == before


def test_an_unsound_definition_is_formatted_all_the_same(cli: CommandLine, repo: Path) -> None:
    twice: list[dict[str, Any]] = [{"id": "x", "type": "state.set"}] * 2
    put(repo / "workflows", bundle("alpha", published={1: twice}), pretty=False)
    assert cli("fmt", cwd=repo).code == 0
    assert cli("validate", cwd=repo).code == 1


def test_a_bundle_of_many_only_when_it_is_named(cli: CommandLine, repo: Path) -> None:
    many = bundle("one")
    many["workflows"] += [*bundle("two")["workflows"], *bundle("three")["workflows"]]
    path = put(repo / "workflows", many, name="exported.json", pretty=False)
    result = cli("fmt", cwd=repo)
    assert result.code == 1
    assert "exactly one workflow" in result.stderr
    assert cli("fmt", path).code == 0
    assert path.read_bytes() == canonical(many)


def test_calls_by_the_id_of_the_origin_become_calls_by_key(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", spoilt(bundle("callee", published={1: []}), "draft/definition/id", ORIGIN))
    put(repo / "workflows", bundle("caller", published={1: [call(ORIGIN.upper(), 1), call(ORIGIN[:-1] + "0", 1, "b")]}))
    assert cli("fmt", cwd=repo).code == 0
    assert (repo / "workflows" / "callee.json").read_bytes() == canonical(bundle("callee", published={1: []}))
    wanted = bundle("caller", published={1: [call("callee", 1), call(ORIGIN[:-1] + "0", 1, "b")]})
    assert (repo / "workflows" / "caller.json").read_bytes() == canonical(wanted)
    assert cli("fmt", "--check", cwd=repo).code == 0


def test_modes_stay_and_nothing_is_left_behind(cli: CommandLine, tmp_path: Path) -> None:
    repo = GitRepository.init(tmp_path / "r")
    path = put(repo.path, bundle("alpha"), pretty=False)
    path.chmod(0o640)
    (repo.path / ".wfsync-tmp-0123456789abcdef-0").write_text("of a killed run")
    assert cli("fmt", cwd=repo.path).code == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert repo.status() == ["?? alpha.json"]


def test_two_repositories_at_once(cli: CommandLine, tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wfsync.yaml").write_text("version: 1\n")
        paths.append(put(tmp_path / name, bundle("alpha"), pretty=False))
    loose = put(tmp_path / "three", bundle("alpha"), pretty=False)
    result = cli("fmt", "one", "two", loose)
    assert (result.code, last(result)) == (0, "Formatted 3 files: 3 rewritten, 0 unchanged.")
    assert {p.read_bytes() for p in (*paths, loose)} == {canonical(bundle("alpha"))}


def test_many_files_in_several_processes(cli: CommandLine, repo: Path) -> None:
    for number in range(450):
        put(repo / "workflows" / str(number % 3), bundle(f"w{number:04d}"), pretty=number % 2 == 0)
    result = cli("fmt", cwd=repo)
    assert last(result) == "Formatted 450 files: 225 rewritten, 225 unchanged."
    assert last(cli("fmt", cwd=repo)) == "Formatted 450 files: 0 rewritten, 450 unchanged."


def test_a_read_only_repository_is_fine_when_nothing_changes(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("alpha", published={3: []}))
    (repo / "workflows").chmod(0o555)
    try:
        assert cli("fmt", cwd=repo).code == 0
    finally:
        (repo / "workflows").chmod(0o755)


def test_help_has_an_example(cli: CommandLine) -> None:
    assert "Example:" in cli("fmt", "--help").stdout


@settings(max_examples=40)
@given(repositories())
def test_formatting_changes_no_meaning_and_is_done_once(drawn: dict[str, dict[str, Any]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for key, tree in drawn.items():
            tree["workflows"][0]["publishedVersions"].append(version(key, 77, []))
            put(folder, tree, pretty=False)
        source = open_repository(folder).source(".")
        before = _digests(folder)
        assert format_files([(source, ())], FormatOptions()).files == len(drawn)
        assert _digests(folder) == before
        again = format_files([(source, ())], FormatOptions())
        assert again.rewritten == ()
        assert sorted(p.name for p in folder.iterdir()) == sorted(f"{key}.json" for key in drawn)


def _digests(folder: Path) -> dict[str, str]:
    state = begin_loading(open_repository(folder).source("."), LoadOptions()).finish()
    assert not resolution(state.by_key.values(), {}).origins
    return {key: item.digest for key, item in state.by_key.items()}
