"""Streaming what is stored: order, bounded memory, rows that nobody expects."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import pytest

from databases import LAYOUTS, Databases, LayoutName
from rows import METADATA, Session, kept, new, session, workflow_id
from wfsync.errors import DatabaseError
from wfsync.store.connection import connect, snapshot
from wfsync.store.mapping import exported_at, key_problem, to_workflow
from wfsync.store.moment import rfc3339, to_datetime
from wfsync.store.reader import StoredWorkflow, read_ids, stream


@pytest.fixture
def altered(database: Databases) -> Iterator[Session]:
    """A database of its own, for tests that alter its tables."""
    with session(database("A")) as s:
        yield s


@pytest.fixture(scope="module")
def _one_database(_databases: Databases) -> Iterator[Session]:
    with kept(_databases, "A") as place, session(place) as s:
        yield s


@pytest.fixture
def opened(_one_database: Session) -> Session:
    """A database without rows, shared by the tests that only write rows."""
    _one_database.conn.execute("DELETE FROM workflow_definitions")
    return _one_database


@pytest.mark.parametrize("layout", LAYOUTS)
def test_workflows_come_in_order_with_their_versions(database: Databases, layout: LayoutName) -> None:
    with session(database(layout)) as s:
        s.write(new(3, versions=(5, 1, 3)), new(1, versions=()), new(2))
        expected = [(workflow_id(1), []), (workflow_id(2), [1, 2]), (workflow_id(3), [1, 3, 5])]
        assert [(w.workflow_id, [v.version for v in w.versions]) for w in s.read()] == expected
        some = s.read(ids=[workflow_id(3), workflow_id(2), workflow_id(77)], batch=1)
        assert [(w.workflow_id, [v.version for v in w.versions]) for w in some] == expected[:0:-1]
        assert s.read(ids=[]) == []
        with snapshot(s.conn):
            assert read_ids(s.conn, s.layout, s.tenant) == [(workflow_id(n), f"flow-{n}") for n in (1, 2, 3)]


def test_missing_tables_are_read_as_empty(database: Databases) -> None:
    with session(database("empty")) as s:
        assert s.read() == []
        assert read_ids(s.conn, s.layout, None) == []


def test_a_missing_table_of_versions_means_drafts_only(database: Databases) -> None:
    place = database("A")
    with session(place) as s:
        s.write(new(1))
    place.execute("DROP TABLE workflow_definition_versions")
    with session(place) as s:
        assert [(w.key, w.versions) for w in s.read()] == [("flow-1", ())]
        assert [w.key for w in s.read(ids=[workflow_id(1)])] == ["flow-1"]


def test_one_snapshot_sees_one_state(opened: Session) -> None:
    opened.write(new(1), new(2))
    with connect(opened.conn.target) as other, snapshot(opened.conn):  # type: ignore[attr-defined]
        first = list(stream(opened.conn, opened.layout, None))
        other.execute("DELETE FROM workflow_definitions")
        assert list(stream(opened.conn, opened.layout, None)) == first
    assert opened.read() == []


def test_memory_stays_bounded(opened: Session) -> None:
    opened.write(*(new(n, trigger={"text": "x" * 50_000}) for n in range(200)))  # ten megabytes
    with snapshot(opened.conn):
        tracemalloc.start()
        count = sum(1 for _ in stream(opened.conn, opened.layout, None))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 200
    assert peak < 1_500_000


def test_a_reader_that_gives_up_leaves_a_usable_session(opened: Session) -> None:
    opened.write(*(new(n, trigger={"text": "x" * 50_000}) for n in range(200)))
    with snapshot(opened.conn):
        rows = stream(opened.conn, opened.layout, None)
        assert len(list(islice(rows, 2))) == 2
        rows.close()  # type: ignore[attr-defined]
    assert len(opened.read()) == 200


def test_by_id_the_connection_is_free_between_two_items(opened: Session) -> None:
    opened.write(*(new(n) for n in range(5)))
    with snapshot(opened.conn):
        for row in stream(opened.conn, opened.layout, None, ids=[workflow_id(n) for n in range(5)], batch=2):
            assert opened.conn.execute("SELECT 1").fetchall() == [(1,)]
            assert row.metadata == METADATA | {"failureRateThreshold": row.metadata["failureRateThreshold"]}


def test_versions_without_their_definition_are_not_seen(altered: Session) -> None:
    altered.write(new(1), new(2))
    altered.conn.execute(
        "ALTER TABLE workflow_definition_versions DROP CONSTRAINT workflow_definition_versions_workflow_id_fkey;"
        f"DELETE FROM workflow_definitions WHERE workflow_id = '{workflow_id(1)}'"
    )
    assert [w.workflow_id for w in altered.read()] == [workflow_id(2)]


@pytest.mark.parametrize("when", ["infinity", "-infinity", "10000-01-01", "4000-01-01 BC"])
def test_times_outside_of_pythons_range_are_not_fatal(opened: Session, when: str) -> None:
    opened.write(new(1))
    opened.conn.execute(f"UPDATE workflow_definitions SET updated_at = '{when}'")
    opened.conn.execute(
        f"UPDATE workflow_definition_versions SET published_at = CASE version WHEN 1 THEN '{when}'::timestamptz"
        " ELSE '2026-01-02 03:04:05.678999+02' END"
    )
    (stored,) = opened.read()
    assert to_datetime(stored.updated_at) is None
    assert rfc3339(exported_at(stored)) == "2026-01-02T01:04:05.678Z"
    opened.conn.execute("UPDATE workflow_definition_versions SET published_at = NULL")
    assert rfc3339(exported_at(opened.read()[0])) == "1970-01-01T00:00:00.000Z"


def test_the_newest_time_counts(opened: Session) -> None:
    opened.write(new(1))
    opened.conn.execute("UPDATE workflow_definition_versions SET published_at = '2026-01-01'")
    opened.conn.execute("UPDATE workflow_definitions SET updated_at = '2026-02-03 00:00:00.0004+00'")
    assert exported_at(opened.read()[0]) == datetime(2026, 2, 3, 0, 0, 0, 400, tzinfo=UTC)


def test_null_and_invalid_keys_are_listed(opened: Session) -> None:
    opened.write(*(new(n) for n in range(5)))
    keys = [None, "Upper", "ok", "con.x", "trailing\n"]
    for number, key in enumerate(keys):
        opened.conn.execute(
            "UPDATE workflow_definitions SET key = %s WHERE workflow_id = %s", [key, workflow_id(number)]
        )
    listed = read_ids(opened.conn, opened.layout, None)
    assert [key for _, key in listed] == keys
    problems = [key_problem(*row) for row in listed]
    assert [p is None for p in problems] == [False, False, True, False, False]
    assert {(p.code, p.severity) for p in problems if p} == {("INVALID_KEY", "warning")}
    for stored in opened.read():
        if stored.key != "ok":
            with pytest.raises(DatabaseError) as caught:
                to_workflow(stored, {})
            assert caught.value.problems[0].code == "INVALID_KEY"


_DEEP = "[" * 300 + "]" * 300
_VERY_DEEP = "[" * 3000 + "]" * 3000


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE workflow_definitions SET draft_definition = '[1]'", "draft_definition is not an object"),
        ("UPDATE workflow_definitions SET draft_definition = 'null'", "draft_definition is not an object"),
        ("UPDATE workflow_definitions SET draft_definition = '{\"n\": 1e400}'", "beyond binary64"),
        (f"UPDATE workflow_definitions SET draft_definition = '{{\"d\": {_DEEP}}}'", "nested deeper"),
        (f"UPDATE workflow_definitions SET draft_definition = '{{\"d\": {_VERY_DEEP}}}'", "nested deeper"),
        ("UPDATE workflow_definitions SET trigger = '\"text\"'", "trigger is neither an object nor null"),
        ("UPDATE workflow_definitions SET retention_policy_override = '7'", "retentionPolicyOverride is neither"),
        ("UPDATE workflow_definitions SET name = ''", "name is missing or empty"),
        ("UPDATE workflow_definitions SET payload_schema_ref = NULL", "payloadSchemaRef is missing or empty"),
        ("UPDATE workflow_definitions SET failure_rate_threshold = 'NaN'", "failureRateThreshold is not"),
        ("UPDATE workflow_definitions SET failure_rate_threshold = -1", "failureRateThreshold is not"),
        (
            "UPDATE workflow_definition_versions SET definition_json = '1' WHERE version = 2",
            "version 2: definition_json",
        ),
        ("UPDATE workflow_definition_versions SET payload_schema_json = '[]' WHERE version = 1", "version 1: payload"),
        ("UPDATE workflow_definition_versions SET version = 0 WHERE version = 1", "version 0 is below 1"),
    ],
)
def test_a_row_that_no_file_can_hold_is_named(opened: Session, statement: str, says: str) -> None:
    opened.write(new(1))
    opened.conn.execute(statement)
    (stored,) = opened.read()
    with pytest.raises(DatabaseError) as caught:
        to_workflow(stored, {})
    assert caught.value.code == "INVALID_ROW"
    (problem,) = caught.value.problems
    assert says in problem.message
    assert problem.key == "flow-1"


def test_a_long_number_that_a_double_can_hold_is_no_fault(opened: Session) -> None:
    opened.write(new(1))
    opened.conn.execute(
        "UPDATE workflow_definitions SET draft_definition = jsonb_build_object('n', 1e308, 't', repeat('9', 400))"
    )
    assert opened.workflows()[0].draft == {"n": 10**308, "t": "9" * 400}


def test_all_faults_of_a_row_are_named(opened: Session) -> None:
    opened.write(new(1))
    opened.conn.execute("UPDATE workflow_definitions SET name = '', trigger = '[]', draft_definition = '7', key = NULL")
    (stored,) = opened.read()
    with pytest.raises(DatabaseError) as caught:
        to_workflow(stored, {})
    assert len(caught.value.problems) == 4


def test_two_rows_of_one_version_are_named(altered: Session) -> None:
    altered.write(new(1))
    altered.conn.execute(
        "ALTER TABLE workflow_definition_versions DROP CONSTRAINT workflow_definition_versions_workflow_id_version_key"
    )
    altered.conn.execute("UPDATE workflow_definition_versions SET version = 1")
    with pytest.raises(DatabaseError) as caught:
        to_workflow(altered.read()[0], {})
    assert "version 1 is there twice" in caught.value.problems[0].message


def test_json_null_is_null(opened: Session) -> None:
    opened.write(new(1))
    opened.conn.execute("UPDATE workflow_definitions SET trigger = 'null', retention_policy_override = 'null'")
    opened.conn.execute("UPDATE workflow_definition_versions SET payload_schema_json = 'null'")
    (workflow,) = opened.workflows()
    assert workflow.metadata == METADATA
    assert [v.payload_schema for v in workflow.versions] == [None, None]


def test_a_threshold_becomes_a_number(opened: Session) -> None:
    opened.write(new(1))
    for stored, expected in (("0.50", 0.5), ("1.00", 1), ("999.99", 999.99), ("0", 0)):
        opened.conn.execute(f"UPDATE workflow_definitions SET failure_rate_threshold = {stored}")
        threshold = opened.workflows()[0].metadata["failureRateThreshold"]
        assert threshold == expected
        assert type(threshold) is type(expected)


@pytest.mark.parametrize("spelling", ["{}", "{{{}}}", "urn:uuid:{}"])
def test_an_id_in_another_spelling_is_the_same_id(opened: Session, spelling: str) -> None:
    opened.write(new(1))
    called = spelling.format(workflow_id(1).upper())
    opened.conn.execute(
        "UPDATE workflow_definitions SET draft_definition = jsonb_build_object('steps', jsonb_build_array("
        "jsonb_build_object('id', 'c', 'type', 'control.callWorkflow', 'workflowId', %s::text)))",
        [called],
    )
    assert opened.workflows()[0].draft["steps"][0]["workflowId"] == "flow-1"


def test_a_mode_of_null_is_pinned(altered: Session) -> None:
    altered.conn.execute("ALTER TABLE workflow_definitions ALTER payload_schema_mode DROP NOT NULL")
    altered.write(new(1))
    altered.conn.execute("UPDATE workflow_definitions SET payload_schema_mode = NULL, is_visible = false")
    assert altered.workflows()[0].metadata == METADATA | {"isVisible": False}


def test_times_without_a_zone_are_utc(altered: Session) -> None:
    altered.conn.execute("ALTER TABLE workflow_definitions ALTER updated_at TYPE timestamp")
    altered.write(new(1, versions=()))
    altered.conn.execute("UPDATE workflow_definitions SET updated_at = '2026-01-02 03:04:05'")
    assert rfc3339(exported_at(altered.read()[0])) == "2026-01-02T03:04:05.000Z"


def test_a_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_stored_workflow_says_who_wrote_it(opened: Session) -> None:
    opened.write(new(1))
    opened.conn.execute("UPDATE workflow_definitions SET updated_by = %s", [workflow_id(5)])
    stored: StoredWorkflow = opened.read()[0]
    assert (stored.updated_by, stored.status, stored.draft_version) == (workflow_id(5), "published", 1)
