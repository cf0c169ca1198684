"""A file is edited between plan and write: refused, nothing written. What was planned is applied, or nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from databases import LayoutName
from gates import PLACES, apply_lock, gate, held
from git_repositories import GitRepository
from shop import NEW, REPLACED, Mode, Subject

Make = Callable[[LayoutName], Subject]


def edit(path: Path) -> None:
    bundle = json.loads(path.read_bytes())
    bundle["workflows"][0]["metadata"]["name"] = "Edited meanwhile"
    path.write_text(json.dumps(bundle))


def into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def into_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


EDITS: dict[str, Callable[[Path], object]] = {
    "edited": edit,
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "another's": lambda path: path.write_bytes(path.with_name(f"{REPLACED[1]}.json").read_bytes()),
    "no workflow": lambda path: path.write_text('{"workflows": []}'),
    "a list": lambda path: path.write_text("[]"),
    "a folder": into_folder,
    "a link": into_link,
}


@pytest.mark.parametrize("name", EDITS)
def test_before_the_first_row(shop: Make, name: str) -> None:
    update = list(EDITS).index(name) % 2
    subject = shop("A" if update else "B")
    mode: Mode = "update" if update else "replace"
    path = subject.path(REPLACED[0] if update else NEW[0])
    with subject.unchanged(), held(subject.database, apply_lock(subject.database)) as closed:
        process = subject.start_apply(mode)
        subject.caught()
        EDITS[name](path)
        closed.open()
        ended = subject.end(process)
    assert ended.code == 3, ended.stderr
    assert "STALE_PLAN" in ended.stderr
    assert path.name in ended.stderr


def test_after_some_rows(shop: Make) -> None:
    """The rows that went are taken back. (The first overwrite is made after every insert.)"""
    subject = shop("wfsync")
    with subject.unchanged(), gate(subject.database, PLACES["copied"]) as closed:
        process = subject.start_apply("update")
        subject.caught()
        edit(subject.path(REPLACED[-1]))
        closed.open()
        ended = subject.end(process)
    assert (ended.code, "STALE_PLAN" in ended.stderr) == (3, True), ended.stderr


def test_a_revision_does_not_change(shop: Make, wanted: Callable[[LayoutName], dict[str, str]]) -> None:
    subject = shop("A")
    repository = GitRepository.init(subject.folder)
    repository.commit(message="wanted")
    with held(subject.database, apply_lock(subject.database)) as closed:
        process = subject.start("apply", "--force", "--rev", "HEAD")
        subject.caught()
        edit(subject.path(REPLACED[0]))
        repository.commit(message="another")
        closed.open()
        ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted("A")
