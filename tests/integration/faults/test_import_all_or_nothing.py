"""``import``: all workflows of all files in one transaction."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from databases import LayoutName
from gates import PLACES, gate
from shop import KEYS, NEW, REPLACED, Subject

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]


def bundles(subject: Subject, *groups: tuple[str, ...]) -> list[Path]:
    """One file for each group of keys."""
    made = []
    for number, keys in enumerate(groups):
        documents = [json.loads(subject.path(key).read_bytes()) for key in keys]
        document = {**documents[0], "workflows": [d["workflows"][0] for d in documents]}
        made.append(subject.folder / f"many-{number}.json")
        made[-1].write_text(json.dumps(document))
    return made


def test_many_files(shop: Make, wanted: Wanted) -> None:
    subject = shop("A")
    files = bundles(subject, (NEW[1], *REPLACED[:2]), (NEW[0],), (REPLACED[2],))
    done = subject.run("import", "--force", *files)
    assert done.code == 0, done.stderr
    assert subject.digests() == wanted("A")
    with subject.database.connect() as conn:
        written = "SELECT count(DISTINCT xmin::text) FROM workflow_definitions WHERE key = ANY (%s)"
        assert conn.execute(written, [[*NEW, *REPLACED]]).fetchone() == (1,)


def test_a_conflict_in_the_last_file(shop: Make) -> None:
    """Without --force nothing of the files before it is created."""
    subject = shop("B")
    files = bundles(subject, (NEW[0],), (NEW[1],), (REPLACED[0],))
    with subject.unchanged():
        done = subject.run("import", *files)
    assert done.code == 3
    assert "WORKFLOW_KEY_CONFLICT" in done.stdout + done.stderr
    assert REPLACED[0] in done.stdout + done.stderr


def test_the_last_file_is_wrong(shop: Make) -> None:
    subject = shop("A")
    files = bundles(subject, (NEW[0],), (NEW[1],))
    files[1].write_bytes(files[1].read_bytes()[:-20])
    with subject.unchanged():
        done = subject.run("import", *files)
    assert done.code == 1
    assert files[1].name in done.stderr


def test_the_server_refuses_the_last_workflow(shop: Make) -> None:
    subject = shop("wfsync")
    subject.database.execute(
        f"ALTER TABLE workflow_definitions ADD CONSTRAINT house_rule CHECK (key <> '{KEYS[-1]}') NOT VALID"
    )
    files = bundles(subject, tuple(KEYS[:4]), tuple(KEYS[4:]))
    with subject.unchanged():
        done = subject.run("import", "--force", *files)
    assert (done.code, "house_rule" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_between_two_files(shop: Make, number: signal.Signals) -> None:
    subject = shop("B")
    files = bundles(subject, (NEW[0],), (NEW[1],), REPLACED)
    with subject.unchanged(), gate(subject.database, PLACES["copying definitions"]) as closed:
        process = subject.start("import", "--force", *files)
        subject.caught()
        ended = subject.end(process, number)
        closed.open()
    assert ended.code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]


def test_a_file_that_is_edited_meanwhile_was_read_before(shop: Make, wanted: Wanted) -> None:
    """An import holds what it has read: what is named once is read once."""
    subject = shop("A")
    files = bundles(subject, tuple(KEYS))
    with gate(subject.database, PLACES["deleting"]) as closed:
        process = subject.start("import", "--force", *files)
        subject.caught()
        files[0].write_text("{}")
        closed.open()
        ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted("A")
