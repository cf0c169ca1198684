"""The server refuses the last row of an apply: none of the others stays."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from databases import LayoutName
from shop import KEYS, REPLACED, Mode, Subject

Make = Callable[[LayoutName], Subject]

_LAST = KEYS[-1]
_LAST_REPLACED = REPLACED[-1]


@pytest.mark.parametrize(
    ("layout", "mode", "table", "condition"),
    [
        # the last row that is copied into either table
        ("A", "replace", "workflow_definitions", f"key <> '{_LAST}'"),
        ("B", "replace", "workflow_definition_versions", f"definition_json #>> '{{steps,0,id}}' <> 'last {_LAST}'"),
        # the last row that is overwritten in place; by then others are inserted and updated
        ("wfsync", "update", "workflow_definitions", f"NOT (key = '{_LAST_REPLACED}' AND draft_version > 3)"),
        ("A½", "update", "workflow_definition_versions", "version < 3"),
    ],
)
def test_a_constraint(shop: Make, layout: LayoutName, mode: Mode, table: str, condition: str) -> None:
    subject = shop(layout)
    edit_first_step(subject, _LAST)
    subject.database.execute(f"ALTER TABLE {table} ADD CONSTRAINT house_rule CHECK ({condition}) NOT VALID")
    with subject.unchanged():
        done = subject.apply(mode)
    assert done.code == 1
    assert "CONSTRAINT_VIOLATION" in done.stderr
    assert "house_rule" in done.stderr
    assert table in done.stderr
    assert "Nothing was written" in done.stderr


@pytest.mark.parametrize("event", ["AFTER INSERT", "AFTER UPDATE", "AFTER DELETE"])
def test_a_trigger_that_refuses(shop: Make, event: str) -> None:
    subject = shop("A")
    subject.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'the house is closed'; END $$",
        f"CREATE TRIGGER refuse {event} ON workflow_definitions FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
    )
    with subject.unchanged():
        done = subject.apply("replace")
    assert done.code == 1
    assert "the house is closed" in done.stderr


def test_a_constraint_that_looks_at_the_commit(shop: Make) -> None:
    subject = shop("wfsync")
    subject.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'too late'; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON workflow_definition_versions DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with subject.unchanged():
        done = subject.run("apply", "--force", "--format", "json")
    assert done.code == 1
    assert [error["code"] for error in done.json()["errors"]] == ["CONSTRAINT_VIOLATION"]


def test_a_trigger_that_drops_a_row_in_silence(shop: Make) -> None:
    """No error, no row: an apply that did not notice would say that it wrote what is not there."""
    subject = shop("B")
    subject.database.execute(
        "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER drop_it BEFORE INSERT ON workflow_definition_versions FOR EACH ROW WHEN (NEW.version = 3)"
        " EXECUTE FUNCTION drop_it()",
    )
    with subject.unchanged():
        done = subject.apply("replace")
    assert done.code == 1, done.stdout
    assert "ROW_DROPPED" in done.stderr


def edit_first_step(subject: Subject, key: str) -> None:
    """Mark the last version of ``key`` so that a constraint can tell it from all others."""
    path = subject.path(key)
    bundle = json.loads(path.read_bytes())
    definition = bundle["workflows"][0]["publishedVersions"][-1]["definition"]
    definition["steps"][0]["id"] = f"last {key}"
    path.write_text(json.dumps(bundle))
