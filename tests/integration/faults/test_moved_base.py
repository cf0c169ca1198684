"""The database moves between plan and apply, by somebody who takes no advisory lock: nothing of theirs is overwritten.

wfsync stands at its own advisory lock, with its plan made, while the instance's user interface writes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from databases import FOREIGN_LAYOUTS, TENANT, LayoutName
from gates import PLACES, apply_lock, gate, held
from shop import CALLER, NEW, OLD, REPLACED, Ended, Mode, Rows, Subject

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]

_KEY = REPLACED[0]
_UNCHANGED = OLD[2]


def apply_while(
    subject: Subject, change: Callable[[], Any], mode: Mode = "replace", *options: str
) -> tuple[Ended, Rows]:
    """Plan, then ``change``, then apply; the rows as ``change`` left them."""
    with held(subject.database, apply_lock(subject.database)) as closed:
        process = subject.start("apply", "--force", "--overwrite", mode, *options)
        subject.caught()
        change()
        rows = subject.rows()
        closed.open()
        return subject.end(process), rows


CHANGES = {
    "another draft": 'UPDATE workflow_definitions SET draft_definition = draft_definition || \'{"name": "Theirs"}\''
    f" WHERE key = '{_KEY}'",
    "another name": f"UPDATE workflow_definitions SET name = 'Theirs' WHERE key = '{_KEY}'",
    "another key": f"UPDATE workflow_definitions SET key = 'renamed' WHERE key = '{_KEY}'",
    "no key": f"UPDATE workflow_definitions SET key = NULL WHERE key = '{_KEY}'",
    "a version edited": 'UPDATE workflow_definition_versions SET definition_json = definition_json || \'{"name": "X"}\''
    f" WHERE version = 2 AND workflow_id = (SELECT workflow_id FROM workflow_definitions WHERE key = '{_KEY}')",
    "a version gone": "DELETE FROM workflow_definition_versions"
    f" WHERE version = 2 AND workflow_id = (SELECT workflow_id FROM workflow_definitions WHERE key = '{_KEY}')",
    "a version published": "INSERT INTO workflow_definition_versions ({tenant} workflow_id, version, definition_json)"
    f" SELECT {{tenant}} workflow_id, 9, draft_definition FROM workflow_definitions WHERE key = '{_KEY}'",
    "deleted": f"DELETE FROM workflow_definitions WHERE key = '{_KEY}'",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_row_that_moved(shop: Make, name: str) -> None:
    position = list(CHANGES).index(name)
    subject = shop(FOREIGN_LAYOUTS[position % len(FOREIGN_LAYOUTS)])
    column = subject.database.tenant_column
    statement = CHANGES[name].replace("{tenant}", f"{column}," if column else "")
    ended, theirs = apply_while(
        subject, lambda: subject.database.execute(statement), "update" if position % 2 else "replace"
    )
    assert ended.code == 3, ended.stderr
    assert "STALE_PLAN" in ended.stderr
    assert _KEY in ended.stderr
    assert subject.rows() == theirs


@pytest.mark.parametrize("change", ["source = 'example.org/theirs'", f"held = '{'0' * 64}'"])
def test_a_key_that_another_source_adopts_or_a_rollback_holds(shop: Make, change: str) -> None:
    """Its row stays as it was: only what is managed says that the plan does not hold any more."""
    subject = shop("A")
    statement = f"UPDATE wfsync.managed SET {change} WHERE key = '{_KEY}'"
    before = subject.rows()["public.workflow_definitions"]
    ended, _ = apply_while(subject, lambda: subject.database.execute(statement), "update")
    assert ended.code == 3, ended.stderr
    assert f"{_KEY}: is managed in another way meanwhile" in ended.stderr
    assert subject.rows()["public.workflow_definitions"] == before


@pytest.mark.parametrize(("layout", "mode"), [("A", "update"), ("B", "replace"), ("wfsync", "update")])
@pytest.mark.parametrize("name", ["another name", "a version edited"])
def test_a_row_that_is_being_edited(shop: Make, layout: LayoutName, mode: Mode, name: str) -> None:
    """wfsync waits for the edit, and looks only then: it must not be written over unseen."""
    subject = shop(layout)
    with subject.database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute(CHANGES[name])
        process = subject.start_apply(mode)
        subject.caught()
        theirs.execute("COMMIT")
        rows = subject.rows()
        ended = subject.end(process)
    assert ended.code == 3, ended.stderr
    assert _KEY in ended.stderr
    assert subject.rows() == rows


@pytest.mark.parametrize("name", ["another name", "a version edited", "a version published", "deleted"])
def test_nobody_edits_a_row_beside_an_apply(shop: Make, wanted: Wanted, name: str) -> None:
    """Once it was compared it stays as it was until it is written."""
    subject = shop("A")
    with gate(subject.database, PLACES["copied"]) as closed, subject.database.connect() as theirs:
        process = subject.start_apply("update")  # everything is inserted, nothing is updated yet
        subject.caught()
        theirs.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            theirs.execute(CHANGES[name].replace("{tenant}", ""))
        closed.open()
        ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted("A")


def test_every_row_that_moved_is_named(shop: Make) -> None:
    subject = shop("A")

    def change() -> None:
        subject.database.execute(
            f"UPDATE workflow_definitions SET name = 'Theirs' WHERE key IN ('{REPLACED[0]}', '{REPLACED[2]}')",
            f"DELETE FROM workflow_definitions WHERE key = '{REPLACED[1]}'",
            "INSERT INTO workflow_definitions (key, name, payload_schema_ref, draft_definition)"
            f" SELECT '{NEW[0]}', name, payload_schema_ref, draft_definition FROM workflow_definitions"
            f" WHERE key = '{_UNCHANGED}'",
        )

    ended, theirs = apply_while(subject, change)
    assert ended.code == 3
    assert all(key in ended.stderr for key in (*REPLACED, NEW[0])), ended.stderr
    assert subject.rows() == theirs


def test_a_row_that_was_only_touched_is_not_stale(shop: Make, wanted: Wanted) -> None:
    """Values are compared, not times: nothing of anybody's is lost by going on."""
    subject = shop("A½")
    ended, _ = apply_while(
        subject, lambda: subject.database.execute("UPDATE workflow_definitions SET updated_at = now()"), "update"
    )
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted("A½")


# -- callers and callees ---------------------------------------------------------------------------------------------


def call_from(subject: Subject, key: str, target: str) -> str:
    """The statement that lets the draft of ``key`` call ``target``."""
    step = (
        f'{{"id": "theirs", "type": "control.callWorkflow", "workflowId": "{subject.ids()[target]}",'
        ' "workflowVersion": 1}'
    )
    return (
        "UPDATE workflow_definitions SET draft_definition ="
        f" jsonb_set(draft_definition, '{{steps,0}}', '{step}') WHERE key = '{key}'"
    )


@pytest.mark.parametrize("layout", FOREIGN_LAYOUTS)
def test_a_new_caller_of_a_replaced_workflow(shop: Make, layout: LayoutName) -> None:
    """It would be left with a call to a row that is gone."""
    subject = shop(layout)
    statement = call_from(subject, _UNCHANGED, _KEY)
    ended, theirs = apply_while(subject, lambda: subject.database.execute(statement))
    assert ended.code == 3, ended.stderr
    assert _UNCHANGED in ended.stderr
    assert subject.rows() == theirs


def test_a_new_caller_after_a_savepoint_that_was_open_when_the_plan_was_made(shop: Make) -> None:
    """Its row carries the id of a subtransaction, older than the plan and in no snapshot's list."""
    subject = shop("wfsync")
    with subject.database.connect() as theirs, subject.database.connect() as other:
        theirs.execute("BEGIN")
        theirs.execute("SAVEPOINT one")
        theirs.execute(call_from(subject, _UNCHANGED, _KEY))
        other.execute("SELECT pg_current_xact_id()")  # a transaction that ends, so that snapshots reach beyond
        ended, rows = apply_while(subject, lambda: theirs.execute("COMMIT"))
    assert ended.code == 3, ended.stderr
    assert _UNCHANGED in ended.stderr
    assert subject.rows() == rows


def test_a_new_caller_of_a_workflow_that_keeps_its_id(shop: Make) -> None:
    """With ``update`` nothing is relinked, so it is nobody's business."""
    subject = shop("A")
    statement = call_from(subject, _UNCHANGED, _KEY)
    ended, _ = apply_while(subject, lambda: subject.database.execute(statement), "update")
    assert ended.code == 0, ended.stderr
    assert subject.dangling() == []


def test_a_relinked_caller_that_moved(shop: Make) -> None:
    subject = shop("B")
    ended, theirs = apply_while(
        subject, lambda: subject.database.execute(f"UPDATE workflow_definitions SET name = 'X' WHERE key = '{CALLER}'")
    )
    assert (ended.code, CALLER in ended.stderr) == (3, True), ended.stderr
    assert subject.rows() == theirs


def test_a_callee_that_is_gone(shop: Make) -> None:
    """A new workflow calls one that the apply does not write."""
    subject = shop("A")
    step = f'{{"id": "x", "type": "control.callWorkflow", "workflowId": "{_UNCHANGED}", "workflowVersion": 1}}'
    path = subject.path(NEW[0])
    text = path.read_text()
    path.write_text(text.replace('"steps": [', f'"steps": [{step},', 1))
    ended, theirs = apply_while(
        subject,
        lambda: subject.database.execute(f"DELETE FROM workflow_definitions WHERE key = '{_UNCHANGED}'"),
        "update",
    )
    assert (ended.code, _UNCHANGED in ended.stderr) == (3, True), ended.stderr
    assert subject.rows() == theirs


# -- runs ------------------------------------------------------------------------------------------------------------


def run_begins(subject: Subject, status: str) -> str:
    column = subject.database.tenant_column
    names, values = (f"{column}, ", f"'{TENANT}', ") if column else ("", "")
    return (
        f"INSERT INTO workflow_runs ({names}workflow_id, workflow_version, status)"
        f" SELECT {values}workflow_id, 1, '{status}' FROM workflow_definitions WHERE key = '{_KEY}'"
    )


@pytest.mark.parametrize(
    ("layout", "mode", "status"),
    [("A", "replace", "RUNNING"), ("B", "update", "WAITING"), ("wfsync", "replace", "QUEUED")],
)
def test_a_run_that_began(shop: Make, layout: LayoutName, mode: Mode, status: str) -> None:
    subject = shop(layout)
    ended, theirs = apply_while(subject, lambda: subject.database.execute(run_begins(subject, status)), mode)
    assert ended.code == 4, ended.stderr
    assert "ACTIVE_RUNS" in ended.stderr
    assert f"{_KEY}" in ended.stderr
    assert f"1 {status}" in ended.stderr
    assert subject.rows() == theirs


def test_a_run_that_began_and_consent(shop: Make, wanted: Wanted) -> None:
    subject = shop("B-Citus")
    ended, _ = apply_while(
        subject, lambda: subject.database.execute(run_begins(subject, "RUNNING")), "update", "--allow-running"
    )
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted("B-Citus")
    with subject.database.connect() as conn:
        assert conn.execute("SELECT count(*) FROM workflow_runs WHERE status = 'RUNNING'").fetchone() == (1,)


# -- a key that appears ----------------------------------------------------------------------------------------------


def create(subject: Subject, key: str) -> str:
    column = subject.database.tenant_column
    tenant = f"{column}, " if column else ""
    return (
        f"INSERT INTO workflow_definitions ({tenant}key, name, payload_schema_ref, draft_definition) SELECT {tenant}"
        f" '{key}', 'Theirs', payload_schema_ref, draft_definition FROM workflow_definitions WHERE key = '{_UNCHANGED}'"
    )


@pytest.mark.parametrize("layout", FOREIGN_LAYOUTS)
def test_a_key_that_appeared(shop: Make, layout: LayoutName) -> None:
    subject = shop(layout)
    ended, theirs = apply_while(subject, lambda: subject.database.execute(create(subject, NEW[1])))
    assert ended.code == 3, ended.stderr
    assert "STALE_PLAN" in ended.stderr
    assert NEW[1] in ended.stderr
    assert subject.rows() == theirs


@contextmanager
def inserting(subject: Subject):  # type: ignore[no-untyped-def]
    """The user interface has inserted the key and not committed yet."""
    with subject.database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute(create(subject, NEW[1]))
        yield theirs


@pytest.mark.parametrize("layout", ["A", "B", "B-Citus"])
def test_a_key_that_is_being_inserted(shop: Make, layout: LayoutName) -> None:
    """wfsync waits for it: at the table's lock, or at the unique index that takes only one of the two."""
    subject = shop(layout)
    with inserting(subject) as theirs:
        process = subject.start_apply()
        subject.caught()
        theirs.execute("COMMIT")
    ended = subject.end(process)
    assert ended.code == 3, ended.stderr
    assert "STALE_PLAN" in ended.stderr
    assert NEW[1] in ended.stderr
    with subject.database.connect() as conn:
        found = conn.execute("SELECT name FROM workflow_definitions WHERE key = %s", [NEW[1]]).fetchall()
        assert found == [("Theirs",)]
        assert conn.execute("SELECT count(*) FROM workflow_definitions").fetchone() == (len(OLD) + 1,)


@pytest.mark.parametrize("layout", ["A½", "B"])
def test_a_key_whose_insertion_is_taken_back(shop: Make, wanted: Wanted, layout: LayoutName) -> None:
    subject = shop(layout)
    with inserting(subject) as theirs:
        process = subject.start_apply()
        subject.caught()
        theirs.execute("ROLLBACK")
    ended = subject.end(process)
    assert ended.code == 0, ended.stderr
    assert subject.digests() == wanted(layout)


@pytest.mark.parametrize("layout", ["A", "B"])
def test_a_key_whose_insertion_takes_too_long(shop: Make, layout: LayoutName) -> None:
    subject = shop(layout)
    with subject.unchanged():
        with inserting(subject) as theirs:
            done = subject.apply("replace", "--lock-timeout", "0.2")
            theirs.execute("ROLLBACK")
        assert (done.code, "LOCK_TIMEOUT" in done.stderr) == (5, True), done.stderr


def test_nobody_inserts_a_key_beside_an_apply_without_an_index(shop: Make, wanted: Wanted) -> None:
    subject = shop("B")
    with gate(subject.database, PLACES["copied"]) as closed, subject.database.connect() as theirs:
        process = subject.start_apply()
        subject.caught()
        theirs.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            theirs.execute(create(subject, NEW[1]))
        closed.open()
        assert subject.end(process).code == 0
    assert subject.digests() == wanted("B")


def test_no_run_begins_beside_an_apply(shop: Make) -> None:
    """A run that starts after the check would be deleted by the cascade: it has to wait for the row."""
    subject = shop("A")
    with gate(subject.database, PLACES["deleting"]) as closed, subject.database.connect() as theirs:
        process = subject.start_apply("replace")
        subject.caught()
        theirs.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            theirs.execute(run_begins(subject, "RUNNING"))
        closed.open()
        assert subject.end(process).code == 0
