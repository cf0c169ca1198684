from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.config import (
    Config,
    DatabaseChoice,
    find_config,
    parse_config,
    read_config,
    resolve_config,
    resolve_database,
    resolve_tenant,
)
from wfsync.errors import ConfigError, Problem

SECRET = "hunter2"
URL = f"postgresql://ada:{SECRET}@db.example.org/prod"


def faults(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "wfsync.yaml")
    assert caught.value.code == "INVALID_CONFIG"
    assert all(p.code == "INVALID_CONFIG" for p in caught.value.problems)
    return caught.value.problems


def places(text: str) -> list[tuple[str, str | None]]:
    return [(str(p.place), p.place.pointer if p.place else None) for p in faults(text)]


class TestParse:
    def test_only_the_version_is_required(self) -> None:
        assert parse_config(b"version: 1\n", "wfsync.yaml") == Config(
            directory=".", registry=None, overwrite="replace", definitions="error"
        )

    def test_every_setting(self) -> None:
        text = (
            b"# yaml-language-server: $schema=x\nversion: 1\ndirectory: ./workflows/\nregistry: registry.yaml\n"
            b"overwrite: update\npolicy:\n  definitions: warn\n"
        )
        assert parse_config(text, "wfsync.yaml") == Config("workflows", "registry.yaml", "update", "warn")

    def test_what_the_ledger_keeps(self) -> None:
        config = parse_config(b"version: 1\nledger: {keep: {days: 7}}\n", "wfsync.yaml")
        assert (config.keep.applies, config.keep.days) == (200, 7)
        assert places("version: 1\nledger: {keep: {applies: 0}}\n") == [("wfsync.yaml:2:26", "/ledger/keep/applies")]

    def test_unknown_key_is_placed_and_the_nearest_named(self) -> None:
        [problem] = faults("version: 1\ndirectroy: workflows\n")
        assert str(problem.place) == "wfsync.yaml:2:1"
        assert problem.place is not None
        assert problem.place.pointer == "/directroy"
        assert '"directroy"' in problem.message
        assert '"directory"' in problem.message

    def test_unknown_key_below_policy(self) -> None:
        assert places("version: 1\npolicy:\n  definition: warn\n") == [("wfsync.yaml:3:3", "/policy/definition")]

    @pytest.mark.parametrize(
        "later",
        ["waves: []", "policy: {rollback: true}"],
    )
    def test_settings_that_do_not_work_yet_are_unknown(self, later: str) -> None:
        [problem] = faults(f"version: 1\n{later}\n")
        assert "unknown property" in problem.message

    def test_all_faults_at_once_in_the_order_of_the_file(self) -> None:
        assert places("overwrite: destroy\npolicy: {definitions: maybe}\ncolour: red\nregistry: 3\n") == [
            ("wfsync.yaml:1:1", ""),
            ("wfsync.yaml:1:12", "/overwrite"),
            ("wfsync.yaml:2:23", "/policy/definitions"),
            ("wfsync.yaml:3:1", "/colour"),
            ("wfsync.yaml:4:11", "/registry"),
        ]

    @pytest.mark.parametrize("version", ["2", "true", "'1'", "null", "[1]"])
    def test_only_version_1(self, version: str) -> None:
        assert places(f"version: {version}\n") == [("wfsync.yaml:1:10", "/version")]

    @pytest.mark.parametrize(
        "text", ["", "# nothing\n", "- 1\n", "version\n", "\x00", "version: 1\nversion: 1\n", "a: [\n"]
    )
    def test_what_is_no_mapping_is_a_placed_fault(self, text: str) -> None:
        assert all(p.place is not None for p in faults(text))

    def test_invalid_utf8(self) -> None:
        with pytest.raises(ConfigError):
            parse_config(b"version: 1\ndirectory: \xff\n", "wfsync.yaml")

    def test_a_huge_file_is_refused_unread(self) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_config(b"#" * (1024 * 1024 + 1), "wfsync.yaml")
        assert "1 MiB" in caught.value.problems[0].message

    @pytest.mark.parametrize("path", ["/etc", "..", "a/../../b", "~/x", "a\\b"])
    @pytest.mark.parametrize("name", ["directory", "registry"])
    def test_paths_stay_inside(self, name: str, path: str) -> None:
        assert places(f"version: 1\n{name}: '{path}'\n")[0][1] == f"/{name}"


class TestSecrets:
    @pytest.mark.parametrize(
        "text",
        [
            f"database: {URL}",
            f"directory: {URL}",
            f"overwrite: {URL}",
            f"environments: {{staging: {{database: '{URL}'}}}}",
            f"policy: {{definitions: '{URL}'}}",
            f"policy: ['{URL}']",
            f"version: {{x: '{URL}'}}",
            f"registry: 'host=db password={SECRET}'",
            f"registry: 'postgresql://db/x?password={SECRET}'",
            f"password: {SECRET}",
            f"database_password: {SECRET}",
            f"'{URL}': 1",
        ],
    )
    def test_refused_and_never_repeated(self, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_config(f"{text}\n".encode(), "wfsync.yaml")
        assert any("password must not" in p.message for p in caught.value.problems)
        said = [str(caught.value), str(caught.value.hint)]
        said += [repr(p.message) + repr(p.hint) + repr(p.details) for p in caught.value.problems]
        assert SECRET not in "".join(said)

    def test_a_url_without_password_is_only_an_unknown_key(self) -> None:
        [problem] = faults("version: 1\ndatabase: postgresql://ada@db.example.org/prod\n")
        assert "unknown property" in problem.message


class TestFind:
    def test_upward_to_the_root_of_the_repository(self, tmp_path: Path) -> None:
        deep = tmp_path / "a" / "b"
        deep.mkdir(parents=True)
        assert find_config(deep, tmp_path) is None
        (tmp_path / "wfsync.yaml").touch()
        assert find_config(deep, tmp_path) == (tmp_path / "wfsync.yaml").resolve()
        (tmp_path / "a" / "wfsync.yaml").touch()
        assert find_config(deep, tmp_path) == (tmp_path / "a" / "wfsync.yaml").resolve()

    def test_never_above_the_root(self, tmp_path: Path) -> None:
        (tmp_path / "repo" / "sub").mkdir(parents=True)
        (tmp_path / "wfsync.yaml").touch()
        assert find_config(tmp_path / "repo" / "sub", tmp_path / "repo") is None
        assert find_config(tmp_path / "repo", tmp_path / "repo") is None

    def test_outside_a_repository_upward_too(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "wfsync.yaml").touch()
        assert find_config(tmp_path / "sub", None) == (tmp_path / "wfsync.yaml").resolve()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
    def test_a_planted_file_above_is_not_taken(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        planted = tmp_path / "wfsync.yaml"
        planted.touch()
        os.chown(planted, 12345, 12345)
        assert find_config(tmp_path / "sub", None) is None
        os.chown(tmp_path / "sub", 12345, 12345)
        assert find_config(tmp_path / "sub", None) == planted.resolve()

    def test_a_misnamed_file_is_not_ignored(self, tmp_path: Path) -> None:
        (tmp_path / "wfsync.yml").touch()
        with pytest.raises(ConfigError, match="is not read"):
            find_config(tmp_path, tmp_path)

    def test_a_folder_of_that_name_is_no_config(self, tmp_path: Path) -> None:
        (tmp_path / "wfsync.yaml").mkdir()
        assert find_config(tmp_path, tmp_path) is None

    def test_a_link_as_start_is_followed_to_where_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "repo" / "sub").mkdir(parents=True)
        (tmp_path / "repo" / "wfsync.yaml").touch()
        (tmp_path / "link").symlink_to(tmp_path / "repo" / "sub")
        assert find_config(tmp_path / "link", tmp_path / "repo") == (tmp_path / "repo" / "wfsync.yaml").resolve()

    def test_option_then_variable_then_search(self, tmp_path: Path) -> None:
        named, found, other = (tmp_path / name for name in ("named.yaml", "wfsync.yaml", "other.yaml"))
        for path in (named, found, other):
            path.touch()
        environ = {"WFSYNC_CONFIG": str(other)}
        assert resolve_config(str(named), environ, tmp_path, tmp_path) == named
        assert resolve_config(None, environ, tmp_path, tmp_path) == other
        assert resolve_config(None, {"WFSYNC_CONFIG": ""}, tmp_path, tmp_path) == found.resolve()

    def test_a_named_file_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="WFSYNC_CONFIG names"):
            resolve_config(None, {"WFSYNC_CONFIG": str(tmp_path / "gone.yaml")}, tmp_path, None)


class TestRead:
    def test_the_file_is_named_in_faults(self, tmp_path: Path) -> None:
        path = tmp_path / "wfsync.yaml"
        path.write_text("version: 2\n")
        with pytest.raises(ConfigError) as caught:
            read_config(path)
        assert str(caught.value.problems[0].place) == f"{path}:1:10"

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot read"):
            read_config(tmp_path / "wfsync.yaml")

    def test_a_good_file(self, tmp_path: Path) -> None:
        path = tmp_path / "wfsync.yaml"
        path.write_text("version: 1\noverwrite: update\n")
        assert read_config(path).overwrite == "update"


class TestDatabase:
    def test_the_option_wins(self) -> None:
        environ = {"WFSYNC_DATABASE_URL": "postgresql:///b", "PGHOST": "h"}
        assert resolve_database("postgresql:///a", environ) == DatabaseChoice("named", "postgresql:///a", "--database")

    def test_then_the_variable(self) -> None:
        assert resolve_database(None, {"WFSYNC_DATABASE_URL": "postgresql:///b", "PGHOST": "h"}) == DatabaseChoice(
            "named", "postgresql:///b", "WFSYNC_DATABASE_URL"
        )

    @pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"])
    def test_then_what_libpq_reads_itself(self, name: str) -> None:
        assert resolve_database(None, {name: "x"}) == DatabaseChoice("named", "", name)

    @pytest.mark.parametrize("name", ["PGUSER", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGOPTIONS", "PGAPPNAME"])
    def test_no_other_variable_names_a_database(self, name: str) -> None:
        assert resolve_database(None, {name: "x"}) == DatabaseChoice("embedded", None, "default")

    @pytest.mark.parametrize("name", ["WFSYNC_DATABASE_URL", "PGHOST", "PGDATABASE"])
    def test_an_empty_variable_is_unset(self, name: str) -> None:
        assert resolve_database(None, {name: ""}).kind == "embedded"

    @pytest.mark.parametrize("option", ["", "  "])
    def test_an_empty_option_is_a_usage_error(self, option: str) -> None:
        for resolve in (resolve_database, resolve_tenant):
            with pytest.raises(ConfigError) as caught:
                resolve(option, {})
            assert caught.value.code == "USAGE"

    @given(st.text(min_size=4).filter(str.strip))
    def test_nothing_shows_a_connection_string(self, conninfo: str) -> None:
        choice = resolve_database(f"postgresql://u:{conninfo}@h/d", {})
        assert repr(choice) == str(choice) == "DatabaseChoice(kind='named', origin='--database')"

    def test_tenant(self) -> None:
        assert resolve_tenant("a", {"WFSYNC_TENANT": "b"}) == "a"
        assert resolve_tenant(None, {"WFSYNC_TENANT": "b"}) == "b"
        assert resolve_tenant(None, {"WFSYNC_TENANT": ""}) is None
