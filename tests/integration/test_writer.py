"""Inserting, overwriting in place, deleting, relinking: on every layout, and back again through the reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import LAYOUTS, Database, Databases, LayoutName
from rows import METADATA, Session, kept, new, session, workflow_id
from strategies import json_objects, workflows
from wfsync.bundle.canonical import canonical_bytes, compact_bytes
from wfsync.bundle.fingerprint import digest
from wfsync.bundle.model import JsonObject, PublishedVersion, Workflow
from wfsync.bundle.structure import from_tree
from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store.connection import connect, write_transaction
from wfsync.store.mapping import to_new
from wfsync.store.new_rows import NewWorkflow
from wfsync.store.rewrite import Deleted, Relink, Updated, UpdateWorkflow, delete, relink, update
from wfsync.store.writer import existing_keys, insert, lock_definitions, lock_table_if_needed

HOSTILE: JsonObject = {
    "": {"": [[], {}, [[[]]]]},
    "unicode": 'é 😀 \ufffd \ue000 \u2028 \x7f \x1f \\ " / \t\r\n',
    "😀": 1,
    "\ue000": 2,
    "big": 12345678901234567890123456789,
    "1e21": 10**21,
    "1.50": 1.5,
    "tiny": 5e-324,
    "large": 1.7976931348623157e308,
    "beyond 2^53": 2**53 + 1,
    "negative": -(2**63) - 1,
    "deep": None,
}
_deep: JsonObject = {}
for _ in range(90):
    _deep = {"d": [_deep]} if len(_deep) % 2 else {"d": _deep}
HOSTILE["deep"] = _deep


@pytest.fixture(scope="module", params=LAYOUTS)
def instance(request: pytest.FixtureRequest, _databases: Databases) -> Iterator[Session]:
    """One database of each layout for the whole module: tests empty it first."""
    with kept(_databases, request.param) as place, session(place) as opened:
        yield opened


@pytest.fixture
def fresh(database: Databases) -> Iterator[Session]:
    with session(database("wfsync")) as opened:
        yield opened


def _clear(s: Session) -> None:
    s.conn.execute("DELETE FROM workflow_definitions")


def _written(s: Session, *rows: NewWorkflow) -> None:
    _clear(s)
    s.write(*rows)


def test_what_is_inserted_is_read_back(instance: Session) -> None:
    trigger = {"type": "event", "eventName": "X", "n": 1.50}
    everything: dict[str, Any] = {
        "description": "tab\tnew\nline back\\slash",
        "payloadSchemaMode": None,
        "pinnedPayloadSchemaRef": "p",
        "trigger": trigger,
        "isSystem": True,
        "isVisible": False,
        "isPaused": True,
        "concurrencyLimit": 2147483647,
        "autoPauseOnFailure": True,
        "failureRateThreshold": 999.99,
        "failureRateMinRuns": None,
        "retentionPolicyOverride": {"days": 30},
    }
    _written(instance, new(1, **everything), new(2, versions=()), new(3, versions=(7, 3), failureRateThreshold=None))

    first, second, third = instance.workflows()

    assert first.metadata == METADATA | everything | {"payloadSchemaMode": "pinned"}
    assert first.draft == {"version": 1, "name": "draft of 1", "steps": []}
    assert [v.version for v in first.versions] == [1, 2]
    assert first.versions[0].payload_schema == {"type": "object"}
    assert first.versions[1].payload_schema is None
    assert second.metadata == METADATA
    assert second.versions == ()
    assert [v.version for v in third.versions] == [3, 7]
    assert third.metadata["failureRateThreshold"] is None


def test_what_the_database_adds(instance: Session) -> None:
    _written(instance, new(1), new(2, versions=()))

    rows = instance.rows(
        "SELECT status, created_at = updated_at, updated_at > now() - interval '1 minute', created_by,"
        " validation_status, payload_schema_provenance FROM workflow_definitions ORDER BY workflow_id"
    )
    assert rows == [("published", True, True, None, None, None), ("draft", True, True, None, None, None)]
    versions = instance.rows(
        "SELECT v.published_at = d.updated_at, v.created_at = d.created_at, v.published_by, payload_schema_json IS NULL"
        " FROM workflow_definition_versions v JOIN workflow_definitions d USING (workflow_id) ORDER BY v.version"
    )
    assert versions == [(True, True, None, False), (True, True, None, True)]
    assert instance.rows("SELECT count(DISTINCT version_id) FROM workflow_definition_versions") == [(2,)]
    assert instance.rows(
        "SELECT count(*) FROM workflow_definition_versions WHERE version_id::text ~"
        " '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'"
    ) == [(2,)]


def test_hostile_json_survives(instance: Session) -> None:
    workflow = Workflow(
        "hostile", METADATA | {"trigger": HOSTILE}, 1, HOSTILE, (PublishedVersion(1, HOSTILE, HOSTILE),)
    )
    _written(instance, to_new(workflow, workflow_id(1), lambda key: key))

    (back,) = instance.workflows()

    assert canonical_bytes(back.draft) == canonical_bytes(HOSTILE)
    assert digest(back) == digest(workflow)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(workflows(), min_size=1, max_size=4), json_objects())
def test_any_workflow_survives(fresh: Session, bundles: list[JsonObject], schema: JsonObject) -> None:
    """insert, then stream and to_workflow: an equal canonical workflow, whatever its JSON."""
    wanted = {}
    for bundle in bundles:
        workflow = from_tree(bundle["workflows"][0])
        wanted[workflow.key] = Workflow(
            workflow.key,
            workflow.metadata,
            workflow.draft_version,
            {**workflow.draft, "any": schema},
            workflow.versions,
        )
    ids = {key: workflow_id(number) for number, key in enumerate(wanted)}
    _written(fresh, *(to_new(w, ids[w.key], lambda key: ids.get(key, key)) for w in wanted.values()))

    assert {w.key: digest(w) for w in fresh.workflows()} == {key: digest(w) for key, w in wanted.items()}


def test_calls_become_ids_and_keys_again(instance: Session) -> None:
    def calling(target: str) -> JsonObject:
        step = {"id": "c", "type": "control.callWorkflow", "workflowId": target, "workflowVersion": 1}
        return {"version": 1, "steps": [{"id": "i", "type": "control.if", "condition": True, "then": [step]}]}

    stranger = "99999999-9999-4999-8999-999999999999"
    ids = {"a": workflow_id(1), "b": workflow_id(2)}
    a = Workflow("a", METADATA, 1, calling("b"), (PublishedVersion(1, calling("b"), None),))
    b = Workflow("b", METADATA, 1, calling("a"), (PublishedVersion(1, calling(stranger), None),))
    _written(instance, *(to_new(w, ids[w.key], lambda key: ids.get(key, key)) for w in (a, b)))

    assert instance.rows(
        "SELECT draft_definition->>'id', draft_definition #>> '{steps,0,then,0,workflowId}' FROM workflow_definitions"
        " ORDER BY workflow_id"
    ) == [(ids["a"], ids["b"]), (ids["b"], ids["a"])]
    assert instance.workflows() == [a, b]


def test_many_workflows_are_written_in_several_batches(fresh: Session) -> None:
    padding = {"text": "x" * 100_000}
    fresh.write(*(new(n, trigger=padding) for n in range(60)))  # six megabytes
    assert len(fresh.read()) == 60


def test_an_error_of_the_source_of_rows_comes_out_and_nothing_stays(fresh: Session) -> None:
    def rows() -> Iterator[NewWorkflow]:
        for number in range(60):
            yield new(number, trigger={"text": "x" * 100_000})
        raise DatabaseError("the source broke")

    with pytest.raises(DatabaseError, match="the source broke"), write_transaction(fresh.conn, 5):
        insert(fresh.conn, fresh.layout, fresh.tenant, rows())
    assert fresh.read() == []


def test_a_violated_constraint_on_the_last_row_leaves_nothing(fresh: Session) -> None:
    last = new(61, key="flow-1")
    with pytest.raises(DatabaseError):
        fresh.write(*(new(n, trigger={"text": "x" * 100_000}) for n in range(60)), last)
    assert fresh.read() == []


def test_an_endless_source_ends_when_the_server_refuses(fresh: Session) -> None:
    def rows() -> Iterator[NewWorkflow]:
        while True:
            yield new(1, trigger={"text": "x" * 100_000})

    with pytest.raises(DatabaseError), write_transaction(fresh.conn, 5):
        insert(fresh.conn, fresh.layout, fresh.tenant, rows())


def test_giving_up_while_the_server_waits_for_a_lock_does_not_hang(database: Databases) -> None:
    """Like Ctrl-C: the COPY waits for another session's lock; it is cancelled and the error comes out."""
    place = database("A")
    with session(place) as s, session(place) as other:

        def rows() -> Iterator[NewWorkflow]:
            yield new(1, trigger={"text": "x" * 2_000_000})
            with place.connect() as watcher:
                while watcher.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall() == [(0,)]:
                    pass
            raise KeyboardInterrupt

        with write_transaction(other.conn, 5):
            other.conn.execute("LOCK TABLE workflow_definitions IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(KeyboardInterrupt), write_transaction(s.conn, 60):
                insert(s.conn, s.layout, s.tenant, rows())


def test_types_that_binary_copy_cannot_serve_are_written_as_text(database: Databases) -> None:
    place = database("A")
    place.execute(
        "ALTER TABLE workflow_definitions ALTER trigger TYPE json, ALTER concurrency_limit TYPE bigint,"
        " ALTER failure_rate_threshold TYPE real, ALTER updated_at TYPE timestamp, ALTER name TYPE varchar(9)",
        "ALTER TABLE workflow_definition_versions ALTER payload_schema_json TYPE text USING NULL",
        "ALTER TABLE workflow_definition_versions ALTER published_at TYPE timestamp",
    )
    description = "tab\t new\n back\\slash \\N \\. \r"
    with session(place) as s:
        s.write(new(1, trigger={"a": "\\ \n"}, concurrencyLimit=3, failureRateThreshold=0.25, description=description))
        (back,) = s.workflows()
        (stored,) = s.read()
        assert back.metadata == METADATA | {
            "trigger": {"a": "\\ \n"},
            "concurrencyLimit": 3,
            "failureRateThreshold": 0.25,
            "description": description,
        }
        assert back.versions[0].payload_schema == {"type": "object"}
        assert stored.versions[0].published_at == stored.updated_at
        same = UpdateWorkflow(stored.workflow_id, back.metadata, 1, new(1).draft, new(1).versions)
        with write_transaction(s.conn, 5):
            assert update(s.conn, s.layout, s.tenant, [same]) == Updated(1)


def test_a_layout_with_fewer_columns_is_written_and_read(database: Databases) -> None:
    place = database("A")
    place.execute(
        "ALTER TABLE workflow_definitions DROP description, DROP status, DROP failure_rate_threshold, DROP trigger,"
        " DROP validation_status, DROP is_visible, DROP created_at, DROP updated_at, DROP updated_by",
        "ALTER TABLE workflow_definition_versions DROP version_id, DROP payload_schema_json, DROP published_at",
    )
    with session(place) as s:
        s.write(new(1, failureRateThreshold=0.1))
        (stored,) = s.read()
        assert (stored.status, stored.updated_at, stored.versions[0].version_id) == ("published", None, "")
        assert {**stored.metadata, "failureRateThreshold": 0.5} == METADATA
        assert stored.metadata["failureRateThreshold"] == "0.5"
        row = new(1)
        with write_transaction(s.conn, 5):
            changed = UpdateWorkflow(row.workflow_id, METADATA, 2, row.draft, new(1, versions=(1, 3)).versions)
            assert update(s.conn, s.layout, s.tenant, [changed]) == Updated(1, 1, 0, 1)
            assert delete(s.conn, s.layout, s.tenant, [row.workflow_id]) == Deleted(1, 2)


def test_generated_columns_are_left_to_the_server(database: Databases) -> None:
    place = database("A")
    place.execute(
        "ALTER TABLE workflow_definitions DROP description",
        "ALTER TABLE workflow_definitions ADD description text GENERATED ALWAYS AS (upper(name)) STORED",
    )
    with session(place) as s:
        s.write(new(1, description="ignored"))
        row = new(1, description="ignored", name="Other")
        with write_transaction(s.conn, 5):
            update(
                s.conn, s.layout, s.tenant, [UpdateWorkflow(row.workflow_id, row.metadata, 1, row.draft, row.versions)]
            )
        assert [w.metadata["description"] for w in s.workflows()] == ["OTHER"]


@pytest.fixture
def secured(database: Databases) -> Iterator[tuple[Database, Session]]:
    """Row-level security is active for the role that connects; it sees only the tenant's rows."""
    place = database("B")
    for table in ("workflow_definitions", "workflow_definition_versions", "workflow_runs"):
        place.execute(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY p ON {table} USING (tenant = '11111111-1111-4111-8111-111111111111')",
        )
    role = f"secured_{place.name}"
    place.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
    )
    with session(place) as s:
        s.conn.execute(f"SET SESSION AUTHORIZATION {role}")
        from wfsync.store.layout import detect

        layout = detect(s.conn)
        yield place, Session(s.conn, layout, s.tenant)
        s.conn.execute("RESET SESSION AUTHORIZATION")
    place.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_where_row_security_forbids_copy_rows_are_inserted(secured: tuple[Database, Session]) -> None:
    _, s = secured
    assert s.layout.row_security_active
    s.write(*(new(n, trigger={"a": "\\"}, failureRateThreshold=0.25) for n in range(150)))
    back = s.workflows()
    assert len(back) == 150
    assert back[0].metadata == METADATA | {"trigger": {"a": "\\"}, "failureRateThreshold": 0.25}
    assert [v.version for v in back[149].versions] == [1, 2]


def test_rows_that_a_policy_hides_are_not_silently_skipped(secured: tuple[Database, Session]) -> None:
    place, s = secured
    s.write(new(1), new(2))
    place.execute(
        "ALTER POLICY p ON workflow_definitions USING (key <> 'flow-2')",
    )
    with pytest.raises(DatabaseError, match="1 of 2 rows") as caught, write_transaction(s.conn, 5):
        delete(s.conn, s.layout, s.tenant, [workflow_id(1), workflow_id(2)])
    assert caught.value.code == "ROW_GONE"
    row = new(2)
    with pytest.raises(DatabaseError, match="1 of 1 rows"), write_transaction(s.conn, 5):
        update(s.conn, s.layout, s.tenant, [UpdateWorkflow(row.workflow_id, row.metadata, 1, row.draft, ())])


def test_update_keeps_what_is_equal(instance: Session) -> None:
    _written(instance, new(1, versions=(1, 2, 3)), new(2))
    instance.conn.execute(
        "UPDATE workflow_definitions SET payload_schema_provenance = 'kept', validation_status = 'valid',"
        " validated_at = now(), updated_at = '2020-01-01', created_at = '2020-01-01'"
    )
    instance.conn.execute(
        "UPDATE workflow_definition_versions SET validation_status = 'valid', published_at = '2020-01-01'"
    )
    column = instance.layout.tenant
    names = f"{column.name}, " if column else ""
    value = f"'{instance.tenant.value}', " if instance.tenant else ""
    instance.conn.execute(
        f"INSERT INTO workflow_runs ({names}workflow_id, workflow_version, status) VALUES ({value}%s, 1, 'SUCCEEDED')",
        [workflow_id(1)],
    )
    before = dict(instance.rows(_VERSION_ROWS, workflow_id(1)))
    ids = dict(
        instance.rows(
            "SELECT version, version_id FROM workflow_definition_versions WHERE workflow_id = %s", workflow_id(1)
        )
    )
    other = instance.rows("SELECT d.*, d.xmin::text FROM workflow_definitions d WHERE workflow_id = %s", workflow_id(2))
    wanted = new(1, versions=(1, 2, 4), name="New name")
    changed = compact_bytes({"id": wanted.workflow_id, "changed": True})
    versions = (wanted.versions[0], type(wanted.versions[1])(2, changed, None), wanted.versions[2])

    with write_transaction(instance.conn, 5):
        row = UpdateWorkflow(wanted.workflow_id, wanted.metadata, 5, changed, versions)
        done = update(instance.conn, instance.layout, instance.tenant, [row])

    assert done == Updated(workflows=1, versions_inserted=1, versions_rewritten=1, versions_deleted=1)
    after = dict(instance.rows(_VERSION_ROWS, workflow_id(1)))
    assert after[1] == before[1], "an equal version row is not touched: the same xmin"
    assert after[2] != before[2]
    assert sorted(after) == [1, 2, 4]
    assert dict(
        instance.rows(
            "SELECT version, version_id FROM workflow_definition_versions WHERE workflow_id = %s AND version < 3",
            workflow_id(1),
        )
    ) == {1: ids[1], 2: ids[2]}
    assert instance.rows(
        "SELECT version, published_at < '2021-01-01', validation_status FROM workflow_definition_versions"
        " WHERE workflow_id = %s ORDER BY version",
        workflow_id(1),
    ) == [(1, True, "valid"), (2, True, None), (4, False, None)]
    assert instance.rows(
        "SELECT name, draft_version, payload_schema_provenance, validation_status, validated_at, status,"
        " created_at < '2021-01-01', updated_at > '2021-01-01' FROM workflow_definitions WHERE workflow_id = %s",
        workflow_id(1),
    ) == [("New name", 5, "kept", None, None, "published", True, True)]
    assert instance.rows("SELECT count(*) FROM workflow_runs") == [(1,)]
    assert other == instance.rows(
        "SELECT d.*, d.xmin::text FROM workflow_definitions d WHERE workflow_id = %s", workflow_id(2)
    )


_VERSION_ROWS = (
    "SELECT v.version, (v.xmin::text, v.ctid::text, v.definition_json) FROM workflow_definition_versions v"
    " WHERE workflow_id = %s"
)


def test_update_without_versions_makes_a_draft(instance: Session) -> None:
    _written(instance, new(1))
    row = new(1)
    with write_transaction(instance.conn, 5):
        done = update(
            instance.conn,
            instance.layout,
            instance.tenant,
            [UpdateWorkflow(row.workflow_id, METADATA, 1, row.draft, ())],
        )
    assert done == Updated(1, 0, 0, 2)
    assert instance.rows("SELECT status FROM workflow_definitions") == [("draft",)]


def test_a_number_in_another_notation_is_an_equal_version(fresh: Session) -> None:
    """jsonb keeps 1.50; a file that says 1.5 does not differ."""
    _written(fresh, new(1, versions=(1,)))
    fresh.conn.execute("UPDATE workflow_definition_versions SET definition_json = definition_json || '{\"n\": 1.50}'")
    version = new(1, versions=(1,)).versions[0]
    text = version.definition[:-1] + b',"n":1.5}'
    row = UpdateWorkflow(workflow_id(1), METADATA, 1, new(1).draft, (type(version)(1, text, version.payload_schema),))
    with write_transaction(fresh.conn, 5):
        assert update(fresh.conn, fresh.layout, fresh.tenant, [row]).versions_rewritten == 0


def test_delete_takes_versions_and_runs(instance: Session) -> None:
    _written(instance, *(new(n) for n in range(3)))
    gone = [workflow_id(0), workflow_id(2)]
    with write_transaction(instance.conn, 5):
        assert delete(instance.conn, instance.layout, instance.tenant, gone) == Deleted(2, 4)
        assert delete(instance.conn, instance.layout, instance.tenant, []) == Deleted()
    assert [row.workflow_id for row in instance.read()] == [workflow_id(1)]
    assert instance.rows("SELECT count(*) FROM workflow_definition_versions") == [(2,)]


def test_delete_of_a_row_that_is_gone_is_an_error(fresh: Session) -> None:
    fresh.write(new(1))
    with pytest.raises(DatabaseError) as caught, write_transaction(fresh.conn, 5):
        delete(fresh.conn, fresh.layout, fresh.tenant, [workflow_id(1), workflow_id(2)])
    assert caught.value.code == "ROW_GONE"
    assert len(fresh.read()) == 1


def test_relink_changes_only_the_named_documents(instance: Session) -> None:
    _written(instance, new(1), new(2))
    instance.conn.execute("UPDATE workflow_definitions SET validation_status = 'valid'")
    with write_transaction(instance.conn, 5):
        written = relink(
            instance.conn,
            instance.layout,
            instance.tenant,
            [Relink(workflow_id(1), b'{"new":"draft"}', ((2, b'{"new":"two"}'),)), Relink(workflow_id(2), None)],
        )
    assert written == 2
    first, second = instance.read()
    assert first.draft == b'{"new": "draft"}'
    assert [b"new" in v.definition for v in first.versions] == [False, True]
    assert second.draft != first.draft
    assert instance.rows("SELECT DISTINCT validation_status FROM workflow_definitions") == [("valid",)]
    with pytest.raises(DatabaseError), write_transaction(instance.conn, 5):
        relink(instance.conn, instance.layout, instance.tenant, [Relink(workflow_id(1), None, ((9, b"{}"),))])


def test_existing_keys_finds_both_rows_of_an_ambiguous_key(database: Databases) -> None:
    with session(database("B")) as s:
        s.write(new(1, key="twice"), new(2, key="twice"), new(3, key="once"))
        found = existing_keys(s.conn, s.layout, s.tenant, ["twice", "once", "never"])
        assert found == {"twice": (workflow_id(1), workflow_id(2)), "once": (workflow_id(3),)}
        assert existing_keys(s.conn, s.layout, s.tenant, []) == {}


def test_locks_keep_others_out(instance: Session, request: pytest.FixtureRequest) -> None:
    _written(instance, new(1), new(2))
    other = connect(instance.conn.target)  # type: ignore[attr-defined]
    with other, write_transaction(instance.conn, 5):
        locked = lock_definitions(instance.conn, instance.layout, instance.tenant, [workflow_id(1), workflow_id(7)])
        assert locked == {workflow_id(1)}
        other.execute("SET lock_timeout = '50ms'")
        other.execute("UPDATE workflow_definitions SET name = 'free' WHERE workflow_id = %s", [workflow_id(2)])
        for statement in (
            "UPDATE workflow_definitions SET name = 'taken' WHERE workflow_id = %s",
            "UPDATE workflow_definition_versions SET definition_json = '{}' WHERE workflow_id = %s",
        ):
            with pytest.raises(Exception, match="lock timeout"):
                other.execute(statement, [workflow_id(1)])
    assert instance.rows("SELECT name FROM workflow_definitions ORDER BY workflow_id") == [("Name",), ("free",)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_table_is_locked_only_where_no_index_guards_the_key(database: Databases, layout: LayoutName) -> None:
    place = database(layout)
    with session(place) as s, session(place) as other, write_transaction(s.conn, 5):
        assert lock_table_if_needed(s.conn, s.layout) is (layout == "B")
        row = new(1)
        if layout == "B":
            with pytest.raises(LockTimeout), write_transaction(other.conn, 0.05):
                insert(other.conn, other.layout, other.tenant, [row])
        else:
            other.write(row)
